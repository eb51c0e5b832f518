package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MaxRecord is the size limit of a leaf and of an outcome record, in bytes: the
// length prefix of an entry bundle has two bytes.
const MaxRecord = 65_535

// layout holds the sizes that decide where a record lies. Files do not mix
// layouts; only tests use another than production, to meet every boundary with
// few records.
type layout struct {
	segment    uint64 // records per segment, a power of two
	block      uint64 // records per compressed block, a divisor of segment
	generation int    // index rows held in memory before they become a run
	fanout     int    // runs of one level that are merged into one of the next
	waiting    int    // full generations that may wait to be written
	cacheBytes int    // decompressed blocks kept in memory
}

var production = layout{
	segment:    16_384,
	block:      256,
	generation: 65_536,
	fanout:     4,
	waiting:    8,
	cacheBytes: 32 << 20,
}

// Names of files and directories within a journal.
const (
	lockName      = "lock"
	markName      = "mark"
	hashesName    = "hashes"
	indexName     = "index"
	plainSuffix   = ".plain"
	sealedSuffix  = ".sealed"
	runSuffix     = ".run"
	genSuffix     = ".gen"
	tempSuffix    = ".tmp"
	numberedWidth = 10
)

func numbered(n uint64, suffix string) string {
	return fmt.Sprintf("%0*d%s", numberedWidth, n, suffix)
}

// parseNumbered is the inverse of numbered.
func parseNumbered(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && numbered(n, suffix) == name
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(parts ...[]byte) uint32 {
	sum := uint32(0)
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

// Shorthands for the one byte order that all files use.
var order = binary.BigEndian

// syncDir makes creations, renames and removals in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// replaceFile puts data at path, durably and atomically: after a crash the old
// content is there or the new, never a part.
func replaceFile(path string, data []byte) error {
	temp := path + tempSuffix
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return commitFile(f, path)
}

// commitFile fsyncs and closes a temporary file and renames it to path.
func commitFile(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
