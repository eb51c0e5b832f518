package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// As long as leaves are missing that only peers have, a node is not ready and says that
// it has no receipts, whatever it applies meanwhile; once they are there, it is.
func TestReceiptsWaitForBackfill(t *testing.T) {
	c := newCommittee(t).startAll()
	first := c.must(0, c.deposit("first"))[0].Outcome.Receipts[0]
	i := c.other(c.leader())
	m := c.members[i]
	c.final(i, first+1)
	// What a snapshot of another node leaves behind, before the backfill hears of it.
	r := m.replica
	r.mu.Lock()
	r.gap = &gap{target: r.view.Load()}
	r.mu.Unlock()
	before := m.journal.Size()
	last := c.must(c.leader(), c.deposits("meanwhile", 5)...)[4].Outcome
	c.eventually("it applies on", func() error {
		if m.View().Number() < last.Entry {
			return errors.New("not yet")
		}
		return nil
	})
	var not *NotReady
	if err := m.Ready(); !errors.As(err, &not) || !strings.Contains(not.Error(), "journal is not complete") {
		t.Errorf("ready: %v", err)
	}
	if m.Status().ReceiptsReady || m.journal.Size() != before {
		t.Errorf("receipts ready %v, %d leaves, %d before", m.Status().ReceiptsReady, m.journal.Size(), before)
	}
	if _, err := m.Receipt(last.Receipts[0]); !errors.Is(err, ErrIncomplete) && !errors.Is(err, ErrNotFinal) {
		t.Errorf("a receipt that is not there: %v", err)
	}
	r.opened.fire()
	c.ready(i)
	if !m.Status().ReceiptsReady {
		t.Error("ready without receipts")
	}
	c.verifies(i, last.Receipts[0])
}

// A follower that was away while the committee changed gets a snapshot with the policy
// chain from genesis on, believes it, and judges receipts of before and after by it.
func TestSnapshotAcrossReplacement(t *testing.T) {
	c := newCommitteeOf(t, 5, smallSnapshots).startAll()
	leader := c.leader()
	first := c.must(leader, c.deposit("first"))[0].Outcome
	away := c.other(leader)
	gone := 0
	for gone == leader || gone == away {
		gone++
	}
	c.stop(away)
	fresh, cmd := c.recruit(c.name(gone))
	c.start(fresh)
	old := c.members[gone]
	c.must(leader, cmd)
	if removed, ok := errors.AsType[*RemovedError](old.exit(t)); !ok || removed.By != c.name(fresh) {
		t.Fatal("the old node does not say that it was replaced")
	}
	c.members[gone] = nil
	n := 0
	c.eventually("the chain goes into a snapshot", func() error {
		n++
		c.snapshotted(c.leader(), fmt.Sprint("more ", n))
		if steps, _ := c.chainOf(c.leader()); steps != 1 {
			return errors.New("it is not there")
		}
		return nil
	})
	last := c.must(c.leader(), c.deposit("last"))[0].Outcome
	c.start(away)
	c.ready(away)
	c.agree()
	if steps, image := c.chainOf(away); steps != 1 {
		t.Errorf("the snapshot came with %d steps, image %v", steps, image)
	}
	c.chained(away, 1, first.Leaf, last.Leaf)
}

// chainOf says of how many steps the policy chain of a node's newest snapshot is, and
// whether it begins with an image.
func (c *committee) chainOf(i int) (steps int, image bool) {
	c.t.Helper()
	kept := c.snapshots(i)
	if len(kept) == 0 {
		return 0, false
	}
	f, err := os.Open(filepath.Join(filepath.Dir(kept[len(kept)-1]), "state.bin"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, false // a newer one has replaced it
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(int64(len("tallyvault-snapshot v2\n")), 0); err != nil {
		c.t.Fatal(err)
	}
	head, err := fsm.ReadBlock(f, 1<<20)
	if err != nil {
		c.t.Fatal(err)
	}
	block, err := fsm.ReadBlock(f, 1<<24)
	if err != nil {
		c.t.Fatal(err)
	}
	chain, err := proof.ParseChain(block)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(chain), strings.Contains(string(head), `"image":true`)
}
