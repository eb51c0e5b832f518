package treasury

import (
	"fmt"
	"testing"
)

func TestFiveHundredDue(t *testing.T) {
	m := found(t, 100_000)
	bad := pay(1)
	bad.Destination = Provider("nobody")
	m.decide("bad", bad)
	for i := range 500 {
		m.decide(fmt.Sprint(i), pay(10))
	}
	m.c.Height += 10
	m.b.Advance(10)
	if n := m.b.Overdue(1_000); n != 501 {
		t.Fatalf("%d overdue", n)
	}
	if ticks := m.tick(); ticks > 2 {
		t.Errorf("%d ticks", ticks)
	}
	for i := range 500 {
		m.is(fmt.Sprint(i), Executed)
	}
	m.is("bad", Timelocked)
	if h := m.b.Health(); h.Overdue != 1 || h.Stalled || h.Executed != 500 || h.Matured != 501 {
		t.Errorf("%+v", h)
	}
	m.sound()
}

// What always fails is tried at growing distances, and delays no other.
func TestBackoff(t *testing.T) {
	m := found(t, 1_000)
	bad := pay(1)
	bad.Destination = Provider("nobody")
	m.decide("bad", bad)
	m.pass(10)
	m.decide("good", pay(1))
	var tries []uint64
	for range 40 {
		if d := m.get("bad"); d.Status == Timelocked && (len(tries) == 0 || d.Failure.Attempts > uint32(len(tries))) {
			tries = append(tries, m.c.Height)
		}
		m.pass(1)
	}
	if got := fmt.Sprint(tries); got != "[10 12 16 24 40]" {
		t.Errorf("tried at %s", got)
	}
	f := m.get("bad").Failure
	if f.Code != InvalidTarget || f.Subject != "provider/nobody" || f.Remedy().Who != "admins" || !f.Remedy().Retries || f.First >= f.Last {
		t.Errorf("%+v", f)
	}
	m.is("good", Finalized)
	// A provider who comes in time is paid.
	m.l.Open(Provider("nobody"), Asset)
	m.pass(9)
	m.is("bad", Timelocked)
	m.pass(1) // the last try is at the end of its grace, not after it
	m.is("bad", Executed)
	worse := pay(1)
	worse.Destination = Provider("never")
	m.decide("worse", worse)
	m.pass(59)
	m.is("worse", Timelocked)
	m.pass(1)
	m.is("worse", Expired)
	m.sound()
}

func TestTargetHeals(t *testing.T) {
	m := found(t, 1_000)
	bad := pay(7)
	bad.Destination = Provider("late")
	m.decide("a", bad)
	m.pass(11)
	m.is("a", Timelocked)
	m.l.Open(Provider("late"), Asset)
	m.did(m.b.Execute(m.l, m.c, "ben", idOf("a")))
	m.is("a", Executed)
	if f := m.get("a").Failure; f.Code != "" {
		t.Errorf("%+v", f)
	}
	m.sound()
}

func TestFundsOldestFirst(t *testing.T) {
	m := found(t, 100)
	for i, amount := range []uint64{500, 80, 300, 40} {
		m.decide(fmt.Sprint(i), pay(amount))
		m.pass(1)
	}
	m.is("0", Queued)
	m.is("1", Timelocked) // 80 of 100
	m.is("3", Queued)
	if f := m.get("0").Failure; f.Code != InsufficientFunds || f.Next != 0 || f.Remedy().Who != "admins" {
		t.Errorf("%+v", f)
	}
	_, r := m.b.Queue(m.l, m.c, idOf("0"))
	m.refused(r, "InsufficientFunds")
	m.fund(490) // 510: the oldest takes 500
	m.tick()
	m.is("0", Timelocked)
	m.is("2", Queued)
	m.is("3", Queued)
	m.fund(20) // 30: nobody
	m.tick()
	m.is("3", Queued)
	m.did(m.b.Veto(m.l, m.c, "cat", idOf("0"), "too much")) // 530 are free again
	m.tick()
	m.is("2", Timelocked)
	m.is("3", Timelocked)
	m.sound()
}

