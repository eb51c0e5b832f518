package cluster

import (
	"sync"

	"github.com/tallyvault/tallyvault/fsm"
)

// Limits of what waits at the leader to be proposed.
const (
	maxQueued      = 16_384
	maxQueuedBytes = 32 << 20
)

// headerReserve is more than the header of any entry takes: statements and
// cosignatures of a whole committee.
const headerReserve = 4 << 10

// frameOverhead is what a frame has beside its payload and signatures, and its
// length in an entry.
const (
	frameOverhead     = 3 + 2
	signatureOverhead = 16 + 64
)

func frameBytes(c *fsm.Command) int {
	return frameOverhead + len(c.Sigs)*signatureOverhead + len(c.Payload)
}

// A queued command waits to be packed into an entry. Its signatures are verified.
type queued struct {
	command *fsm.Command
	flight  *flight
}

// A queue is where many callers' commands wait for the one proposer.
type queue struct {
	mu     sync.Mutex
	items  []queued
	bytes  int
	closed bool
	wake   chan struct{} // holds a token while there is something to take
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put takes a command, or says why not.
func (q *queue) put(item queued) error {
	size := frameBytes(item.command)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return unavailable("the leader has changed")
	}
	if len(q.items) >= maxQueued || q.bytes+size > maxQueuedBytes {
		return &Unavailable{Reason: reasonOverloaded, RetryAfter: overloadedRetry}
	}
	q.items = append(q.items, item)
	q.bytes += size
	q.signal()
	return nil
}

// signal is called with the lock held.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take removes as many of the oldest commands as fit into one entry.
func (q *queue) take() []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes, work := 0, headerReserve, 0
	for n < len(q.items) && n < fsm.MaxEntryCommands {
		c := q.items[n].command
		bytes += frameBytes(c)
		work += c.Work()
		if n > 0 && (bytes > fsm.MaxEntryBytes || work > fsm.MaxEntryWork) {
			break
		}
		n++
	}
	taken := q.items[:n:n]
	q.items = q.items[n:]
	for _, item := range taken {
		q.bytes -= frameBytes(item.command)
	}
	if len(q.items) > 0 {
		q.signal()
	} else {
		q.items = nil
	}
	return taken
}

// close refuses further commands and returns those that were never proposed.
func (q *queue) close() []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	left := q.items
	q.items, q.bytes = nil, 0
	return left
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}
