package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// A Journal is an open journal. See the package documentation for what it promises
// and which of its methods may run beside each other.
type Journal struct {
	dir      string
	readOnly bool
	lock     *os.File
	codec    *codec
	failure  failure

	leaves   *sequence
	outcomes *sequence
	hashes   *hashFile
	index    *index

	// write is held by whoever changes the sequences, and by Sync for the moment in
	// which it notes how far they are.
	write sync.Mutex
	edge  proof.Edge // guarded by write

	// syncing lets one Sync or Close run at a time.
	syncing sync.Mutex
	marked  mark // the last one on disk; guarded by syncing
	closed  bool // guarded by syncing

	workers workers
}

// Size is the number of leaves.
func (j *Journal) Size() uint64 { return j.leaves.count.Load() }

// OutcomeCount is the number of outcome records.
func (j *Journal) OutcomeCount() uint64 { return j.outcomes.count.Load() }

// Append writes the leaves from number first on; hashes are their record hashes.
//
// Leaves that the journal already holds are compared by hash and not written again,
// so that a replay may start anywhere at or below Size. A leaf that differs is a
// [*DivergedError], a first above Size a [*GapError]; both leave the journal as it
// was.
func (j *Journal) Append(first uint64, leaves [][]byte, hashes []tlog.Hash) error {
	if len(leaves) != len(hashes) {
		return fmt.Errorf("append to journal: %d leaves with %d hashes", len(leaves), len(hashes))
	}
	j.write.Lock()
	defer j.write.Unlock()
	if err := j.writable(); err != nil {
		return err
	}
	if err := j.leaves.check(first, leaves); err != nil {
		return err
	}
	size := j.Size()
	known := min(size-first, uint64(len(leaves)))
	if err := j.compareHashes(first, hashes[:known]); err != nil {
		return err
	}
	if leaves, hashes = leaves[known:], hashes[known:]; len(leaves) == 0 {
		return nil
	}
	if err := j.leaves.append(leaves); err != nil {
		return j.fail(err)
	}
	stored := make([]tlog.Hash, 0, 2*len(hashes)+64)
	for _, h := range hashes {
		stored = j.edge.AppendStored(stored, h)
	}
	if err := j.hashes.append(tlog.StoredHashIndex(0, int64(size)), stored); err != nil {
		return j.fail(err)
	}
	// Only now may readers see the leaves: their hashes are there too.
	j.leaves.count.Store(size + uint64(len(leaves)))
	return nil
}

// compareHashes checks leaves that are offered again against the stored ones.
func (j *Journal) compareHashes(first uint64, hashes []tlog.Hash) error {
	if len(hashes) == 0 {
		return nil
	}
	indexes := make([]int64, len(hashes))
	for i := range hashes {
		indexes[i] = tlog.StoredHashIndex(0, int64(first)+int64(i))
	}
	stored, err := j.hashes.read(indexes)
	if err != nil {
		return err
	}
	for i := range hashes {
		if hashes[i] != stored[i] {
			return &DivergedError{Sequence: j.leaves.name, Index: first + uint64(i)}
		}
	}
	return nil
}