func TestCaps(t *testing.T) {
	m := found(t, 10_000, func(p *Params) { p.EpochCap, p.DestinationCap = units(500), units(300) })
	other := pay(200)
	other.Destination = Payer("grid")
	m.decide("a", pay(300))
	m.decide("b", pay(100)) // beyond the destination's cap
	m.decide("c", other)
	other.Amount = units(1)
	m.decide("d", other) // beyond the epoch's cap
	m.pass(10)
	m.is("a", Executed)
	m.is("c", Executed)
	for name, detail := range map[string]string{"b": DetailEpochCap, "d": DetailEpochCap} {
		m.is(name, Timelocked)
		if f := m.get(name).Failure; f.Detail == "" || f.Next != 20 {
			t.Errorf("%s: %+v, want %s", name, f, detail)
		}
	}
	if f := m.get("b").Failure; f.Detail != DetailDestination || f.Subject != "provider/sun" {
		t.Errorf("%+v", f)
	}
	m.pass(9)
	m.is("b", Timelocked)
	m.pass(1)
	m.is("b", Executed)
	m.is("d", Executed)
	// A cap that is lowered below an amount keeps it until it is raised.
	m.decide("e", pay(300))
	p := m.b.Params()
	p.EpochCap = units(299)
	m.refused(m.b.SetParams(p), "accepted")
	m.pass(10)
	if f := m.get("e").Failure; f.Detail != DetailAboveCap || f.Remedy().Who != "admins" {
		t.Errorf("%+v", f)
	}
	p.EpochCap = units(300)
	m.refused(m.b.SetParams(p), "accepted")
	m.pass(2)
	m.is("e", Executed)
	m.sound()
}

func TestFourEyes(t *testing.T) {
	m := found(t, 10_000, func(p *Params) { p.FourEyesAbove = units(100) })
	m.decide("small", pay(100))
	m.decide("large", pay(101))
	_, r := m.b.Execute(m.l, m.c, "ben", idOf("small"))
	m.refused(r, "InvalidTransition timelocked timelock")
	_, r = m.b.Execute(m.l, m.c, "ann", idOf("large"))
	m.refused(r, "Unauthorized proposer")
	m.did(m.b.Execute(m.l, m.c, "ben", idOf("large"))) // ahead of time: it only confirms
	_, r = m.b.Execute(m.l, m.c, "ben", idOf("large"))
	m.refused(r, "Unauthorized confirmed")
	m.pass(10)
	m.is("small", Executed)
	m.is("large", Timelocked)
	if f := m.get("large").Failure; f.Detail != DetailFourEyes || f.Remedy().Retries || m.b.Waits(m.get("large")).For != WaitConfirmation {
		t.Errorf("%+v", f)
	}
	m.did(m.b.Execute(m.l, m.c, "cat", idOf("large")))
	m.is("large", Executed)
	m.sound()
}

func TestStallFlag(t *testing.T) {
	m := found(t, 100_000, func(p *Params) { p.GraceEpochs = 50 })
	bad := pay(1)
	bad.Destination = Provider("nobody")
	at := func(n int) {
		t.Helper()
		for i := range n {
			m.decide(fmt.Sprint(m.c.Height, " ", i), bad)
		}
		m.pass(10) // matured, noticed at this epoch's beginning
	}
	at(51)
	m.pass(19)
	if h := m.b.Health(); h.Warning || h.Stalled {
		t.Errorf("%+v", h)
	}
	m.pass(1)
	if h := m.b.Health(); !h.Warning || h.Stalled || h.Overdue != 51 {
		t.Errorf("%+v", h)
	}
	at(50)
	m.pass(29)
	if h := m.b.Health(); h.Stalled || h.Overdue != 101 {
		t.Errorf("%+v", h)
	}
	m.pass(1)
	if h := m.b.Health(); !h.Stalled || h.LastError.Code != InvalidTarget {
		t.Errorf("%+v", h)
	}
	m.l.Open(Provider("nobody"), Asset)
	m.pass(200)
	if h := m.b.Health(); h.Stalled || h.Warning || h.Overdue != 0 || h.LastSuccess.Height == 0 {
		t.Errorf("%+v", h)
	}
	m.sound()
}

