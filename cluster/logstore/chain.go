package logstore

import (
	"errors"
	"fmt"
	"slices"
	"sort"
)

// errHole: Raft deletes from the front, from the back, or all. A hole in the middle
// is a mistake somewhere, and must not be made durable.
var errHole = errors.New("a deletion would leave a hole in raft's log")

// A position says in a few numbers what the log holds.
type position struct {
	generation uint64 // deletions so far
	first      uint64 // index of the first entry, 0 if there is none
	base       digest // what the first entry is chained to
	last       uint64 // index of the last entry, 0 if there is none
	tip        digest // the last entry's digest; what the next entry is chained to
}

// A chain is the digests of all entries in the log. What is read is compared with
// it, so an entry that was put in the place of another is noticed however right its
// own checksum may be. It costs 16 bytes an entry.
type chain struct {
	position
	runs []run
}

// A run is a stretch of the log without a gap. There is a gap after a snapshot was
// installed that is newer than the log: Raft goes on behind the snapshot and leaves
// the old entries for the next compaction. The chain goes on across it.
type run struct {
	first uint64
	sums  []digest
}

func (r run) last() uint64 { return r.first + uint64(len(r.sums)) - 1 }

// at finds the first run that ends at index or later.
func (c *chain) at(index uint64) int {
	return sort.Search(len(c.runs), func(i int) bool { return c.runs[i].last() >= index })
}

// sum returns the digest of an entry, if the log holds it.
func (c *chain) sum(index uint64) (digest, bool) {
	i := c.at(index)
	if i == len(c.runs) || c.runs[i].first > index {
		return digest{}, false
	}
	return c.runs[i].sums[index-c.runs[i].first], true
}

// next is the first entry at index or later, if there is one.
func (c *chain) next(index uint64) (uint64, bool) {
	i := c.at(index)
	if i == len(c.runs) {
		return 0, false
	}
	return max(index, c.runs[i].first), true
}

// previous is the last entry at index or before, if there is one.
func (c *chain) previous(index uint64) (uint64, bool) {
	i := c.at(index)
	if i < len(c.runs) && c.runs[i].first <= index {
		return index, true
	}
	if i == 0 {
		return 0, false
	}
	return c.runs[i-1].last(), true
}

// append adds an entry behind the last one.
func (c *chain) append(index uint64, sum digest) {
	if n := len(c.runs); n > 0 && c.last+1 == index {
		c.runs[n-1].sums = append(c.runs[n-1].sums, sum)
	} else {
		c.runs = append(c.runs, run{index, []digest{sum}})
	}
	if c.first == 0 {
		c.first, c.base = index, c.tip
	}
	c.last, c.tip = index, sum
}

// without says where the log will stand after a deletion, which is the same
// position if there is nothing to delete. The chain never begins anew: behind a
// deletion from the front, or of everything, it goes on from the last digest, and
// the first entry kept names the digest it follows.
func (c *chain) without(from, to uint64) (position, error) {
	first, ok := c.next(from)
	if !ok || first > to {
		return c.position, nil
	}
	p := c.position
	p.generation++
	switch kept, more := from > c.first, to < c.last; {
	case kept && more:
		return c.position, fmt.Errorf("%w: %d to %d of %d to %d", errHole, from, to, c.first, c.last)
	case kept:
		p.last, _ = c.previous(from - 1)
		p.tip, _ = c.sum(p.last)
	case more:
		end, _ := c.previous(to)
		p.base, _ = c.sum(end)
		p.first, _ = c.next(to + 1)
	default:
		p.first, p.last, p.base = 0, 0, p.tip
	}
	return p, nil
}

// cut carries out what without foretold.
func (c *chain) cut(to position) {
	c.position = to
	if to.first == 0 {
		c.runs = nil
		return
	}
	c.runs = slices.DeleteFunc(c.runs, func(r run) bool { return r.last() < to.first || r.first > to.last })
	head, tail := &c.runs[0], &c.runs[len(c.runs)-1]
	if tail.last() > to.last {
		tail.sums = tail.sums[:to.last-tail.first+1]
	}
	if head.first < to.first {
		head.sums = head.sums[to.first-head.first:]
		head.first = to.first
	}
}
