package cluster

import (
	"sync"

	"github.com/tallyvault/tallyvault/fsm"
)

// A flight is a command on its way through the leader. All who submit the same
// command while it is in flight get the one answer.
type flight struct {
	id     fsm.Identity
	done   chan struct{}
	answer Answer // set before done is closed
}

// flights are the commands that this node, as the leader, has taken and not yet
// answered.
type flights struct {
	mu   sync.Mutex
	byID map[fsm.Identity]*flight
	none signal // fires when the last one has landed
}

func newFlights() *flights { return &flights{byID: make(map[fsm.Identity]*flight)} }

// join finds the flight of a command or begins it.
func (f *flights) join(id fsm.Identity) (_ *flight, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.byID[id]; ok {
		return known, false
	}
	begun := &flight{id: id, done: make(chan struct{})}
	f.byID[id] = begun
	return begun, true
}

// waits reports whether anybody waits for the command.
func (f *flights) waits(id fsm.Identity) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.byID[id]
	return ok
}

// land answers everybody who waits for the command.
func (f *flights) land(id fsm.Identity, a Answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.byID[id]; ok {
		f.end(known, a)
	}
}

// abort ends exactly this flight, unless it has landed.
func (f *flights) abort(a *flight, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID[a.id] == a {
		f.end(a, Answer{ID: a.id, Err: err})
	}
}

// end is called with the lock held.
func (f *flights) end(a *flight, answer Answer) {
	a.answer = answer
	close(a.done)
	delete(f.byID, a.id)
	if len(f.byID) == 0 {
		f.none.fire()
	}
}

func (f *flights) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byID)
}
