package cluster

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// A raftLog keeps Raft's log, term and vote.
type raftLog interface {
	raft.LogStore
	raft.StableStore
}

// consensus opens Raft over stores that outlive it. It can be put down and taken up
// again within one process, with a new transport and with the state restored from
// the newest snapshot; reopening is what frees a node whose log goes on where the
// committee's history went another way (see snapshotStore).
type consensus struct {
	log       raftLog
	snapshots *snapshotFiles
	offers    *offers
	replica   *replica
	servers   raft.Configuration // of a new cluster; none if the node joins one
	config    func(notify chan<- bool) *raft.Config
	connect   func() raft.Transport // makes a new one, which Raft closes
	led       signal                // fires when this node follows another leader, or none

	mu     sync.Mutex // held while Raft is opened or stopped
	closed bool
	now    atomic.Pointer[incarnation] // nil before the first opening
}

// An incarnation is Raft between its opening and its shutdown.
type incarnation struct {
	raft     *raft.Raft
	notify   chan bool       // changes of leadership
	conflict <-chan struct{} // says once that Raft must be reopened
	over     chan struct{}   // closed once Raft has stopped
	replayed uint64          // index up to which the log was there at the opening
}

// errClosed means that the node is ending, so that Raft stays closed.
var errClosed = errors.New("raft is not opened again")

// open bootstraps a new node and starts Raft, which restores the newest snapshot
// before it returns.
func (c *consensus) open() (*incarnation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.openLocked()
}

func (c *consensus) openLocked() (*incarnation, error) {
	if c.closed {
		return nil, errClosed
	}
	in := &incarnation{notify: make(chan bool, notifyBuffer), over: make(chan struct{})}
	config := c.config(in.notify)
	logs := &frontGuard{recentLog: &recentLog{LogStore: c.log}}
	store := newSnapshotStore(c.snapshots, logs, c.replica, c.offers)
	if err := store.settle(); err != nil {
		return nil, err
	}
	transport := c.connect()
	if err := c.bootstrap(config, logs, store, transport); err != nil {
		return nil, errors.Join(err, closeTransport(transport))
	}
	var err error
	if in.replayed, err = logs.LastIndex(); err != nil {
		return nil, errors.Join(fmt.Errorf("read Raft's log: %w", err), closeTransport(transport))
	}
	in.conflict = store.conflict
	in.raft, err = raft.NewRaft(config, stateMachine{c.replica, store}, logs, c.log, store, transport)
	if err != nil {
		if store.broken != nil {
			err = store.broken
		}
		return nil, errors.Join(fmt.Errorf("start Raft: %w", err), closeTransport(transport))
	}
	c.observe(in.raft)
	c.now.Store(in)
	return in, nil
}

// observe lets everybody know whom this node follows. A filter is enough: it sees
// everything, in order, and nobody reads a channel.
func (c *consensus) observe(r *raft.Raft) {
	r.RegisterObserver(raft.NewObserver(nil, false, func(o *raft.Observation) bool {
		if _, ok := o.Data.(raft.LeaderObservation); ok {
			c.led.fire()
		}
		return false
	}))
	c.led.fire() // it may have followed somebody before
}

// bootstrap gives a node that has no history the configuration that a new cluster
// begins with.
func (c *consensus) bootstrap(config *raft.Config, logs raft.LogStore, snapshots raft.SnapshotStore, t raft.Transport) error {
	known, err := raft.HasExistingState(logs, c.log, snapshots)
	if err != nil {
		return fmt.Errorf("look for an earlier state of Raft: %w", err)
	}
	if known || len(c.servers.Servers) == 0 {
		return nil
	}
	if err := raft.BootstrapCluster(config, logs, c.log, snapshots, t, c.servers); err != nil {
		return fmt.Errorf("bootstrap Raft: %w", err)
	}
	return nil
}

// reopen stops Raft and opens it again. The transport goes with it: what it still
// carries is for the old one.
func (c *consensus) reopen() (*incarnation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.stopLocked(); err != nil {
		return nil, err
	}
	return c.openLocked()
}

// close stops Raft for good.
func (c *consensus) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.stopLocked()
}

func (c *consensus) stopLocked() error {
	in := c.now.Load()
	if in == nil {
		return nil
	}
	if err := stopRaft(in.raft); err != nil {
		return err
	}
	select {
	case <-in.over:
	default:
		close(in.over)
	}
	return nil
}

func closeTransport(t raft.Transport) error {
	if t, ok := t.(raft.WithClose); ok {
		return t.Close()
	}
	return nil
}

// frontGuard is Raft's log as Raft sees it. After an installed snapshot Raft deletes
// from the front without a look at what there is.
type frontGuard struct {
	*recentLog
	opposed atomic.Bool // the log is another history than the newest snapshot's
}

// DeleteRange implements raft.LogStore. A log that is to be dropped keeps its front:
// without the entry at the snapshot's end nobody could tell, after a crash, that it
// must go. An empty log need not bear being asked.
func (g *frontGuard) DeleteRange(from, to uint64) error {
	last, err := g.LastIndex()
	if err != nil || last == 0 || g.opposed.Load() && to < last {
		return err
	}
	return g.recentLog.DeleteRange(from, to)
}

// stateMachine is the replica as one incarnation of Raft sees it.
type stateMachine struct {
	*replica
	snapshots *snapshotStore
}

var _ raft.BatchingFSM = stateMachine{}
