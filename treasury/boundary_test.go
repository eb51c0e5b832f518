package treasury

import (
	"fmt"
	"testing"
)

// One height too early is too early for a person, too.
func TestExecuteAtTheTimelock(t *testing.T) {
	m := found(t, 1_000, func(p *Params) { p.FourEyesAbove = units(50) })
	m.decide("a", pay(10))
	m.decide("large", pay(51))
	m.did(m.b.Execute(m.l, m.c, "ben", idOf("large")))
	m.pass(9)
	_, r := m.b.Execute(m.l, m.c, "ann", idOf("a"))
	m.refused(r, "InvalidTransition timelocked timelock")
	m.did(m.b.Execute(m.l, m.c, "cat", idOf("large"))) // only confirms
	m.is("large", Timelocked)
	m.c.Height++
	m.b.Advance(1)
	m.did(m.b.Execute(m.l, m.c, "ann", idOf("a")))
	m.is("a", Executed)
	m.tick()
	m.is("large", Executed)
	m.sound()
}

// What was voted on is what is paid: a row that says something else is never executed.
func TestExecutionLooksAtTheContent(t *testing.T) {
	m := found(t, 1_000)
	m.decide("a", pay(10))
	d := *m.get("a")
	d.Body.Destination = Payer("grid")
	m.b.put(&d)
	m.pass(10)
	_, r := m.b.Execute(m.l, m.c, "ben", d.ID)
	m.refused(r, "ExecutionFailed content")
	if f := m.get("a").Failure; f.Detail != DetailContent || f.Remedy().Retries {
		t.Errorf("%+v", f)
	}
	m.pass(50)
	m.is("a", Expired)
	m.holds(map[AccountID]uint64{Treasury: 1_000, TreasuryReserved: 0, Payer("grid"): 0, "payer/grid/held": 0})
}

// Money that a rollback brings back is offered to those that wait for it.
func TestRollbackFundsOthers(t *testing.T) {
	m := found(t, 100)
	m.decide("a", pay(100))
	m.decide("b", pay(60))
	m.pass(10)
	m.is("a", Executed)
	m.is("b", Queued)
	m.did(m.b.Rollback(m.l, m.c, "ann,ben", idOf("a"), "mistake"))
	m.tick()
	m.is("b", Timelocked)
	m.sound()
}

// Money that comes while a sweep is on is offered to those whom the sweep has passed.
func TestSweepBeginsAgain(t *testing.T) {
	m := found(t, 1)
	for i, amount := range []uint64{500, 400, 300} {
		m.decide(fmt.Sprint(i), pay(amount))
		m.pass(1)
	}
	m.fund(300)
	for range 2 { // the first two of three are looked at
		fx, _ := m.b.Tick(m.l, m.c, 1)
		m.did(fx, nil)
	}
	m.is("2", Queued)
	m.fund(700)
	m.tick()
	for _, name := range []string{"0", "2"} {
		m.is(name, Timelocked)
	}
	m.is("1", Queued) // 201 are left
	m.sound()
}

// Nothing is reserved, counted or started by hand while the treasury is paused.
func TestQueueWhilePaused(t *testing.T) {
	m := found(t, 0)
	m.decide("a", pay(10))
	m.propose("voting", pay(1))
	m.open("voting")
	m.refused(m.b.Pause(ScopeTreasury), "accepted")
	m.fund(100)
	for _, name := range []string{"a", "voting"} {
		_, r := m.b.Queue(m.l, m.c, idOf(name))
		m.refused(r, "Paused")
	}
	m.is("a", Queued)
	m.holds(map[AccountID]uint64{TreasuryReserved: 0})
}

// A draft is over at the height at which its grace is, whether or not time has come to
// it.
func TestDraftAtTheEndOfGrace(t *testing.T) {
	m := found(t, 1_000)
	m.propose("a", pay(10))
	m.c.Height += 50
	m.b.Advance(49)
	m.did(m.b.Amend(m.c, "ann", idOf("a"), pay(11)))
	m.b.Advance(1)
	_, r := m.b.Amend(m.c, "ann", idOf("a"), pay(12))
	m.refused(r, "InvalidTransition draft grace_over")
	_, r = m.b.Open(m.c, "ann", idOf("a"))
	m.refused(r, "InvalidTransition draft grace_over")
	m.tick()
	m.is("a", Expired)
}

// A copy says for ever what it said, whatever becomes of the book.
func TestCopyOfBookStays(t *testing.T) {
	m := found(t, 1_000)
	m.decide("a", pay(10))
	m.decide("b", pay(20))
	m.pass(9)
	m.c.Height++
	m.b.Advance(1)
	fx, _ := m.b.Tick(m.l, m.c, 1)
	m.did(fx, nil) // one is executed, the other in the same epoch
	view := m.b.Copy()
	said, proposed := bookRows(view), view.proposals.of(0, "ann")
	m.tick()
	m.propose("c", pay(30))
	if bookRows(view) != said {
		t.Error("the copy changed")
	}
	m.pass(20)
	m.propose("d", pay(1))
	m.propose("e", pay(1))
	if bookRows(view) != said || view.proposals.of(0, "ann") != proposed {
		t.Error("the copy changed")
	}
	view = m.b.Copy()
	epoch := m.c.Height / m.b.Params().EpochBlocks
	before := view.proposals.of(epoch, "ann")
	m.propose("f", pay(1))
	if after := view.proposals.of(epoch, "ann"); before != 2 || after != before {
		t.Errorf("the copy counts %d proposals, and counted %d", after, before)
	}
}

// A page of the history begins below the epoch that it is asked for.
func TestHistoryPages(t *testing.T) {
	m := found(t, 0)
	for range 3 {
		m.c.Height += 10
		m.fund(5)
	}
	var epochs []uint64
	for _, before := range []uint64{0, 3, 1} {
		m.b.History(before, func(f Flow) bool {
			epochs = append(epochs, f.Epoch)
			return true
		})
	}
	if got := fmt.Sprint(epochs); got != "[3 2 1 2 1]" {
		t.Errorf("epochs %s", got)
	}
}

// At the end of its grace a disbursement goes on waiting for what is under way, executed
// included, and not for a draft that nobody opened.
func TestGraceOfDependents(t *testing.T) {
	m := found(t, 1_000, func(p *Params) { p.GraceEpochs = 2 })
	m.decide("on a draft", pay(10, "draft"))
	m.decide("on an executed", pay(10, "executed"))
	m.pass(5)
	m.propose("draft", pay(10)) // its own grace ends five heights later
	m.decide("executed", pay(10))
	m.pass(15)
	m.is("executed", Executed)
	m.is("on a draft", Expired)
	m.is("on an executed", Queued)
	if story := m.story("on an executed"); story[len(story)-1] != "extend queued" {
		t.Errorf("%v", story)
	}
	m.is("draft", Draft)
	m.pass(10)
	m.is("on an executed", Timelocked)
	m.sound()
}
