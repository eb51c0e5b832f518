package treasury

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestLifecycle(t *testing.T) {
	m := found(t, 1_000)
	m.propose("a", pay(300))
	m.is("a", Draft)
	m.open("a")
	m.is("a", Voting)
	m.vote("a", "ann", true)
	m.is("a", Voting)
	m.vote("a", "ben", true) // two of three: cat cannot change it
	m.is("a", Timelocked)
	m.holds(map[AccountID]uint64{Treasury: 700, TreasuryReserved: 300})
	m.pass(9)
	m.is("a", Timelocked)
	m.pass(1)
	m.is("a", Executed)
	before := bookRows(m.b)
	m.did(m.b.Execute(m.l, m.c, "ben", idOf("a"))) // again: accepted, and paid once
	if bookRows(m.b) != before {
		t.Error("a second execution changed the book")
	}
	m.holds(map[AccountID]uint64{Treasury: 700, TreasuryReserved: 0, ProviderHeld("sun"): 300, Provider("sun"): 0})
	m.pass(9)
	m.is("a", Executed)
	m.pass(1)
	m.is("a", Finalized)
	m.holds(map[AccountID]uint64{ProviderHeld("sun"): 0, Provider("sun"): 300})
	want := []string{
		"propose draft", "open voting", "vote voting", "vote voting", "count queued", "reserve queued", "timelock timelocked",
		"execute executed", "finalize finalized",
	}
	if got := m.story("a"); !slices.Equal(got, want) {
		t.Errorf("story %v", got)
	}
	d := m.get("a")
	if d.Steps != 9 || d.Ending != EndWindow || d.Ended.Height != 20 || d.Executed.Height != 10 {
		t.Errorf("%+v", d)
	}
	bal := m.b.Balance()
	if bal.Accrued != units(1_000) || bal.Executed != units(300) || bal.Current != units(700) || bal.Free != units(700) || bal.Held != units(0) {
		t.Errorf("%+v", bal)
	}
	m.sound()
}

