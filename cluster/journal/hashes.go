package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// nearby is the largest distance, in bytes, across which two hashes are read with
// one call: reading a few kilobytes costs less than a second call.
const nearby = 4096

// A hashFile is the flat file of tlog's stored hashes.
type hashFile struct {
	file *os.File
	buf  []byte // the writer's scratch
}

// append writes hashes from a stored index on.
func (h *hashFile) append(at int64, hashes []tlog.Hash) error {
	h.buf = h.buf[:0]
	for i := range hashes {
		h.buf = append(h.buf, hashes[i][:]...)
	}
	if _, err := h.file.WriteAt(h.buf, at*tlog.HashSize); err != nil {
		return fmt.Errorf("append to %s: %w", hashesName, err)
	}
	return nil
}

// read returns the hashes at the given stored indexes, in any order, with one
// call for each group that lies together.
func (h *hashFile) read(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	places := make([]int, len(indexes))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(a, b int) int { return cmp.Compare(indexes[a], indexes[b]) })
	var buf []byte
	for len(places) > 0 {
		first := indexes[places[0]]
		n := 1
		for n < len(places) && (indexes[places[n]]-indexes[places[n-1]])*tlog.HashSize <= nearby {
			n++
		}
		size := int(indexes[places[n-1]]-first+1) * tlog.HashSize
		if cap(buf) < size {
			buf = make([]byte, size)
		}
		if _, err := h.file.ReadAt(buf[:size], first*tlog.HashSize); err != nil {
			if errors.Is(err, os.ErrClosed) {
				return nil, ErrClosed
			}
			level, n := tlog.SplitStoredHashIndex(first)
			leaf := uint64(n) << level
			return nil, &DamagedError{File: hashesName, What: "a hash cannot be read", Index: leaf, Err: err}
		}
		for _, place := range places[:n] {
			copy(hashes[place][:], buf[(indexes[place]-first)*tlog.HashSize:])
		}
		places = places[n:]
	}
	return hashes, nil
}
