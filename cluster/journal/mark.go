package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const markHeader = "tallyvault-journal-mark 1"

// A mark says how far the journal is durable. It is a text, so that an operator
// can read it.
type mark struct {
	leaves     uint64
	outcomes   uint64
	root       tlog.Hash // of the tree of that many leaves
	generation string    // name of the index generation's file, or ""
	runs       []markRun
}

// A markRun names a run of the index and repeats its checksum, so that another
// file under its name is noticed.
type markRun struct {
	number uint64
	sum    uint32
}

func (m mark) format() []byte {
	var b strings.Builder
	generation := m.generation
	if generation == "" {
		generation = "-"
	}
	fmt.Fprintf(&b, "%s\nleaves %d\noutcomes %d\nroot %s\ngeneration %s\n",
		markHeader, m.leaves, m.outcomes, m.root, generation)
	for _, r := range m.runs {
		fmt.Fprintf(&b, "run %d %08x\n", r.number, r.sum)
	}
	return summed(b.String())
}

// summed appends the checksum line to the lines before it.
func summed(body string) []byte {
	return fmt.Appendf([]byte(body), "sum %x\n", sha256.Sum256([]byte(body)))
}

// parseMark accepts exactly what format writes.
func parseMark(text []byte) (mark, error) {
	body, sum, ok := strings.Cut(string(text), "sum ")
	want := sha256.Sum256([]byte(body))
	if !ok || sum != hex.EncodeToString(want[:])+"\n" {
		return mark{}, errors.New("the checksum is wrong")
	}
	var m mark
	var root string
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if len(lines) < 5 {
		return mark{}, errors.New("lines are missing")
	}
	_, err := fmt.Sscanf(strings.Join(lines[1:5], "\n"), "leaves %d\noutcomes %d\nroot %s\ngeneration %s",
		&m.leaves, &m.outcomes, &root, &m.generation)
	if err != nil {
		return mark{}, err
	}
	if m.root, err = tlog.ParseHash(root); err != nil {
		return mark{}, err
	}
	if m.generation == "-" {
		m.generation = ""
	}
	for _, line := range lines[5:] {
		number, sum, _ := strings.Cut(strings.TrimPrefix(line, "run "), " ")
		n, err1 := strconv.ParseUint(number, 10, 64)
		s, err2 := strconv.ParseUint(sum, 16, 32)
		if err := errors.Join(err1, err2); err != nil {
			return mark{}, err
		}
		m.runs = append(m.runs, markRun{n, uint32(s)})
	}
	if string(m.format()) != string(text) {
		return mark{}, errors.New("it is not in canonical form")
	}
	return m, nil
}

// readMark reads the mark of a journal. Without one the directory must be empty
// of journal files, else the second result is false and the mark is lost.
func readMark(dir string) (m mark, exists bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, false, missingMark(dir)
	}
	if err != nil {
		return mark{}, false, &DamagedError{File: markName, What: "it cannot be read", Err: err}
	}
	m, err = parseMark(text)
	if err != nil {
		return mark{}, false, &DamagedError{File: markName, What: "it does not parse", Err: err}
	}
	return m, true, nil
}

// missingMark decides whether a directory without a mark is new or damaged.
func missingMark(dir string) error {
	for _, pattern := range []string{hashesName, "leaves/*", "outcomes/*", indexName + "/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return &DamagedError{File: markName, What: "it is missing although the journal has files"}
		}
	}
	return nil
}
