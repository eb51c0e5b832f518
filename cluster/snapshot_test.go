package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/snapshot"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// smallSnapshots makes Raft take snapshots of next to nothing and forget the log
// behind them.
func smallSnapshots(c *Config) {
	c.SnapshotThreshold, c.TrailingLogs, c.SnapshotInterval = 8, 2, 100*time.Millisecond
}

func (c *committee) snapshots(i int) []string {
	found, err := filepath.Glob(filepath.Join(c.nodeDir(i), "raft", "snapshots", "*", "meta.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	found = slices.DeleteFunc(found, func(path string) bool { return strings.HasSuffix(filepath.Dir(path), unfinishedTrail) })
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(madeAt(a), madeAt(b)) })
	return found
}

// madeAt is when a snapshot was made: the last part of its directory's name, after a
// term and an index, which have as many digits as they need.
func madeAt(description string) string {
	id := filepath.Base(filepath.Dir(description))
	return id[strings.LastIndexByte(id, '-')+1:]
}

// snapshotted feeds the cluster until a node has a new snapshot.
func (c *committee) snapshotted(i int, name string) {
	c.t.Helper()
	old := fmt.Sprint(c.snapshots(i))
	n := 0
	c.eventually("a snapshot is taken", func() error {
		c.must(c.leader(), c.deposit(fmt.Sprintf("%s %d", name, n)))
		n++
		if got := c.snapshots(i); len(got) == 0 || fmt.Sprint(got) == old {
			return errors.New("there is none")
		}
		return nil
	})
}

// A node that starts from a snapshot and a journal that ends behind it goes on as
// if it had never stopped.
func TestRestartFromSnapshot(t *testing.T) {
	c := newCommittee(t, smallSnapshots).startAll()
	c.snapshotted(1, "first")
	c.kill(1)
	c.must(c.leader(), c.deposits("meanwhile", 3)...)
	c.start(1)
	c.ready(1)
	c.agree()
	if !c.members[1].replica.complete() {
		t.Error("the journal is not complete")
	}
	c.must(1, c.deposits("after", 3)...)
	c.agree()
}

