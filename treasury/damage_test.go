package treasury

import (
	"strings"
	"testing"
)

// busy is a committee with disbursements in every live status, votes, an errand, caps
// used, withdrawals and references.
func busy(t *testing.T) *committee {
	m := found(t, 1_000)
	m.decide("finalized", pay(10))
	m.pass(20)
	m.decide("executed", pay(20))
	m.decide("rolled", pay(21))
	m.pass(10)
	m.decide("timelocked", pay(30))
	m.decide("queued", pay(40, "timelocked"))
	m.decide("poor", pay(5_000))
	m.propose("voting", pay(50, "rolled"))
	m.open("voting")
	m.did(m.b.Vote(m.c, "ann", idOf("voting"), m.get("voting").Content, true))
	m.did(m.b.Rollback(m.l, m.c, "ann,ben", idOf("rolled"), "fraud")) // its errand waits
	m.propose("draft", pay(60))
	m.earn(100)
	m.did(m.b.Withdraw(m.l, m.c, "sun", idOf("sent"), Provider("sun"), units(5), "IBAN"))
	m.did(m.b.Payout(m.c, "ann,ben", idOf("sent"), "wire 1"))
	m.did(m.b.Withdraw(m.l, m.c, "sun", idOf("asked"), Provider("sun"), units(6), "IBAN"))
	return m
}

// What no history leads to is found, each by its own question.
func TestConsistentFindsDamage(t *testing.T) {
	change := func(name string, f func(d *Disbursement)) func(m *committee) {
		return func(m *committee) {
			d := *m.get(name)
			f(&d)
			m.b.put(&d)
		}
	}
	for name, test := range map[string]struct {
		damage func(m *committee)
		want   string
	}{
		"nothing":             {func(*committee) {}, ""},
		"another body":        {change("queued", func(d *Disbursement) { d.Body.Memo = "to me" }), "another content"},
		"live and ended":      {change("queued", func(d *Disbursement) { d.Ending = EndVeto }), "ended by"},
		"ended without why":   {change("finalized", func(d *Disbursement) { d.Ending = "" }), "ended by"},
		"timelocked too soon": {change("queued", func(d *Disbursement) { d.Status, d.Due = Timelocked, 99 }), "before its dependencies"},
		"timelocked without money": {
			change("timelocked", func(d *Disbursement) { d.Reserved = false }), "reserved false",
		},
		"a reservation too many": {change("poor", func(d *Disbursement) { d.Reserved = true }), "reservations come to"},
		"a vote that nobody cast": {change("voting", func(d *Disbursement) {
			d.Tallies = []Tally{{"operators", 600_000, 3, 2, 0}}
		}), "counts"},
		"a house that is larger": {change("voting", func(d *Disbursement) {
			d.Tallies = []Tally{{"operators", 600_000, 2, 1, 0}}
		}), "counts on weight"},
		"a ballot twice":          {func(m *committee) { m.b.votes.Set(voteKey(idOf("voting"), "ben"), false) }, "counts"},
		"a ballot of nobody's":    {func(m *committee) { m.b.votes.Set(voteKey(idOf("draft"), "ben"), false) }, "not voted on"},
		"a ballot about nothing":  {func(m *committee) { m.b.votes.Set("x", false) }, "about nothing"},
		"a vote without its roll": {func(m *committee) { m.b.rolls.Delete(2); m.b.rolls.Set(3, &roll{3, []House{operators}}) }, "has no roll"},
		"no roll":                 {func(m *committee) { m.b.rolls.Delete(2) }, "no roll of houses"},
		"rules for no house":      {func(m *committee) { m.b.rolls.Set(3, &roll{number: 3}) }, "NotFound"},
		"rules without a bracket": {func(m *committee) { m.b.params.Brackets = nil }, "MalformedPayload"},
		"a row missing":           {func(m *committee) { m.b.rows.Delete(1) }, "7 disbursements of 8"},
		"an errand for nobody":    {func(m *committee) { m.b.errands.Set("\x01xxxxxxxx", errand{}) }, "about nothing"},
		"a wake for a rollback": {func(m *committee) {
			key, e, _ := m.b.errands.PopMin()
			m.b.errands.Set("\x02"+key[1:], e)
		}, "which is rolled_back"},
		"a cap used by nobody":     {func(m *committee) { m.b.spent.total = m.b.spent.total.Add64(1) }, "spent"},
		"a reference of no payout": {func(m *committee) { m.b.references.Set("wire 2", idOf("asked")) }, "of no payout"},
		"a reference missing":      {func(m *committee) { m.b.references.Delete("wire 1") }, "reference of another"},
		"a withdrawal missing":     {func(m *committee) { id := idOf("sent"); m.b.withdrawals.Delete(string(id[:])) }, "of no payout"},
		"a withdrawal too many": {func(m *committee) {
			m.b.putWithdrawal(&Withdrawal{ID: idOf("w"), Sequence: 2, Account: Provider("sun"), Amount: units(1), State: Requested})
		}, "withdrawals of 2"},
		"leaving by nobody": {func(m *committee) {
			m.l.Post([]Leg{{Provider("sun"), Leaving, units(1)}})
		}, "withdrawals come to"},
		"an account of another asset": {func(m *committee) {
			m.l.accounts.Delete(Provider("sun"))
		}, "does not exist"},
		"money from nowhere": {func(m *committee) { m.b.facts.accrued = m.b.facts.accrued.Add64(1) }, "movements come to"},
		"paid and got back": {func(m *committee) {
			m.b.facts.executed, m.b.facts.compensated = m.b.facts.executed.Add64(500), m.b.facts.compensated.Add64(500)
		}, "than the"},
		"money unknown": {func(m *committee) { m.b.facts.accrued = m.b.facts.accrued.Sub64(1) }, "movements come to"},
	} {
		t.Run(name, func(t *testing.T) {
			m := busy(t)
			test.damage(m)
			got := ""
			if err := m.b.Consistent(m.l); err != nil {
				got = err.Error()
			}
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
