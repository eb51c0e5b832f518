package logstore

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// A tape is a state machine that remembers what was applied.
type tape struct{ applied [][]byte }

func (m *tape) Apply(l *raft.Log) any { m.applied = append(m.applied, l.Data); return nil }

func (m *tape) Snapshot() (raft.FSMSnapshot, error) { return &tape{slices.Clone(m.applied)}, nil }

func (m *tape) Restore(r io.ReadCloser) error {
	b, err := io.ReadAll(r)
	if m.applied = bytes.SplitAfter(b, []byte{'\n'}); len(m.applied) > 0 {
		m.applied = m.applied[:len(m.applied)-1]
	}
	return err
}

func (m *tape) Persist(sink raft.SnapshotSink) error {
	if _, err := sink.Write(bytes.Join(m.applied, nil)); err != nil {
		return err
	}
	return sink.Close()
}

func (m *tape) Release() {}

// A peer is a node of Raft on a store.
type peer struct {
	*rig
	id        raft.ServerID
	transport *raft.InmemTransport
	snapshots raft.SnapshotStore
	tape      *tape
	raft      *raft.Raft
}

type peers []*peer

func newPeers(t *testing.T, n int) peers {
	var all peers
	var configuration raft.Configuration
	for i := range n {
		p := &peer{rig: newRig(t), id: raft.ServerID(fmt.Sprint("n", i)), snapshots: raft.NewInmemSnapshotStore()}
		all = append(all, p)
		configuration.Servers = append(configuration.Servers, raft.Server{ID: p.id, Address: raft.ServerAddress(p.id)})
	}
	for _, p := range all {
		_, p.transport = raft.NewInmemTransport(raft.ServerAddress(p.id))
		p.must(raft.BootstrapCluster(p.settings(), p.store, p.store, p.snapshots, p.transport, configuration))
		p.start()
	}
	all.connect(true, nil)
	return all
}

func (p *peer) settings() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID, c.Logger = p.id, hclog.NewNullLogger()
	c.TrailingLogs, c.SnapshotThreshold, c.SnapshotInterval = 10, 40, 5*time.Second
	return c
}

func (p *peer) start() {
	p.t.Helper()
	cached, err := raft.NewLogCache(4, p.store)
	p.must(err)
	p.tape = new(tape)
	p.raft, err = raft.NewRaft(p.settings(), p.tape, cached, p.store, p.snapshots, p.transport)
	p.must(err)
}

func (p *peer) position() position {
	p.store.mu.RLock()
	defer p.store.mu.RUnlock()
	return p.store.chain.position
}

// restart kills the store under a node that was stopped, and starts it again.
func (p *peer) restart() {
	p.t.Helper()
	p.must(p.raft.Shutdown().Error())
	p.must(p.transport.Close())
	p.kill()
	p.open()
	_, p.transport = raft.NewInmemTransport(raft.ServerAddress(p.id))
	p.start()
}

// connect joins or parts all pairs, or those with one peer.
func (all peers) connect(join bool, only *peer) {
	for _, a := range all {
		for _, b := range all {
			switch {
			case a == b || only != nil && a != only && b != only:
			case join:
				a.transport.Connect(raft.ServerAddress(b.id), b.transport)
			default:
				a.transport.Disconnect(raft.ServerAddress(b.id))
			}
		}
	}
}

func (all peers) leader(not *peer) *peer {
	for {
		for _, p := range all {
			if p != not && p.raft.State() == raft.Leader && p.raft.Barrier(time.Second).Error() == nil {
				return p
			}
		}
		pass(50 * time.Millisecond)
	}
}

// pass lets time pass in the test's bubble, where waiting costs nothing.
func pass(d time.Duration) { <-time.After(d) }

// Raft itself on three stores: a leader is cut off with entries of its own, the others
// go on, it comes back and must delete them; a node falls behind and gets a snapshot,
// which leaves a gap; all restart. Nothing fails and all have applied the same.
func TestRaftOnStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newPeers(t, 3)
		count := 0
		apply := func(p *peer, n int) {
			t.Helper()
			for range n {
				count++
				if err := p.raft.Apply(fmt.Appendf(nil, "command %d\n", count), time.Second).Error(); err != nil {
					t.Fatal(err)
				}
			}
		}
		lead := all.leader(nil)
		apply(lead, 30)
		all.connect(false, lead)
		for i := range 5 {
			lead.raft.Apply(fmt.Appendf(nil, "stale %d\n", i), 0)
		}
		next := all.leader(lead)
		apply(next, 10)
		all.connect(true, lead)
		pass(5 * time.Second)
		if lead.position().generation == 0 {
			t.Error("the old leader deleted nothing")
		}
		all.connect(false, lead)
		apply(all.leader(lead), 200)
		pass(20 * time.Second)
		apply(all.leader(lead), 5)
		all.connect(true, lead)
		pass(20 * time.Second)
		if _, held := lead.store.sum(100); held || lead.position().last < 200 {
			t.Errorf("no snapshot was installed: %+v", lead.position())
		}
		for _, p := range all {
			p.restart()
			all.connect(true, p)
		}
		apply(all.leader(nil), 20)
		pass(5 * time.Second)
		for _, p := range all {
			p.must(p.raft.Shutdown().Error())
			p.must(p.transport.Close())
			if len(p.fails) > 0 || len(p.tape.applied) != count || !bytes.Equal(bytes.Join(p.tape.applied, nil), bytes.Join(all[0].tape.applied, nil)) {
				t.Errorf("%s failed with %v, applied %d of %d", p.id, p.fails, len(p.tape.applied), count)
			}
			if p.position().first == 1 {
				t.Errorf("%s never compacted its log", p.id)
			}
		}
	})
}