func TestPause(t *testing.T) {
	m := found(t, 10_000)
	m.decide("executed", pay(10))
	m.pass(10)
	m.decide("timelocked", pay(10))
	m.propose("voting", pay(10))
	m.open("voting")
	m.pass(5)
	m.refused(m.b.Pause("markets"), "MalformedPayload unsupported")
	m.refused(m.b.Unpause(ScopeTreasury), "InvalidTransition running")
	m.refused(m.b.Pause(ScopeTreasury), "accepted")
	m.refused(m.b.Pause(ScopeTreasury), "InvalidTransition paused")
	m.pass(100)
	if m.b.Height() != 15 || m.b.DueNow() {
		t.Fatalf("treasury height %d", m.b.Height())
	}
	m.is("executed", Executed)
	m.is("timelocked", Timelocked)
	m.is("voting", Voting)
	m.propose("draft", pay(10))
	_, r := m.b.Open(m.c, "ann", idOf("draft"))
	m.refused(r, "Paused")
	_, r = m.b.Execute(m.l, m.c, "ben", idOf("timelocked"))
	m.refused(r, "Paused")
	m.vote("voting", "ann", true)
	m.vote("voting", "ben", true) // decided, and counted once it goes on
	m.is("voting", Voting)
	m.sound()
	m.did(m.b.Rollback(m.l, m.c, "ann,ben", idOf("executed"), "fraud"))
	m.is("executed", RolledBack)
	m.refused(m.b.Unpause(ScopeTreasury), "accepted")
	m.pass(4)
	m.is("timelocked", Timelocked)
	m.is("voting", Timelocked)
	m.pass(1)
	m.is("timelocked", Executed)
	m.sound()
}

func TestVetoBeforeExecution(t *testing.T) {
	m := found(t, 10_000)
	m.propose("draft", pay(10))
	m.propose("voting", pay(10))
	m.open("voting")
	m.vote("voting", "ann", true)
	m.decide("queued", pay(10, "draft"))
	m.decide("timelocked", pay(10))
	for _, name := range []string{"voting", "queued", "timelocked", "draft"} {
		m.did(m.b.Veto(m.l, m.c, "cat", idOf(name), "no"))
		m.is(name, Cancelled)
	}
	m.holds(map[AccountID]uint64{Treasury: 10_000, TreasuryReserved: 0})
	m.decide("executed", pay(10))
	m.pass(10)
	_, r := m.b.Veto(m.l, m.c, "cat", idOf("executed"), "no")
	m.refused(r, "InvalidTransition executed")
	m.sound()
}

// Once two people confirmed, the executor takes over, whatever else stands in the way:
// it was asleep until the end of grace.
func TestFourEyesThenCap(t *testing.T) {
	m := found(t, 10_000, func(p *Params) { p.FourEyesAbove, p.EpochCap = units(100), units(150) })
	m.decide("large", pay(101))
	m.decide("small", pay(60))
	m.pass(10)
	m.is("small", Executed)
	m.did(m.b.Execute(m.l, m.c, "ben", idOf("large")))
	m.did(m.b.Execute(m.l, m.c, "cat", idOf("large"))) // 161 are more than an epoch may pay
	m.is("large", Timelocked)
	if f := m.get("large").Failure; f.Detail != DetailEpochCap || f.Next != 20 || m.b.Waits(m.get("large")).For != WaitRetry {
		t.Errorf("%+v", f)
	}
	m.pass(9)
	m.is("large", Timelocked)
	m.pass(1)
	m.is("large", Executed)
	m.sound()
}

// Votes that are forgotten count as work, so that many large houses cannot make one
// Apply long.
func TestForgottenVotesAreWork(t *testing.T) {
	m := found(t, 1_000)
	var members []Member
	for i := range MaxMembers {
		members = append(members, Member{fmt.Sprintf("p%03d", i), 1})
	}
	m.refused(m.b.SetHouse(House{"operators", members}), "accepted")
	for _, name := range []string{"a", "b"} {
		m.propose(name, pay(1))
		m.open(name)
		for i := range 128 { // not certain yet
			d := m.get(name)
			m.did(m.b.Vote(m.c, members[i].Principal, d.ID, d.Content, true))
		}
	}
	m.c.Height += 10
	m.b.Advance(10)
	fx, used := m.b.Tick(m.l, m.c, 5)
	m.did(fx, nil)
	m.is("a", Rejected)
	m.is("b", Voting)
	if used != 5 {
		t.Errorf("%d items for one with 128 votes", used)
	}
}
