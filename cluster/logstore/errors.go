package logstore

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// ErrLocked is what Open returns while another process has the log open.
var ErrLocked = errors.New("raft log is open in another process")

// ErrClosed is what using a closed store returns.
var ErrClosed = errors.New("raft log is closed")

// A DamagedError says that something which this node has acknowledged is missing,
// altered, unreadable or older than it was.
type DamagedError struct {
	Path  string // the file concerned
	What  string // what is wrong with it
	Index uint64 // of the entry concerned, 0 if it is not one entry
	Err   error  // the cause, if an error led here
}

// rebuild is the only way out. A voter that forgot a vote or an entry can make two
// leaders of one term or lose what was answered as done, so nothing may repair its
// log but a new node that has promised nothing yet.
const rebuild = "; do not start this node with it again, and do not remove or restore single files: " +
	"this node must be rebuilt from its peers. Keep its data directory for study and the other nodes running; " +
	"they commit without it while they are a majority. Replace it by a new node with a new name and new keys: " +
	"the committee's threshold command replace_node, see runbooks/replace-node.md"

func (e *DamagedError) Error() string {
	s := "raft log is damaged: " + e.Path + ": "
	if e.Index != 0 {
		s += fmt.Sprintf("entry %d: ", e.Index)
	}
	s += e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + rebuild
}

func (e *DamagedError) Unwrap() error { return e.Err }

// A failure keeps the first error that ends the store's use.
type failure struct {
	report func(error)

	mu  sync.Mutex
	err error
}

// stop records err unless an earlier error is there, and returns the one that
// stands. The first is reported, once, with no lock held.
func (f *failure) stop(err error) error {
	f.mu.Lock()
	first := f.err == nil
	if first {
		f.err = err
	}
	stands := f.err
	f.mu.Unlock()
	if first && !errors.Is(err, ErrClosed) {
		f.report(err)
	}
	return stands
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// guard calls bolt. Bolt reads its file through a memory map and trusts what it
// finds there: a page that went bad after the check at opening makes it panic, and
// a disk that cannot deliver a page, or a file cut short, is a fault at an address.
// Both become an error here, so that the process can say why it ends.
func guard(call func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			err = &brokenError{p}
		}
	}()
	return call()
}

// A brokenError says that bolt gave up in the middle, perhaps holding its locks.
type brokenError struct{ panicked any }

func (e *brokenError) Error() string { return fmt.Sprintf("bolt cannot go on: %v", e.panicked) }
