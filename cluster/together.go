package cluster

import (
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// Requests with few commands wait a moment for others, so that their signatures are
// verified in one batch, at less than half the cost of each alone: but only while so
// many commands fly that whoever sends one more waits for a disk anyway.
const (
	crowded        = 32
	enoughTogether = 64
	togetherWithin = time.Millisecond
)

// A pool is a batch to which several requests bring their commands.
type pool struct {
	mu   sync.Mutex
	open *pooled // nil while nobody waits
}

// pooled are commands of several requests.
type pooled struct {
	keys     *fsm.Keys
	commands []*fsm.Command
	enough   chan struct{} // closed when no more come in
	verified chan struct{}
}

// join brings commands. Who is first sees to it that they are verified.
func (p *pool) join(keys *fsm.Keys, commands []*fsm.Command) (_ *pooled, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.open
	if first = all == nil; first {
		all = &pooled{enough: make(chan struct{}), verified: make(chan struct{})}
		p.open = all
	}
	// A key that is not in these yet is looked up again when the command is checked.
	all.keys = keys
	all.commands = append(all.commands, commands...)
	if len(all.commands) >= enoughTogether {
		p.open = nil
		close(all.enough)
	}
	return all, first
}

// end lets nobody else in.
func (p *pool) end(all *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == all {
		p.open = nil
	}
}

// together verifies commands along with those of other requests.
func (c cores) together(keys *fsm.Keys, commands []*fsm.Command) {
	all, first := c.pool.join(keys, commands)
	if !first {
		<-all.verified
		return
	}
	moment := time.NewTimer(togetherWithin)
	defer moment.Stop()
	select {
	case <-all.enough:
	case <-moment.C:
		c.pool.end(all)
	}
	c.batch(all.keys, all.commands)
	close(all.verified)
}
