package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/treasury"
)

// The auditor follows the journal, and finds it when either side is changed.
func TestAuditorFindsWhichSideIsWrong(t *testing.T) {
	h := newHistory(t, newCommittee(t))
	a := &auditor{replica: h.r, share: 1}
	agrees := func() error { return a.compare(context.Background(), h.view()) }
	h.commands(h.c.deposits("audited", 3)...)
	if err := agrees(); err != nil {
		t.Fatal(err)
	}
	h.commands(h.c.deposits("later", 3)...)
	if err := agrees(); err != nil {
		t.Fatal(err)
	}
	if a.read != h.view().TreeSize() {
		t.Errorf("%d leaves are read of %d", a.read, h.view().TreeSize())
	}
	// Somebody's memory has changed the ledger that is read from.
	h.view().Ledger().Post([]treasury.Leg{{From: treasury.External("BLOCK"), To: "payer/city", Amount: fsm.Amount{Lo: 1}}})
	if err := agrees(); err == nil || !strings.Contains(err.Error(), "external/BLOCK has") {
		t.Errorf("a changed ledger: %v", err)
	}
	h.commands(h.c.deposits("last", 1)...) // the state itself was not touched
	if err := agrees(); err != nil {
		t.Fatal(err)
	}
	// A receipt that the state knows nothing of.
	err := a.books.Take(&fsm.ThresholdReceipt{Command: "deposit", Facts: []fsm.Field{
		{Name: "account", Value: "payer/city"}, {Name: "asset", Value: "BLOCK"}, {Name: "amount", Value: "5"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := agrees(); err == nil {
		t.Error("a receipt of nothing is not noticed")
	}
}

// Leaves that cannot be read are a fault of the disk, not of the books: nothing is told
// of a comparison, and the node ends.
func TestAuditorTellsUnreadFromWrong(t *testing.T) {
	h := newHistory(t, newCommittee(t))
	ahead := newHistory(t, h.c)
	ahead.commands(h.c.deposits("elsewhere", 3)...)
	h.r.view.Store(ahead.view()) // of leaves that this journal does not have
	var failed error
	a := &auditor{
		replica: h.r, every: time.Millisecond, share: 1, fail: func(err error) { failed = err },
		told: func(err error) { t.Errorf("told of a comparison: %v", err) },
	}
	a.run(t.Context())
	if _, unread := errors.AsType[*unreadError](failed); !unread {
		t.Errorf("the node ends with %v", failed)
	}
}

// A node whose books are wrong signs nothing any more, says so, and can be read.
func TestBrokenBooksStopSigning(t *testing.T) {
	c := newCommittee(t).startAll()
	m := c.members[0]
	before := c.must(0, c.deposit("before"))
	c.final(0, before[0].Outcome.Receipts[0]+1) // so nothing is being signed
	m.booksAudited(errors.New("for the test"))
	last := m.finality.newestOwn()
	answers := c.must(1, c.deposit("after"))
	c.final(0, answers[0].Outcome.Receipts[0]+1) // the two others are enough, and this one publishes
	if now := m.finality.newestOwn(); now != last {
		t.Errorf("it signed %d leaves, and %d before", now, last)
	}
	if alarms := m.Status().LocalAlarms; !slices.Contains(alarms, AlarmBooks) {
		t.Errorf("alarms %v", alarms)
	}
	if _, err := m.Leaf(answers[0].Outcome.Receipts[0]); err != nil {
		t.Error(fmt.Errorf("a receipt cannot be read: %w", err))
	}
}

// newestOwn is the largest size that this node has signed.
func (f *finality) newestOwn() (size uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.mine {
		size = max(size, o.checkpoint.Size)
	}
	return size
}