// A follower that was away for so long that the leader's log no longer reaches back
// gets a snapshot from it, and fetches the leaves that it missed from its peers.
func TestBackfill(t *testing.T) {
	c := newCommittee(t, smallSnapshots).startAll()
	early := c.must(0, c.deposits("early", 3)...)
	away := c.other(c.leader())
	c.stop(away)
	missed := c.must(c.leader(), c.deposits("missed", 40)...)
	c.snapshotted(c.leader(), "more")
	c.snapshotted(c.other(c.leader()), "yet more")
	c.start(away)
	c.ready(away)
	c.agree()
	m := c.members[away]
	if got, want := m.journal.Size(), m.View().TreeSize(); got < want {
		t.Fatalf("the journal holds %d leaves of %d", got, want)
	}
	for _, a := range append(early, missed...) {
		leaf := a.Outcome.Receipts[0]
		c.final(away, leaf+1)
		r, err := m.Receipt(leaf)
		if err != nil {
			t.Fatalf("receipt %d: %v", leaf, err)
		}
		if _, err := proof.VerifyProof(c.genesis.Policy(), r.File); err != nil {
			t.Fatalf("receipt %d: %v", leaf, err)
		}
		o, final, err := m.Outcome(a.ID)
		if err != nil || o == nil || !final || string(o.Record()) != string(a.Outcome.Record()) {
			t.Fatalf("outcome of %s: %+v, final %v, %v", a.ID, o, final, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(c.nodeDir(away), "backfill*")); len(left) > 0 {
		t.Errorf("files are left behind: %v", left)
	}
	// It cosigns again, and its journal stands by itself.
	c.eventually("it signs again", func() error {
		c.must(away, c.deposit(fmt.Sprintf("sign %d", time.Now().UnixNano())))
		if m.finality.signer.Last().Size <= missed[len(missed)-1].Outcome.Leaf {
			return errors.New("not yet")
		}
		return nil
	})
	if err := m.journal.Verify(nil); err != nil {
		t.Error(err)
	}
	c.stop(away)
	c.start(away)
	c.ready(away)
	c.agree()
}

// A peer that sends other leaves or outcomes than those of the restored state
// changes nothing in the journal.
func TestBackfillChecks(t *testing.T) {
	c := newCommittee(t).startAll()
	c.must(0, c.deposits("some", 10)...)
	c.agree()
	good := c.members[0]
	target := good.View()
	var leaves, outcomes [][]byte
	err := good.journal.Leaves(0, target.TreeSize(), func(_ uint64, leaf []byte) error {
		leaves = append(leaves, append([]byte(nil), leaf...))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = good.journal.Outcomes(0, target.Commands(), func(_ uint64, record []byte) error {
		outcomes = append(outcomes, append([]byte(nil), record...))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// An outcome with another leaf number has the same link in the outcome chain.
	moved, err := fsm.ParseOutcome(outcomes[3])
	if err != nil {
		t.Fatal(err)
	}
	moved.Leaf++
	cases := []struct {
		name string
		spot func(leaves, outcomes [][]byte)
		good bool
	}{
		{"all good", func(_, _ [][]byte) {}, true},
		{"a leaf differs", func(l, _ [][]byte) { l[5] = append(append([]byte(nil), l[5]...), 'x') }, false},
		{"two leaves are swapped", func(l, _ [][]byte) { l[4], l[5] = l[5], l[4] }, false},
		{"an outcome points elsewhere", func(_, o [][]byte) { o[3] = moved.Record() }, false},
		{"an outcome is another's", func(_, o [][]byte) { o[3] = o[4] }, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			j := openJournal(t)
			m, err := newMissing(j, target, filepath.Join(t.TempDir(), "backfill"))
			if err != nil {
				t.Fatal(err)
			}
			defer m.remove()
			l, o := append([][]byte(nil), leaves...), append([][]byte(nil), outcomes...)
			tc.spot(l, o)
			for _, leaf := range l {
				if err == nil {
					err = m.addLeaf(leaf)
				}
			}
			for _, record := range o {
				if err == nil {
					err = m.addOutcome(record)
				}
			}
			if err == nil {
				err = m.check()
			}
			if (err == nil) != tc.good {
				t.Fatalf("check: %v", err)
			}
			if err != nil {
				return
			}
			if err := m.write(); err != nil {
				t.Fatal(err)
			}
			if root, err := j.Root(target.TreeSize()); err != nil || root != target.Root() {
				t.Errorf("root %v, %v", root, err)
			}
		})
	}
}

// A snapshot of another tree than the journal's is refused, and changes nothing.
func TestRestoreDiverged(t *testing.T) {
	c := newCommittee(t)
	source, r := newTestReplica(t, c), newTestReplica(t, c)
	source.ApplyBatch([]*raft.Log{command(1, 2, 2, c.tick(source.view.Load(), false))})
	if err := r.journal.Append(0, [][]byte{[]byte("a leaf of nobody")}, hashesOf([]byte("a leaf of nobody"))); err != nil {
		t.Fatal(err)
	}
	file := whole{snapshot.Snapshot{Base: source.bases.proven, State: source.view.Load(), Chain: proof.FormatChain(nil)}, source.journal.Leaves}
	data := file.bytes(t)
	_, err := r.readSnapshot(bytes.NewReader(data), false)
	if refused, ok := errors.AsType[*snapshot.Error](err); !ok || refused.Part != snapshot.PartTail || r.view.Load().Number() != 0 {
		t.Errorf("restore: %v", err)
	}
	if err := newTestReplica(t, c).Restore(io.NopCloser(bytes.NewReader(data))); err != nil {
		t.Errorf("by a node that knows nothing else: %v", err)
	}
}