func TestRollback(t *testing.T) {
	m := found(t, 1_000)
	m.decide("a", pay(300))
	m.decide("b", pay(100, "a"))
	m.decide("c", pay(50, "b"))
	m.pass(10)
	m.is("a", Executed)
	m.is("b", Queued)
	m.did(m.b.Rollback(m.l, m.c, "ann,ben", idOf("a"), "wrong payee"))
	m.is("a", RolledBack)
	m.tick()
	for _, name := range []string{"b", "c"} {
		m.is(name, Cancelled)
		if f := m.get(name).Failure; f.Code != StaleDependency || f.Attempts != 1 || f.Remedy().Who != "proposer" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	m.holds(map[AccountID]uint64{Treasury: 1_000, TreasuryReserved: 0, ProviderHeld("sun"): 0})
	before := bookRows(m.b)
	_, r := m.b.Rollback(m.l, m.c, "ann,ben", idOf("a"), "again")
	m.refused(r, "InvalidTransition rolled_back")
	if bookRows(m.b) != before {
		t.Error("a refused rollback changed the book")
	}
	if bal := m.b.Balance(); bal.Executed != units(300) || bal.Compensated != units(300) || bal.Current != units(1_000) {
		t.Errorf("%+v", bal)
	}
	m.sound()
}

func TestRollbackWindowEnds(t *testing.T) {
	m := found(t, 1_000)
	m.decide("a", pay(300))
	m.pass(10)
	m.c.Height += 10
	m.b.Advance(10) // the window is over, and the executor was not there yet
	_, r := m.b.Rollback(m.l, m.c, "ann,ben", idOf("a"), "late")
	m.refused(r, "InvalidTransition executed window_over")
	m.tick()
	m.is("a", Finalized)
	_, r = m.b.Rollback(m.l, m.c, "ann,ben", idOf("a"), "late")
	m.refused(r, "InvalidTransition finalized")
}

// Finalized is for ever: no step is accepted, by anybody.
func TestEndedIsImmutable(t *testing.T) {
	m := found(t, 1_000)
	m.decide("a", pay(300))
	m.pass(20)
	m.is("a", Finalized)
	id, content := idOf("a"), m.get("a").Content
	before := bookRows(m.b)
	for name, try := range map[string]func() ([]Effect, *Refusal){
		"amend":    func() ([]Effect, *Refusal) { return m.b.Amend(m.c, "ann", id, pay(1)) },
		"open":     func() ([]Effect, *Refusal) { return m.b.Open(m.c, "ann", id) },
		"cancel":   func() ([]Effect, *Refusal) { return m.b.Cancel(m.c, "ann", id) },
		"vote":     func() ([]Effect, *Refusal) { return m.b.Vote(m.c, "cat", id, content, true) },
		"queue":    func() ([]Effect, *Refusal) { return m.b.Queue(m.l, m.c, id) },
		"execute":  func() ([]Effect, *Refusal) { return m.b.Execute(m.l, m.c, "ben", id) },
		"veto":     func() ([]Effect, *Refusal) { return m.b.Veto(m.l, m.c, "ben", id, "no") },
		"rollback": func() ([]Effect, *Refusal) { return m.b.Rollback(m.l, m.c, "ben", id, "no") },
		"propose":  func() ([]Effect, *Refusal) { return m.b.Propose(m.c, "ann", id, pay(1)) },
	} {
		if _, r := try(); r == nil || r.Code != InvalidTransition {
			t.Errorf("%s: %v", name, r)
		}
	}
	if bookRows(m.b) != before {
		t.Error("a refused step changed the book")
	}
}

func TestVotes(t *testing.T) {
	m := found(t, 1_000)
	m.propose("a", pay(1))
	_, r := m.b.Vote(m.c, "ann", idOf("a"), m.get("a").Content, true)
	m.refused(r, "InvalidTransition draft")
	_, r = m.b.Open(m.c, "ben", idOf("a"))
	m.refused(r, "Unauthorized not_the_proposer")
	m.open("a")
	_, r = m.b.Vote(m.c, "ann", idOf("a"), [32]byte{1}, true)
	m.refused(r, "InvalidTransition other_content")
	_, r = m.b.Vote(m.c, "dan", idOf("a"), m.get("a").Content, true)
	m.refused(r, "Unauthorized not_in_a_house")
	m.vote("a", "ann", true)
	for _, approve := range []bool{true, false} { // neither again nor otherwise
		_, r = m.b.Vote(m.c, "ann", idOf("a"), m.get("a").Content, approve)
		m.refused(r, "InvalidTransition voted")
	}
	// Weights are those of the opening, whatever becomes of the house.
	m.refused(m.b.SetHouse(House{"operators", []Member{{"dan", 9}}}), "accepted")
	_, r = m.b.Vote(m.c, "dan", idOf("a"), m.get("a").Content, true)
	m.refused(r, "Unauthorized not_in_a_house")
	m.sound()
	m.vote("a", "cat", false)
	m.is("a", Voting) // ben decides
	if got := m.b.Missing(m.get("a")); !slices.Equal(got, []string{"ben"}) {
		t.Errorf("%v have not voted", got)
	}
	m.pass(9)
	m.is("a", Voting)
	m.c.Height++
	m.b.Advance(1)
	_, r = m.b.Vote(m.c, "ben", idOf("a"), m.get("a").Content, true)
	m.refused(r, "InvalidTransition voting vote_over")
	m.tick()
	m.is("a", Rejected)
	if m.b.rolls.Len() != 1 || len(m.b.Ballots(idOf("a"))) != 0 {
		t.Error("an old roll, or a vote, is kept for nobody")
	}
	// Rejected as soon as nobody can change it.
	m.refused(m.b.SetHouse(operators), "accepted")
	m.propose("b", pay(1))
	m.open("b")
	m.vote("b", "ann", false)
	m.vote("b", "ben", false)
	m.is("b", Rejected)
	m.sound()
}

func TestHouses(t *testing.T) {
	m := found(t, 1_000)
	m.refused(m.b.SetHouse(House{Name: "builders"}), "NotFound house")
	m.refused(m.b.SetHouse(House{Name: "operators"}), "InvalidTransition in_brackets")
	m.refused(m.b.SetHouse(House{"builders", []Member{{"zoe", 1}, {"yan", 2}}}), "MalformedPayload not_ascending")
	m.refused(m.b.SetHouse(House{"builders", []Member{{"yan", 1}, {"zoe", 1}}}), "accepted")
	m.refused(m.b.SetHouse(House{"Builders", nil}), "MalformedPayload malformed_id")
	m.refused(m.b.SetHouse(House{"x", []Member{{"zoe", 0}}}), "MalformedPayload out_of_range")
	body := pay(1)
	body.Quorum = []Floor{{"builders", 1_000_000}}
	m.propose("a", body)
	m.open("a")
	if got := fmt.Sprint(m.get("a").Effective.Quorum); got != "[{builders 1000000} {operators 600000}]" {
		t.Error(got)
	}
	m.vote("a", "ann", true)
	m.vote("a", "ben", true)
	m.vote("a", "yan", true)
	m.is("a", Voting)
	m.vote("a", "zoe", true)
	m.is("a", Timelocked)
	body.Quorum = []Floor{{"nobody", 600_000}}
	m.propose("b", body)
	_, r := m.b.Open(m.c, "ann", idOf("b"))
	m.refused(r, "NotFound house")
	m.sound()
}

func TestBodies(t *testing.T) {
	m := found(t, 1_000, func(p *Params) {
		p.EpochCap, p.DestinationCap = units(900), units(800)
		p.Brackets = []Bracket{demo.Brackets[0], {From: units(500), Terms: Terms{
			Quorum: []Floor{{"operators", 900_000}}, VoteEpochs: 3, TimelockEpochs: 2, RollbackEpochs: 2,
		}}}
	})
	long := func(n int) string { return strings.Repeat("x", n) }
	for i, test := range []struct {
		change func(*Body)
		want   string
	}{
		{func(*Body) {}, "accepted"},
		{func(b *Body) { b.Title = "" }, "MalformedPayload out_of_range"},
		{func(b *Body) { b.Title = long(201) }, "MalformedPayload out_of_range"},
		{func(b *Body) { b.Memo = long(8_192) }, "accepted"},
		{func(b *Body) { b.Memo = long(8_193) }, "MalformedPayload out_of_range"},
		{func(b *Body) { b.Memo = "\xff" }, "MalformedPayload out_of_range"},
		{func(b *Body) { b.Summary = long(2_001) }, "MalformedPayload out_of_range"},
		{func(b *Body) { b.Destination = Treasury }, "InvalidTarget malformed_account"},
		{func(b *Body) { b.Destination = External(Asset) }, "InvalidTarget malformed_account"},
		{func(b *Body) { b.Destination = ProviderHeld("sun") }, "InvalidTarget malformed_account"},
		{func(b *Body) { b.Destination = "provider/" }, "InvalidTarget malformed_account"},
		{func(b *Body) { b.Destination = Provider("nobody-yet") }, "accepted"},
		{func(b *Body) { b.Destination = "payee/acme" }, "MalformedPayload payee_account"},
		{func(b *Body) { b.Destination, b.Payee = "payee/acme", "IBAN 1" }, "accepted"},
		{func(b *Body) { b.Payee = "IBAN 1" }, "MalformedPayload payee_account"},
		{func(b *Body) { b.Amount = units(0) }, "InvalidTarget amount_out_of_range"},
		{func(b *Body) { b.Amount = maxMoney.Add64(1) }, "InvalidTarget amount_out_of_range"},
		{func(b *Body) { b.Amount = units(901) }, "LimitExceeded epoch_cap"},
		{func(b *Body) { b.Amount = units(801) }, "LimitExceeded destination_cap"},
		{func(b *Body) { b.Deps = make([]ID, 2) }, "MalformedPayload twice"},
		{func(b *Body) { b.Deps = make([]ID, MaxDeps+1) }, "LimitExceeded deps"},
		{func(b *Body) { b.ScheduledEpoch = maxAhead }, "accepted"},
		{func(b *Body) { b.ScheduledEpoch = maxAhead + 1 }, "LimitExceeded scheduled_epoch"},
		{func(b *Body) { b.Expected = []Expected{{"invoice 1", units(60)}, {"invoice 2", units(40)}} }, "accepted"},
		{func(b *Body) { b.Expected = []Expected{{"invoice 1", units(60)}} }, "MalformedPayload other_sum"},
		{func(b *Body) { b.Expected = []Expected{{"", units(100)}} }, "MalformedPayload out_of_range"},
		{func(b *Body) { b.Expected = make([]Expected, MaxExpected+1) }, "LimitExceeded expected_receipts"},
		{func(b *Body) { b.VoteEpochs = MaxWindowEpochs + 1 }, "MalformedPayload out_of_range"},
		{func(b *Body) { b.Quorum = []Floor{{"operators", 500_000}} }, "MalformedPayload out_of_range"},
		{func(b *Body) { b.Quorum = []Floor{{"operators", 599_999}} }, "LimitExceeded quorum_ppm"},
		{func(b *Body) { b.Quorum = []Floor{{"operators", 600_000}, {"operators", 600_000}} }, "MalformedPayload not_ascending"},
		{func(b *Body) { b.Amount, b.VoteEpochs = units(500), 2 }, "LimitExceeded vote_window_epochs"},
		{func(b *Body) { b.Amount, b.TimelockEpochs = units(500), 1 }, "LimitExceeded timelock_epochs"},
		{func(b *Body) { b.Amount, b.RollbackEpochs = units(500), 1 }, "LimitExceeded rollback_window_epochs"},
		{func(b *Body) { b.Amount, b.VoteEpochs = units(499), 2 }, "accepted"},
	} {
		body := pay(100)
		test.change(&body)
		before := bookRows(m.b)
		_, r := m.b.Propose(m.c, "ann", idOf(fmt.Sprint(i)), body)
		m.refused(r, test.want)
		if (bookRows(m.b) == before) != (r != nil) {
			t.Errorf("%d: a refusal changed the book, or a proposal did not", i)
		}
	}
	m.sound()
}

// A bracket that was raised meanwhile counts for what is opened now.
func TestBracketsAtOpening(t *testing.T) {
	m := found(t, 1_000)
	m.propose("a", pay(100))
	m.decide("before", pay(100))
	p := m.b.Params()
	p.Brackets = []Bracket{{Terms: Terms{Quorum: []Floor{{"operators", 1_000_000}}, VoteEpochs: 4, TimelockEpochs: 2, RollbackEpochs: 3}}}
	m.refused(m.b.SetParams(p), "accepted")
	m.open("a")
	d := m.get("a")
	if d.Due != 40 || d.Effective.TimelockEpochs != 2 || m.get("before").Effective.TimelockEpochs != 1 {
		t.Errorf("%+v", d.Effective)
	}
	p.Brackets = []Bracket{p.Brackets[0]}
	p.Brackets[0].Quorum = []Floor{{"nobody", 600_000}}
	m.refused(m.b.SetParams(p), "NotFound house")
	p.Brackets[0].From = units(1)
	m.refused(m.b.SetParams(p), "MalformedPayload not_from_zero")
	m.sound()
}

// One proposer alone does not use up all the disbursements there are: what is proposed
// stays for ever, also if it is cancelled at once.
func TestProposalsOfAnEpoch(t *testing.T) {
	m := found(t, 0)
	propose := func(by string, i int) *Refusal {
		_, r := m.b.Propose(m.c, by, idOf(fmt.Sprint(by, i, m.c.Height)), pay(1))
		return r
	}
	for i := range MaxProposals {
		m.refused(propose("ann", i), "accepted")
		m.did(m.b.Cancel(m.c, "ann", idOf(fmt.Sprint("ann", i, m.c.Height))))
	}
	m.refused(propose("ann", -1), "LimitExceeded proposals_per_epoch")
	m.refused(propose("ben", 1), "accepted")
	m.b = restored(t, m.b)
	m.refused(propose("ann", -1), "LimitExceeded proposals_per_epoch")
	m.pass(9)
	m.refused(propose("ann", -1), "LimitExceeded proposals_per_epoch")
	m.pass(1)
	m.refused(propose("ann", -1), "accepted")
	m.sound()
}
