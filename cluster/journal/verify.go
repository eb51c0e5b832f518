package journal

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// Verify reads the whole journal: it recomputes every record hash and the tree from
// the leaves, compares them with the hash file, and checks outcome records and
// index. It uses all cores. The error for the first leaf that disagrees is a
// [*DamagedError] that names it.
//
// progress, unless nil, is called now and then, from one goroutine at a time, with
// the number of leaves done and in total.
func (j *Journal) Verify(progress func(done, total uint64)) error {
	size := j.Size()
	roots, err := j.verifySegments(size, progress)
	if err != nil {
		return err
	}
	if err := j.verifyAbove(roots); err != nil {
		return err
	}
	err = j.outcomes.each(0, j.OutcomeCount(), func(uint64, []byte) error { return nil })
	if err != nil {
		return err
	}
	return j.index.verify()
}

// verifySegments checks the leaves of each segment and the part of the tree that
// stands on them, and returns the roots of the full segments.
func (j *Journal) verifySegments(size uint64, progress func(done, total uint64)) ([]tlog.Hash, error) {
	perSegment := j.leaves.lay.segment
	segments := (size + perSegment - 1) / perSegment
	roots := make([]tlog.Hash, segments)
	var (
		mu     sync.Mutex
		next   uint64
		done   uint64
		bad    error
		badAt  uint64
		verify sync.WaitGroup
	)
	// Segments are given out in order, and each that was given out is finished. So
	// when one is bad, all before it are checked too, and the first bad one is known.
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if bad != nil || next == segments {
			return 0, false
		}
		next++
		return next - 1, true
	}
	report := func(segment, leaves uint64, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil && (bad == nil || segment < badAt) {
			bad, badAt = err, segment
		}
		if done += leaves; progress != nil && err == nil {
			progress(done, size)
		}
	}
	for range runtime.GOMAXPROCS(0) {
		verify.Go(func() {
			for segment, ok := take(); ok; segment, ok = take() {
				from := segment * perSegment
				to := min(from+perSegment, size)
				root, err := j.verifySegment(from, to)
				roots[segment] = root
				report(segment, to-from, err)
			}
		})
	}
	verify.Wait()
	return roots[:size/perSegment], bad
}

// verifySegment recomputes the tree over the leaves [from, to) of one segment. Since
// segments are as long as a full subtree, the stored hashes of the levels up to its
// root depend on these leaves alone.
func (j *Journal) verifySegment(from, to uint64) (tlog.Hash, error) {
	lay := j.leaves.lay
	top := bits.TrailingZeros64(lay.segment) // level of a segment's root
	var edge proof.Edge
	var made []tlog.Hash
	var places []int64
	check := func() error {
		stored, err := j.ReadHashes(places)
		if err != nil {
			return err
		}
		for i := range made {
			if made[i] != stored[i] {
				return disagrees(places[i])
			}
		}
		made, places = made[:0], places[:0]
		return nil
	}
	err := j.Leaves(from, to, func(i uint64, leaf []byte) error {
		before := len(made)
		made = edge.AppendStored(made, tlog.RecordHash(leaf))
		for level := range len(made) - before {
			places = append(places, tlog.StoredHashIndex(level, int64(i>>level)))
		}
		if (i+1)%lay.block == 0 || i+1 == to {
			return check()
		}
		return nil
	})
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("verify leaves from %d: %w", from, err)
	}
	if to-from == 1<<top {
		return edge.Root(), nil
	}
	return tlog.Hash{}, nil
}

// disagrees names the first leaf under a stored hash that is not the leaves'.
func disagrees(place int64) error {
	level, n := tlog.SplitStoredHashIndex(place)
	what := "the stored hash of the leaf is not the leaf's"
	if level > 0 {
		what = fmt.Sprintf("the stored hash over %d leaves is not theirs", uint64(1)<<level)
	}
	return &DamagedError{File: hashesName, What: what, Index: uint64(n) << level}
}

// verifyAbove checks the levels of the tree above the segments. With it, every
// stored hash has been compared, and so every root that can be asked for.
func (j *Journal) verifyAbove(roots []tlog.Hash) error {
	top := bits.TrailingZeros64(j.leaves.lay.segment)
	var edge proof.Edge
	for n, root := range roots {
		made := edge.AppendStored(nil, root)
		for level, h := range made {
			place := tlog.StoredHashIndex(top+level, int64(n>>level))
			stored, err := j.ReadHashes([]int64{place})
			if err != nil {
				return err
			}
			if h != stored[0] {
				return disagrees(place)
			}
		}
	}
	return nil
}

// verify checks every block of every run. Rows that are still in memory were
// checked when they were read.
func (ix *index) verify() error {
	ix.files.RLock()
	defer ix.files.RUnlock()
	ix.mu.RLock()
	runs := ix.runs
	ix.mu.RUnlock()
	for _, r := range runs {
		if err := r.verify(); err != nil {
			return err
		}
	}
	return nil
}
