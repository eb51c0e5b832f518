package cluster

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/hashicorp/raft"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
)

func openJournal(t *testing.T) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func hashesOf(leaves ...[]byte) []tlog.Hash {
	var hashes []tlog.Hash
	for _, leaf := range leaves {
		hashes = append(hashes, tlog.RecordHash(leaf))
	}
	return hashes
}

// newTestReplica is a replica without Raft.
func newTestReplica(t *testing.T, c *committee) *replica {
	t.Helper()
	r, err := newReplica(c.genesis, openJournal(t), newDiskWatch("", defaultDiskTimeout), newCores())
	if err != nil {
		t.Fatal(err)
	}
	r.applied = func(*applied) {}
	r.jumped = func(*fsm.View) error { return nil }
	r.learned = r.jumped
	r.audited = func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	r.fail = func(err error) { t.Errorf("the replica failed: %v", err) }
	t.Cleanup(r.digests.Wait)
	return r
}

// tick is an entry that states the clocks of a majority.
func (c *committee) tick(view *fsm.View, cut bool) *fsm.Entry {
	at := time.Now().UnixMilli()
	e := &fsm.Entry{Number: view.Number() + 1, At: at, Cut: cut}
	for i := range 2 {
		s := fsm.Statement{Node: uint8(i), At: at}
		message := fsm.StatementMessage(view.Cluster(), view.Era(), view.Tick()+1, at)
		copy(s.Sig[:], ed25519.Sign(c.keys[i].node, message))
		e.Statements = append(e.Statements, s)
	}
	return e
}

// logData is what Raft is handed for an encoded entry.
func logData(term uint64, entry []byte) []byte { return append(logPrefix(term), entry...) }

func command(index, term, built uint64, e *fsm.Entry) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: logData(built, e.Encode())}
}

// An entry that was built in another term than the one it is logged under is
// dropped: its number has been given to another entry by then.
func TestLateEntryDropped(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	first := c.tick(r.view.Load(), false)
	late := &fsm.Entry{Number: 2, At: first.At, Commands: []*fsm.Command{c.deposit("late")}}
	second := &fsm.Entry{Number: 2, At: first.At, Commands: []*fsm.Command{c.deposit("in time")}}
	results := r.ApplyBatch([]*raft.Log{
		command(1, 3, 3, first),
		{Index: 2, Term: 3, Type: raft.LogConfiguration},
		command(3, 5, 3, late), // built in term 3, taken by Raft in term 5
		command(4, 5, 5, second),
	})
	if results[1] != nil || !errors.Is(results[2].(error), errLate) {
		t.Fatalf("results: %v", results)
	}
	for _, i := range []int{0, 3} {
		result, ok := results[i].(*fsm.Result)
		if !ok || result.Refused {
			t.Fatalf("result %d: %+v", i, results[i])
		}
	}
	v := r.view.Load()
	if v.Number() != 2 || len(v.Alarms()) != 0 || v.Commands() != 1 {
		t.Errorf("number %d, alarms %v, commands %d", v.Number(), v.Alarms(), v.Commands())
	}
	if r.index.Load() != 4 {
		t.Errorf("index %d, want 4", r.index.Load())
	}
}

// What no honest leader made is recorded and raises the alarm, whatever its bytes.
func TestForeignBytes(t *testing.T) {
	for _, data := range [][]byte{nil, {1, 2, 3}, logData(7, []byte("no entry"))} {
		c := newCommittee(t)
		r := newTestReplica(t, c)
		results := r.ApplyBatch([]*raft.Log{{Index: 1, Term: 7, Type: raft.LogCommand, Data: data}})
		result, ok := results[0].(*fsm.Result)
		if !ok || !result.Refused {
			t.Fatalf("%x: %+v", data, results[0])
		}
		if r.journal.Size() != 1 || len(r.view.Load().Alarms()) != 1 {
			t.Errorf("%x: %d leaves, alarms %v", data, r.journal.Size(), r.view.Load().Alarms())
		}
	}
}

// The leader's own entry is applied as it was parsed, any other is parsed and
// verified; both lead to the same leaves.
func TestKnownEntries(t *testing.T) {
	c := newCommittee(t)
	leader, follower := newTestReplica(t, c), newTestReplica(t, c)
	first := c.tick(leader.view.Load(), false)
	e := &fsm.Entry{Number: 2, At: first.At, Commands: c.deposits("known", 50)}
	raw := e.Encode()
	leader.known.put(2, raw, e)
	logs := []*raft.Log{command(1, 2, 2, first), {Index: 2, Term: 2, Type: raft.LogCommand, Data: logData(2, raw)}}
	for _, r := range []*replica{leader, follower} {
		r.ApplyBatch(logs)
	}
	if leader.view.Load().Digest() != follower.view.Load().Digest() || leader.view.Load().Root() != follower.view.Load().Root() {
		t.Error("leader and follower differ")
	}
	if got := leader.view.Load().Commands(); got != 50 {
		t.Errorf("%d commands", got)
	}
	if len(leader.known.entries) != 0 {
		t.Error("the entry is kept after it was applied")
	}

	var k knownEntries
	k.put(2, raw, e)
	if k.take(3, raw) != nil || k.take(2, append(slices.Clone(raw), 0)) != nil {
		t.Error("other bytes, or another term, give the known entry")
	}
	for n := range uint64(3 * maxKnown) {
		k.put(9, nil, &fsm.Entry{Number: n})
	}
	if len(k.entries) > maxKnown {
		t.Errorf("%d entries are kept, want at most %d", len(k.entries), maxKnown)
	}
}

