package journal

import (
	"errors"
	"fmt"
	"sync"
)

// ErrReadOnly is what a write to a journal opened by OpenReadOnly returns.
var ErrReadOnly = errors.New("journal is open for reading only")

// ErrClosed is what using a closed journal returns.
var ErrClosed = errors.New("journal is closed")

// ErrLocked is what Open returns while another process has the journal open for
// writing.
var ErrLocked = errors.New("journal is open in another process")

// A DamagedError says that something which a mark declared durable is missing or
// altered. It is never repaired in place: the node must be rebuilt from its peers.
type DamagedError struct {
	File  string // relative to the journal's directory
	What  string
	Index uint64 // the first record, leaf or row concerned, 0 for a whole file
	Err   error  // the cause, if an operating system error led here
}

func (e *DamagedError) Error() string {
	s := fmt.Sprintf("journal is damaged: %s: %s (at %d)", e.File, e.What, e.Index)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; nothing here may be repaired or removed: keep the directory, and replace this node by a new one " +
		"(the committee's threshold command replace_node, see runbooks/replace-node.md)"
}

func (e *DamagedError) Unwrap() error { return e.Err }

// A DivergedError says that a record offered again is not the one stored. The
// state machine is deterministic, so one of the two histories is wrong.
type DivergedError struct {
	Sequence string // "leaves" or "outcomes"
	Index    uint64
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("%s record %d differs from the one that the journal holds", e.Sequence, e.Index)
}

// A GapError says that records were offered that do not join the stored ones.
type GapError struct {
	Sequence    string
	Have, First uint64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("%s record %d was offered, the journal holds %d", e.Sequence, e.First, e.Have)
}

// A RangeError says that something was asked for which the journal does not hold
// yet, or which cannot exist.
type RangeError struct {
	What     string
	Got, Max uint64 // Max is the first value that is too large
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("%s %d is out of range, want less than %d", e.What, e.Got, e.Max)
}

// A failure keeps the first error of any writer, in the foreground or not. Once
// it is set no further write is tried.
type failure struct {
	mu  sync.Mutex
	err error
}

// set records err unless an earlier one is there.
func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
