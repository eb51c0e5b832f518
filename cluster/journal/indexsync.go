package journal

import (
	"fmt"
	"os"
	"slices"
)

// An indexCapture is what a sync must make durable of the index: everything put
// before it was taken.
type indexCapture struct {
	current *generation
	rows    []row         // of current; a prefix that does not change any more
	waiting []*generation // must be in runs before the mark is written
}

func (ix *index) capture() indexCapture {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return indexCapture{
		current: ix.current,
		rows:    ix.current.rows[:len(ix.current.rows):len(ix.current.rows)],
		waiting: slices.Clone(ix.waiting),
	}
}

// persist makes a capture durable and fills in what the mark says of the index. It
// returns the runs that may be removed once that mark is written.
//
// Runs may by now hold rows that were put after the capture. That is harmless:
// replay puts them again.
func (ix *index) persist(c indexCapture, m *mark) (removable []*run, err error) {
	if err := ix.awaitWritten(c.waiting); err != nil {
		return nil, err
	}
	if ix.saved.of != c.current || ix.saved.rows != len(c.rows) {
		saved := savedGeneration{of: c.current, rows: len(c.rows)}
		if len(c.rows) > 0 {
			number := ix.takeNumber()
			path, name := ix.paths(number, genSuffix)
			rows := sortedRows(c.rows)
			r, err := writeRun(path, name, number, 0, uint64(len(rows)), sliceRows(rows))
			if err != nil {
				return nil, err
			}
			if err := r.file.Close(); err != nil {
				return nil, err
			}
			saved.name = numbered(number, genSuffix)
		}
		ix.saved = saved
	}
	m.generation = ix.saved.name
	// Every run was fsynced, and its directory, before it was put on this list.
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	m.runs = nil
	for _, r := range ix.runs {
		m.runs = append(m.runs, markRun{r.number, r.sum})
	}
	return slices.Clone(ix.retired), nil
}

func (ix *index) awaitWritten(generations []*generation) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for _, g := range generations {
		for slices.Contains(ix.waiting, g) {
			if err := ix.failure.get(); err != nil {
				return err
			}
			ix.drained.Wait()
		}
	}
	return nil
}

// remove deletes runs and a generation file that no mark names any more.
func (ix *index) remove(runs []*run, generation string) error {
	ix.files.Lock()
	defer ix.files.Unlock()
	for _, r := range runs {
		if err := r.file.Close(); err != nil {
			return fmt.Errorf("close %s: %w", r.name, err)
		}
		if err := os.Remove(r.file.Name()); err != nil {
			return err
		}
	}
	if generation != "" {
		number, _ := parseNumbered(generation, genSuffix)
		path, _ := ix.paths(number, genSuffix)
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.retired = slices.DeleteFunc(ix.retired, func(r *run) bool { return slices.Contains(runs, r) })
	return nil
}