// A failed write stops the replica for good: nothing is applied or answered after.
func TestFailStop(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	var failed error
	answered := 0
	r.fail = func(err error) { failed = err }
	r.applied = func(*applied) { answered++ }
	if err := r.journal.Close(); err != nil {
		t.Fatal(err)
	}
	first := c.tick(r.view.Load(), false)
	results := r.ApplyBatch([]*raft.Log{command(1, 2, 2, first), command(2, 2, 2, first)})
	for i, result := range results {
		if err, ok := result.(error); !ok || !errors.Is(err, errStopped) {
			t.Errorf("result %d: %v", i, result)
		}
	}
	if failed == nil || answered != 0 || r.view.Load().Number() != 0 {
		t.Errorf("fatal %v, answered %d, number %d", failed, answered, r.view.Load().Number())
	}
}

// Replaying the log over a journal that has it already changes nothing.
func TestReplay(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	var logs []*raft.Log
	apply := func(e *fsm.Entry) {
		l := command(uint64(len(logs)+1), 2, 2, e)
		logs = append(logs, l)
		r.ApplyBatch([]*raft.Log{l})
	}
	apply(c.tick(r.view.Load(), false))
	cmd := c.deposit("replayed")
	apply(&fsm.Entry{Number: 2, At: time.Now().UnixMilli(), Commands: []*fsm.Command{cmd, c.deposit("too")}})
	apply(c.tick(r.view.Load(), true))
	again, err := newReplica(c.genesis, r.journal, r.disk, newCores())
	if err != nil {
		t.Fatal(err)
	}
	again.applied, again.audited, again.fail, again.jumped, again.learned = r.applied, r.audited, r.fail, r.jumped, r.learned
	size := r.journal.Size()
	again.ApplyBatch(logs)
	again.digests.Wait()
	if r.journal.Size() != size || again.view.Load().Digest() != r.view.Load().Digest() {
		t.Errorf("journal of %d leaves, was %d", r.journal.Size(), size)
	}
	ordinals, err := r.journal.Get(commandKey(cmd.Identity()))
	if err != nil || !slices.Equal(ordinals, []uint64{0}) {
		t.Errorf("the index gives %v, %v", ordinals, err)
	}
}

// While the journal has a gap nothing is written to it; what is applied waits in
// memory, up to a bound beyond which it is fetched instead.
func TestGap(t *testing.T) {
	c := newCommittee(t)
	source := newTestReplica(t, c)
	source.ApplyBatch([]*raft.Log{command(1, 2, 2, c.tick(source.view.Load(), false))})
	var image bytes.Buffer
	if err := source.view.Load().WriteSnapshot(&image, source.view.Load().Digest()); err != nil {
		t.Fatal(err)
	}
	machine, _, err := fsm.ReadSnapshot(c.genesis, &image)
	if err != nil {
		t.Fatal(err)
	}
	r := newTestReplica(t, c)
	if err := r.takeOver(&restored{machine: machine, gap: &gap{target: machine.View()}}); err != nil {
		t.Fatal(err)
	}
	target := r.openGap()
	if target == nil || r.complete() {
		t.Fatal("there is no gap")
	}
	logs := []*raft.Log{command(2, 2, 2, &fsm.Entry{Number: 2, At: time.Now().UnixMilli(), Commands: c.deposits("held", 3)})}
	source.ApplyBatch(logs)
	r.ApplyBatch(logs)
	if r.journal.Size() != 0 || r.openGap() != target || len(r.gap.held) != 1 {
		t.Fatalf("journal of %d leaves, %d results held", r.journal.Size(), len(r.gap.held))
	}
	// The leaves before the gap's end come from elsewhere.
	err = source.journal.Leaves(0, target.TreeSize(), func(i uint64, leaf []byte) error {
		return r.journal.Append(i, [][]byte{leaf}, hashesOf(leaf))
	})
	if err != nil {
		t.Fatal(err)
	}
	if closed, err := r.closeGap(target); !closed || err != nil {
		t.Fatalf("close: %v, %v", closed, err)
	}
	if root, err := r.journal.Root(r.view.Load().TreeSize()); err != nil || root != source.view.Load().Root() {
		t.Errorf("root %v, %v", root, err)
	}

	g := &gap{target: target}
	big := &fsm.Result{Leaves: [][]byte{make([]byte, maxHeldBytes)}}
	small := &fsm.Result{Leaves: [][]byte{make([]byte, 1)}}
	g.hold(big, source.view.Load)
	g.hold(small, source.view.Load)
	if g.target == target || len(g.held) != 0 || g.bytes != 0 {
		t.Errorf("beyond the bound %d results are held", len(g.held))
	}
}
