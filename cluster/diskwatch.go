package cluster

import (
	"fmt"
	"sync"
	"time"
)

// Raft's heartbeats come from goroutines of their own. A leader whose disk hangs
// therefore stays leader for as long as it hangs, and nothing is committed. So writes
// and syncs are watched: a node in which one does not come back closes its peer port,
// upon which the others elect another leader, and ends.
const (
	// defaultDiskTimeout is how long one write or sync may take. A disk that is only
	// slow answers within a few seconds, also while it moves its cache or a volume is
	// resized; a request that is lost is given up by the system after 30 s at best, and
	// no operator bears a committee that stands still for so long.
	defaultDiskTimeout = 10 * time.Second
	minDiskTimeout     = time.Second
	maxDiskTimeout     = 10 * time.Minute
	// hungAfter is how many looks one piece of work may last. Looks are counted, not
	// seconds, so that the time in which the whole process was stopped does not count.
	hungAfter = 10
	// hungSyncAfter is the same for one file of a journal that is synced. It may have
	// a great deal to write after a long replay, and no lead hangs on it.
	hungSyncAfter = 6 * hungAfter
)

// A HungDiskError says that a write or sync in the data directory did not come back.
// The thread that made it cannot be ended, so Run returns this without waiting for
// anything; the process must end too.
type HungDiskError struct {
	Dir  string
	What string        // what was being done
	For  time.Duration // at least; time in which the process was stopped is not counted
}

// Error implements error.
func (e *HungDiskError) Error() string {
	return fmt.Sprintf("the disk of %s hangs: it was to %s and has not come back for %s; this node has left its peers, so that another can lead, and ends. "+
		"Look at the disk and at the kernel's messages, then start the node again with the same directory: nothing that was acknowledged is lost by this. "+
		"If the disk cannot be used again, replace the node (the committee's threshold command replace_node, see runbooks/replace-node.md)", e.Dir, e.What, e.For)
}

// A diskWatch knows which writes and syncs are under way.
type diskWatch struct {
	dir   string
	every time.Duration // between two looks

	mu   sync.Mutex
	work map[*diskWork]struct{}
}

// diskWork is one of them, or several in a row.
type diskWork struct {
	watch *diskWatch
	most  int // looks that one step may last

	// Guarded by the watch.
	what  string
	looks int
}

func newDiskWatch(dir string, timeout time.Duration) *diskWatch {
	return &diskWatch{dir: dir, every: timeout / hungAfter, work: map[*diskWork]struct{}{}}
}

// begin notes a write or sync that begins. The result is to be called when it has
// come back.
func (w *diskWatch) begin(what string) (end func()) {
	return w.open(what, hungAfter).end
}

// beginSteps notes a sync that is made of several.
func (w *diskWatch) beginSteps(what string) *diskWork { return w.open(what, hungSyncAfter) }

func (w *diskWatch) open(what string, most int) *diskWork {
	d := &diskWork{watch: w, most: most, what: what}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.work[d] = struct{}{}
	return d
}

// step says that the step before has come back and the next begins.
func (d *diskWork) step(what string) {
	d.watch.mu.Lock()
	defer d.watch.mu.Unlock()
	d.what, d.looks = what, 0
}

func (d *diskWork) end() {
	d.watch.mu.Lock()
	defer d.watch.mu.Unlock()
	delete(d.watch.work, d)
}

// look must be called at each interval. It returns what hangs.
func (w *diskWatch) look() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := range w.work {
		if d.looks++; d.looks > d.most {
			return &HungDiskError{Dir: w.dir, What: d.what, For: time.Duration(d.most) * w.every}
		}
	}
	return nil
}
