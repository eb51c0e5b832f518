package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// An index maps keys to sets of numbers. New rows go to a generation in memory;
// full generations become runs; a few runs of one level become one of the next,
// so that there are O(log n) of them.
type index struct {
	dir     string
	lay     layout
	failure *failure
	wake    func()        // tells the workers that there may be something to do
	stopped chan struct{} // closed when the workers are to end

	// files is held for reading while run files are read and for writing while they
	// are closed. It is taken before mu.
	files sync.RWMutex

	mu      sync.RWMutex
	drained *sync.Cond    // on mu; a waiting generation was written, or writing failed
	current *generation   // being filled
	waiting []*generation // full, oldest first, not yet in a run
	runs    []*run        // replaced as a whole, never changed in place
	retired []*run        // merged into others; the mark may still name them
	next    uint64        // number of the next file

	// saved describes the last generation file; Sync's.
	saved savedGeneration
}

type savedGeneration struct {
	name string
	of   *generation
	rows int
}

func newIndex(dir string, lay layout, failure *failure) *index {
	ix := &index{dir: dir, lay: lay, failure: failure, current: newGeneration(lay.generation), wake: func() {}}
	ix.drained = sync.NewCond(&ix.mu)
	return ix
}

// put adds a row. It waits only if generations fill faster than the disk takes
// them.
func (ix *index) put(key Key, value uint64) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.current.add(row{key, value})
	if len(ix.current.rows) < ix.lay.generation {
		return nil
	}
	for len(ix.waiting) >= ix.lay.waiting {
		if err := ix.failure.get(); err != nil {
			return err
		}
		ix.drained.Wait()
	}
	ix.waiting = append(ix.waiting, ix.current)
	ix.current = newGeneration(ix.lay.generation)
	ix.wake()
	return nil
}

// get returns the values of a key, sorted and distinct.
func (ix *index) get(key Key) ([]uint64, error) {
	ix.files.RLock()
	defer ix.files.RUnlock()
	var values []uint64
	ix.mu.RLock()
	values = ix.current.get(values, key)
	for _, g := range ix.waiting {
		values = g.get(values, key)
	}
	runs := ix.runs
	ix.mu.RUnlock()
	for _, r := range runs {
		var err error
		if values, err = r.get(values, key); err != nil {
			if errors.Is(err, os.ErrClosed) {
				return nil, ErrClosed
			}
			return nil, err
		}
	}
	slices.Sort(values)
	return slices.Compact(values), nil
}

func (ix *index) takeNumber() uint64 {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.next++
	return ix.next - 1
}

func (ix *index) paths(number uint64, suffix string) (path, name string) {
	file := numbered(number, suffix)
	return filepath.Join(ix.dir, file), filepath.Join(indexName, file)
}

// sliceRows yields the rows of a slice in the form that writeRun takes.
func sliceRows(rows []row) func() (row, bool, error) {
	return func() (row, bool, error) {
		if len(rows) == 0 {
			return row{}, false, nil
		}
		first := rows[0]
		rows = rows[1:]
		return first, true, nil
	}
}

// writeNext writes the oldest waiting generation as a run; false if none waits.
func (ix *index) writeNext() (bool, error) {
	ix.mu.RLock()
	var oldest *generation
	if len(ix.waiting) > 0 {
		oldest = ix.waiting[0]
	}
	ix.mu.RUnlock()
	if oldest == nil {
		return false, nil
	}
	number := ix.takeNumber()
	path, name := ix.paths(number, runSuffix)
	rows := sortedRows(oldest.rows)
	r, err := writeRun(path, name, number, 0, uint64(len(rows)), sliceRows(rows))
	if err != nil {
		return true, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.waiting = ix.waiting[1:]
	ix.runs = append(slices.Clone(ix.runs), r)
	ix.drained.Broadcast()
	return true, nil
}

// mergeNext merges runs of the lowest level that has enough of them; false if none
// has.
func (ix *index) mergeNext() (bool, error) {
	ix.mu.RLock()
	parts := mergeable(ix.runs, ix.lay.fanout)
	ix.mu.RUnlock()
	if parts == nil {
		return false, nil
	}
	rows := uint64(0)
	for _, r := range parts {
		rows += r.rows
	}
	m, err := newMerger(parts, ix.stopped)
	if err != nil {
		return true, err
	}
	number := ix.takeNumber()
	path, name := ix.paths(number, runSuffix)
	merged, err := writeRun(path, name, number, parts[0].level+1, rows, m.next)
	if err != nil {
		return true, err
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	rest := []*run{merged}
	for _, r := range ix.runs {
		if !slices.Contains(parts, r) {
			rest = append(rest, r)
		}
	}
	ix.runs = rest
	ix.retired = append(ix.retired, parts...)
	return true, nil
}

// mergeable picks fanout runs of one level, the lowest possible, or nil.
func mergeable(runs []*run, fanout int) []*run {
	byLevel := make(map[uint32][]*run)
	var found []*run
	for _, r := range runs {
		same := append(byLevel[r.level], r)
		byLevel[r.level] = same
		if len(same) == fanout && (found == nil || r.level < found[0].level) {
			found = same
		}
	}
	return found
}

func (ix *index) close() error {
	ix.files.Lock()
	defer ix.files.Unlock()
	ix.mu.Lock()
	defer ix.mu.Unlock()
	var errs []error
	for _, r := range append(slices.Clone(ix.runs), ix.retired...) {
		errs = append(errs, r.file.Close())
	}
	return errors.Join(errs...)
}

// load opens what the mark names.
func (ix *index) load(m mark) error {
	for _, mr := range m.runs {
		path, name := ix.paths(mr.number, runSuffix)
		r, err := openRun(path, name, mr.number)
		if errors.Is(err, fs.ErrNotExist) {
			return &DamagedError{File: name, What: "the file is missing", Err: err}
		}
		if err != nil {
			return err
		}
		ix.runs = append(ix.runs, r)
		ix.next = max(ix.next, mr.number+1)
		if r.sum != mr.sum {
			return &DamagedError{File: name, What: "it is not the run that the mark names"}
		}
	}
	if m.generation == "" {
		return nil
	}
	return ix.loadGeneration(m.generation)
}

// loadGeneration takes the rows of a generation file back into memory. The file
// has the form of a run.
func (ix *index) loadGeneration(file string) error {
	number, ok := parseNumbered(file, genSuffix)
	if !ok {
		return &DamagedError{File: markName, What: "it names no generation file"}
	}
	path, name := ix.paths(number, genSuffix)
	r, err := openRun(path, name, number)
	if errors.Is(err, fs.ErrNotExist) {
		return &DamagedError{File: name, What: "the file is missing", Err: err}
	}
	if err != nil {
		return err
	}
	defer r.file.Close()
	for it := newRunReader(r); ; {
		row, ok, err := it.read()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		ix.current.add(row)
	}
	ix.next = max(ix.next, number+1)
	ix.saved = savedGeneration{file, ix.current, len(ix.current.rows)}
	return nil
}

// removeBeyond removes files that the mark does not name.
func (ix *index) removeBeyond(m mark) error {
	entries, err := os.ReadDir(ix.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		number, isRun := parseNumbered(name, runSuffix)
		_, isGen := parseNumbered(name, genSuffix)
		named := name == m.generation ||
			isRun && slices.ContainsFunc(m.runs, func(r markRun) bool { return r.number == number })
		isTemp := filepath.Ext(name) == tempSuffix
		if (isRun || isGen || isTemp) && !named {
			if err := os.Remove(filepath.Join(ix.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
