package journal

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"
)

// A Key is what the index is asked by. Its bytes must be spread evenly, as those
// of IndexKey are: filters take bits of the key for granted as random.
type Key = [16]byte

// IndexKey is the first 16 bytes of SHA-256(kind || data). The kind keeps apart
// what different parts of the node look up.
func IndexKey(kind byte, data []byte) Key {
	h := sha256.New()
	h.Write([]byte{kind})
	h.Write(data)
	return Key(h.Sum(nil)[:16])
}

// A row is one (key, value) of the index.
type row struct {
	key   Key
	value uint64
}

func compareRows(a, b row) int {
	return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.value, b.value))
}

// A generation is the part of the index that is still in memory. Rows are only
// ever added, so a prefix of them can be written to disk while more come.
type generation struct {
	rows []row
	// older[i] is the place of the row before row i with the same key, or -1.
	older  []int32
	newest map[Key]int32
}

func newGeneration(capacity int) *generation {
	return &generation{
		rows:   make([]row, 0, capacity),
		older:  make([]int32, 0, capacity),
		newest: make(map[Key]int32, capacity),
	}
}

// add takes up a row. It only compares with the newest row of the key: a search
// through all would be slow for a key with many values, and equal rows are merged
// wherever rows are sorted anyway.
func (g *generation) add(r row) {
	last, ok := g.newest[r.key]
	if !ok {
		last = -1
	} else if g.rows[last].value == r.value {
		return
	}
	g.newest[r.key] = int32(len(g.rows))
	g.rows = append(g.rows, r)
	g.older = append(g.older, last)
}

// get appends the values of a key to dst, in no order.
func (g *generation) get(dst []uint64, key Key) []uint64 {
	at, ok := g.newest[key]
	if !ok {
		return dst
	}
	for ; at >= 0; at = g.older[at] {
		dst = append(dst, g.rows[at].value)
	}
	return dst
}

// comparedInTurn is how many rows are compared in about a tenth of a millisecond.
const comparedInTurn = 4096

// sortedRows returns rows in order and without repetition, as a copy.
func sortedRows(rows []row) []row {
	sorted, compared := slices.Clone(rows), 0
	slices.SortFunc(sorted, func(a, b row) int {
		if compared++; compared%comparedInTurn == 0 {
			stepAside()
		}
		return compareRows(a, b)
	})
	return slices.Compact(sorted)
}