// AppendOutcomes writes outcome records from number first on, by the rules of
// Append. Records that the journal already holds are compared byte by byte.
func (j *Journal) AppendOutcomes(first uint64, records [][]byte) error {
	j.write.Lock()
	defer j.write.Unlock()
	if err := j.writable(); err != nil {
		return err
	}
	if err := j.outcomes.check(first, records); err != nil {
		return err
	}
	count := j.OutcomeCount()
	known := min(count-first, uint64(len(records)))
	err := j.outcomes.each(first, first+known, func(i uint64, record []byte) error {
		if string(record) != string(records[i-first]) {
			return &DivergedError{Sequence: j.outcomes.name, Index: i}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := j.outcomes.append(records[known:]); err != nil {
		return j.fail(err)
	}
	j.outcomes.count.Store(count + uint64(len(records)) - known)
	return nil
}

// Put adds value to the numbers that the index keeps under key. Putting the same
// again changes nothing.
func (j *Journal) Put(key Key, value uint64) error {
	if err := j.writable(); err != nil {
		return err
	}
	return j.index.put(key, value)
}

// Get returns the numbers that were put under key, sorted and distinct.
func (j *Journal) Get(key Key) ([]uint64, error) { return j.index.get(key) }

// Leaf returns leaf i. The caller must not change it.
func (j *Journal) Leaf(i uint64) ([]byte, error) { return j.leaves.record(i) }

// Leaves calls fn for the leaves [from, to) in order, faster than Leaf would. A leaf
// stays valid after the call but must not be changed. An error of fn ends the walk
// and is returned.
func (j *Journal) Leaves(from, to uint64, fn func(i uint64, leaf []byte) error) error {
	return j.leaves.each(from, to, fn)
}

// Outcome returns outcome record n. The caller must not change it.
func (j *Journal) Outcome(n uint64) ([]byte, error) { return j.outcomes.record(n) }

// Outcomes is to outcome records what Leaves is to leaves.
func (j *Journal) Outcomes(from, to uint64, fn func(n uint64, record []byte) error) error {
	return j.outcomes.each(from, to, fn)
}

// writable says why nothing can be written, if so.
func (j *Journal) writable() error {
	if j.readOnly {
		return ErrReadOnly
	}
	return j.failure.get()
}

// fail makes err the journal's last word on writing, unless there is one already,
// and returns that word.
func (j *Journal) fail(err error) error {
	j.halt(err)
	return j.failure.get()
}

// halt lets nothing be written any more and wakes whoever waits for a worker that
// will not come.
func (j *Journal) halt(err error) {
	j.failure.set(err)
	j.index.mu.Lock()
	j.index.drained.Broadcast()
	j.index.mu.Unlock()
}

// Sync makes durable what was appended and put before it was called, and writes
// the mark that says so.
func (j *Journal) Sync() error { return j.SyncInSteps(func(string) {}) }

// SyncInSteps is Sync. It says what it is about to wait for, step by step.
func (j *Journal) SyncInSteps(step func(what string)) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.closed {
		return ErrClosed
	}
	if err := j.writable(); err != nil {
		return err
	}
	if err := j.sync(step); err != nil {
		return j.fail(fmt.Errorf("sync journal: %w", err))
	}
	j.workers.wake()
	return nil
}

func (j *Journal) sync(step func(what string)) error {
	j.write.Lock()
	m := mark{leaves: j.Size(), outcomes: j.OutcomeCount(), root: j.edge.Root()}
	files := []*os.File{j.hashes.file}
	var dirs []string
	for _, q := range j.sequences() {
		dirty, newFiles := q.takeDirty()
		files = append(files, dirty...)
		if newFiles {
			dirs = append(dirs, q.dir)
		}
	}
	captured := j.index.capture()
	j.write.Unlock()

	for _, f := range files {
		step("sync the journal's " + filepath.Base(f.Name()))
		if err := f.Sync(); err != nil {
			return err
		}
	}
	for _, d := range dirs {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	step("write the journal's index")
	removable, err := j.index.persist(captured, &m)
	if err != nil {
		return err
	}
	step("write the journal's mark")
	// The mark comes last: everything it speaks of is on disk.
	if err := replaceFile(filepath.Join(j.dir, markName), m.format()); err != nil {
		return err
	}
	replaced := j.marked.generation
	if replaced == m.generation {
		replaced = ""
	}
	j.marked = m
	j.leaves.marked.Store(m.leaves)
	j.outcomes.marked.Store(m.outcomes)
	return j.index.remove(removable, replaced)
}

// Close syncs, unless a write failed before, and releases everything. It waits for
// the work in the background that has begun; what has not begun is done after the
// next Open.
func (j *Journal) Close() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	var err error
	if !j.readOnly {
		if err = j.failure.get(); err == nil {
			err = j.sync(func(string) {})
		}
		j.halt(ErrClosed)
	}
	return errors.Join(err, j.release())
}

// release stops the workers and closes all files as they are.
func (j *Journal) release() error {
	j.workers.stop()
	errs := []error{j.leaves.close(), j.outcomes.close(), j.index.close(), j.codec.close()}
	if j.hashes != nil {
		errs = append(errs, j.hashes.file.Close())
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	return errors.Join(errs...)
}
