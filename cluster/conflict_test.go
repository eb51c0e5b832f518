package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/logstore"
	"github.com/tallyvault/tallyvault/fsm"
)

// bubble is three nodes' consensus and state machines over an in-memory network, to
// be used inside a synctest bubble. Nobody leads sessions: the test proposes entries.
type bubble struct {
	c     *committee
	nodes []*Node

	mu     sync.Mutex
	wires  []*raft.InmemTransport
	cutOff int   // node that hears nobody, or -1
	opened []int // how often each node's Raft was
	jumps  []int // how often each node's state was replaced
}

// keptInBubble are the stores that a node's log can have.
var keptInBubble = map[string]func(t *testing.T, dir string) raftLog{
	"memory": func(*testing.T, string) raftLog { return raft.NewInmemStore() },
	"bolt": func(t *testing.T, dir string) raftLog {
		path := filepath.Join(dir, "log.db")
		if err := logstore.Create(path); err != nil {
			t.Fatal(err)
		}
		store, err := logstore.Open(logstore.Config{Path: path, Fail: func(err error) { t.Errorf("the log failed: %v", err) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return store
	},
}

func newBubble(t *testing.T, keep func(*testing.T, string) raftLog) *bubble {
	t.Helper()
	b := &bubble{c: newCommittee(t), cutOff: -1, wires: make([]*raft.InmemTransport, 3), opened: make([]int, 3), jumps: make([]int, 3)}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for i, g := range b.c.genesis.Nodes {
		dir := t.TempDir()
		snapshots, err := openSnapshotFiles(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		config := b.c.config(i)
		config.SnapshotThreshold, config.TrailingLogs, config.SnapshotInterval, config.RaftTimeout = 20, 5, 5*time.Second, time.Second
		n := &Node{config: config, replica: newTestReplica(t, b.c), failed: make(chan error, 1), flights: newFlights()}
		n.draining.Store(true)
		n.replica.jumped = func(*fsm.View) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.jumps[i]++
			return nil
		}
		n.consensus = &consensus{
			log: keep(t, dir), snapshots: snapshots, replica: n.replica, servers: servers(b.c.genesis),
			offers: &offers{
				waiting: filepath.Join(dir, "offered.tmp"), dir: filepath.Join(dir, "refused"), leader: n.leader,
				room:    func() (uint64, error) { return snapshotRoom(dir) },
				refused: func(_ string, why error) { t.Errorf("node %d: %v", i, why) },
			},
			config:  func(notify chan<- bool) *raft.Config { return raftConfig(config, g.Name, notify) },
			connect: func() raft.Transport { return b.connect(i, g.Name) },
		}
		in, err := n.consensus.open()
		if err != nil {
			t.Fatal(err)
		}
		n.raft.Store(in.raft)
		wait.Go(func() { n.partake(ctx, in) })
		b.nodes = append(b.nodes, n)
	}
	t.Cleanup(func() {
		cancel()
		for _, n := range b.nodes {
			if err := n.consensus.close(); err != nil {
				t.Error(err)
			}
		}
		wait.Wait()
		for i, n := range b.nodes {
			select {
			case err := <-n.failed:
				t.Errorf("node %d failed: %v", i, err)
			default:
			}
		}
	})
	return b
}

// connect makes a node's new transport and links it with the others.
func (b *bubble) connect(i int, name string) raft.Transport {
	_, wire := raft.NewInmemTransportWithTimeout(raft.ServerAddress(name), 500*time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wires[i] = wire
	b.opened[i]++
	b.link()
	return wire
}

// link connects everybody with everybody who is not cut off.
func (b *bubble) link() {
	for i, from := range b.wires {
		for j, to := range b.wires {
			switch {
			case i == j || from == nil || to == nil:
			case i == b.cutOff || j == b.cutOff:
				from.Disconnect(to.LocalAddr())
			default:
				from.Connect(to.LocalAddr(), to)
			}
		}
	}
}

// cut cuts a node off from all others, or with -1 heals the network.
func (b *bubble) cut(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cutOff = i
	b.link()
}

// rest lets that much of the bubble's time pass.
func rest(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// leader waits until a node other than one leads and has applied what it has.
func (b *bubble) leader(t *testing.T, not int) int {
	t.Helper()
	for range 600 {
		for i, n := range b.nodes {
			if r := n.raft.Load(); i != not && r.State() == raft.Leader && r.Barrier(time.Second).Error() == nil {
				return i
			}
		}
		rest(100 * time.Millisecond)
	}
	t.Fatal("nobody leads")
	return -1
}

// propose gives a node's Raft entries that would follow its state.
func (b *bubble) propose(i int, prefix string, count int) []raft.ApplyFuture {
	n := b.nodes[i]
	r, number := n.raft.Load(), n.replica.view.Load().Number()
	futures := make([]raft.ApplyFuture, count)
	for k := range futures {
		e := &fsm.Entry{
			Number: number + 1 + uint64(k), At: time.Now().UnixMilli(),
			Commands: []*fsm.Command{b.c.deposit(fmt.Sprintf("%s %d", prefix, k))},
		}
		futures[k] = r.Apply(logData(r.CurrentTerm(), e.Encode()), 0)
	}
	return futures
}

// commit proposes entries and demands that they are accepted.
func (b *bubble) commit(t *testing.T, i int, prefix string, count int) {
	t.Helper()
	for _, f := range b.propose(i, prefix, count) {
		if err := f.Error(); err != nil {
			t.Fatal(err)
		}
		if r, ok := f.Response().(*fsm.Result); !ok || r.Refused || r.Outcomes[0].Refusal != nil {
			t.Fatalf("%s: %+v", prefix, f.Response())
		}
	}
}

// agree waits until all nodes have the same state.
func (b *bubble) agree(t *testing.T) {
	t.Helper()
	var err error
	for range 600 {
		err = nil
		leader := b.nodes[b.leader(t, -1)].View()
		for i, n := range b.nodes {
			if v := n.View(); v.Number() != leader.Number() || v.Digest() != leader.Digest() {
				err = fmt.Errorf("node %d is at entry %d, the leader at %d", i, v.Number(), leader.Number())
			}
		}
		if err == nil {
			return
		}
		rest(100 * time.Millisecond)
	}
	t.Fatal(err)
}

func (b *bubble) restored(i int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jumps[i]
}

// termOf is the term of a node's log entry, 0 if it holds none at that index.
func (b *bubble) termOf(t *testing.T, i int, index uint64) uint64 {
	t.Helper()
	var l raft.Log
	err := b.nodes[i].consensus.log.GetLog(index, &l)
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		t.Fatal(err)
	}
	return l.Term
}

// A leader that was cut off keeps entries that were never committed. The others
// commit other ones, take snapshots and forget their logs; then the cut heals. When
// the uncommitted tail reaches past the snapshot (hashicorp/raft issue 697), the node
// must not install the same snapshot for ever; when it does not, none of it may stay
// below the snapshot, from where a later leader would send it to others.
func TestConflictingTail(t *testing.T) {
	for store, keep := range keptInBubble {
		for _, tc := range []struct {
			name     string
			stale    int
			reopened int
		}{
			{"reaches past the snapshot", 300, 2},
			{"ends before the snapshot", 30, 1},
		} {
			t.Run(store+"/"+tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBubble(t, keep)
					old := b.leader(t, -1)
					b.commit(t, old, "common", 10)
					stale := b.nodes[old].raft.Load().LastIndex() + 1
					term := b.nodes[old].raft.Load().CurrentTerm()
					b.cut(old)
					b.propose(old, "stale", tc.stale)
					synctest.Wait()
					if got := b.termOf(t, old, stale+uint64(tc.stale)-1); got != term {
						t.Fatalf("the tail's last entry has term %d", got)
					}
					rest(3 * time.Second)
					m := b.leader(t, old)
					b.commit(t, m, "majority", 100)
					rest(20 * time.Second)
					if b.termOf(t, m, stale) != 0 {
						t.Fatal("the majority has not forgotten its log")
					}
					b.cut(-1)
					b.agree(t)
					b.commit(t, b.leader(t, -1), "healed", 10)
					b.agree(t)
					for i := range uint64(tc.stale) {
						if b.termOf(t, old, stale+i) == term {
							t.Fatalf("entry %d of the old history is still in the log", stale+i)
						}
					}
					rest(time.Minute)
					// The state is restored from each snapshot that comes, and at the reopening.
					if got := b.restored(old); got > 5 {
						t.Errorf("%d snapshots were installed", got)
					}
					if b.opened[old] != tc.reopened {
						t.Errorf("Raft was opened %d times, want %d", b.opened[old], tc.reopened)
					}
				})
			})
		}
	}
}

// A crash between the snapshot becoming durable and the log being dropped leaves both
// on disk; the next start drops the log.
func TestConflictingTailAfterCrash(t *testing.T) {
	for name, keep := range keptInBubble {
		t.Run(name, func(t *testing.T) {
			for _, tc := range []struct {
				name        string
				from, to    uint64
				term        uint64
				index, of   uint64 // of the snapshot
				first, last uint64 // what stays
				refused     bool
			}{
				{"another history past the snapshot", 1, 40, 3, 30, 4, 0, 0, false},
				{"another history before the snapshot", 1, 20, 3, 30, 4, 0, 0, false},
				{"the same history past the snapshot", 1, 40, 4, 30, 4, 1, 40, false},
				{"right behind the snapshot", 31, 40, 4, 30, 4, 31, 40, false},
				{"a snapshot is missing", 32, 40, 4, 30, 4, 32, 40, true},
			} {
				log := keep(t, t.TempDir())
				for i := tc.from; i <= tc.to; i++ {
					if err := log.StoreLog(&raft.Log{Index: i, Term: tc.term, Type: raft.LogNoop}); err != nil {
						t.Fatal(err)
					}
				}
				inner, err := openSnapshotFiles(t.TempDir(), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				_, wire := raft.NewInmemTransport("")
				sink, err := inner.Create(1, tc.index, tc.of, raft.Configuration{}, 1, wire)
				if err != nil {
					t.Fatal(err)
				}
				if err := sink.Close(); err != nil {
					t.Fatal(err)
				}
				store := newSnapshotStore(inner, &frontGuard{recentLog: &recentLog{LogStore: log}}, nil, nil)
				if err := store.settle(); (err != nil) != tc.refused {
					t.Errorf("%s: %v", tc.name, err)
				}
				first, _ := log.FirstIndex()
				last, _ := log.LastIndex()
				if first != tc.first || last != tc.last {
					t.Errorf("%s: the log holds entries %d to %d, want %d to %d", tc.name, first, last, tc.first, tc.last)
				}
			}
		})
	}
}

// A follower that needs a snapshot gets one while entries and further snapshots go on,
// and again after it was cut off again: it catches up each time, without a loop.
func TestSlowFollower(t *testing.T) {
	for store, keep := range keptInBubble {
		t.Run(store, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, keep)
				leader := b.leader(t, -1)
				slow := (leader + 1) % 3
				for round := range 3 {
					b.cut(slow)
					for n := range 6 {
						b.commit(t, b.leader(t, slow), fmt.Sprintf("away %d %d", round, n), 20)
						rest(2 * time.Second)
					}
					b.cut(-1)
					for n := range 6 {
						b.commit(t, b.leader(t, -1), fmt.Sprintf("back %d %d", round, n), 20)
						rest(2 * time.Second)
					}
					b.agree(t)
				}
				if got := b.restored(slow); got < 1 || got > 6 {
					t.Errorf("%d snapshots were installed in 3 rounds", got)
				}
				if b.opened[slow] != 1 {
					t.Errorf("Raft was opened %d times", b.opened[slow])
				}
			})
		})
	}
}

// The same over real sockets and files: a leader dies with entries that nobody else
// has, the others go on without it and forget their logs. When it comes back it drops
// what it has, goes on from their snapshot, and can lead.
func TestConflictingTailOfDeadLeader(t *testing.T) {
	c := newCommittee(t, smallSnapshots).startAll()
	c.must(0, c.deposits("common", 3)...)
	old := c.leader()
	c.kill(old)
	path := dataDir(c.nodeDir(old)).raftLog()
	log, err := logstore.Open(logstore.Config{Path: path, Fail: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	last, err := log.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	var tip raft.Log
	if err := log.GetLog(last, &tip); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(300) {
		stale := raft.Log{Index: last + 1 + i, Term: tip.Term, Type: raft.LogCommand, Data: logData(tip.Term, []byte("stale"))}
		if err := log.StoreLog(&stale); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	m := c.leader()
	c.snapshotted(m, "majority")
	c.snapshotted(m, "more of the majority")
	c.start(old)
	c.ready(old)
	c.agree()
	c.must(old, c.deposits("healed", 3)...)
	for i := range c.members {
		if i != old {
			c.stop(i)
			c.start(i)
			c.ready(i)
		}
	}
	c.must(old, c.deposits("in the end", 3)...)
	c.agree()
}
