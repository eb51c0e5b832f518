package fsm

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/treasury"
)

// payment is a body that is accepted.
func payment(units uint64, deps ...[32]byte) DisbursementBody {
	return DisbursementBody{Title: "a payment", Destination: "provider/sunny", Amount: amount(units), Deps: deps}
}

// proposed lets alice propose a disbursement and returns its id.
func (r *rig) proposed(b DisbursementBody) [32]byte {
	r.t.Helper()
	return r.must(r.sign("alice", &Propose{DisbursementBody: b}))[0].ID
}

func (r *rig) voteOf(who string, id [32]byte) *Command {
	r.t.Helper()
	d, known := r.m.state.book.Get(id)
	if !known {
		r.t.Fatal("no such disbursement")
	}
	return r.sign(who, &Vote{Disbursement: id, Content: d.Content, Verdict: VerdictApprove})
}

// passed lets a disbursement pass its vote.
func (r *rig) passed(b DisbursementBody) [32]byte {
	r.t.Helper()
	id := r.proposed(b)
	r.must(r.sign("alice", &Open{Disbursement: id}))
	r.must(r.voteOf("alice", id), r.voteOf("bob", id))
	return id
}

func (r *rig) status(id [32]byte) string {
	d, _ := r.m.state.book.Get(id)
	return d.Status.String()
}

// busyTreasury leaves disbursements and withdrawals in every state behind.
func (r *rig) busyTreasury() {
	r.must(r.threshold(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(10_000), Reference: "treasury"}))
	r.passed(payment(10)) // finalized
	r.pass(6)
	r.passed(payment(20)) // executed, since its bracket has no timelock
	timelocked := r.passed(payment(2_000))
	r.passed(payment(30, timelocked)) // queued and reserved
	r.passed(payment(50_000))         // queued, without money
	r.proposed(payment(40))           // draft
	voting := r.proposed(payment(1, timelocked))
	r.must(r.sign("alice", &Open{Disbursement: voting}))
	r.must(r.voteOf("carol", voting))
	r.must(r.sign("bob", &Veto{Disbursement: r.proposed(payment(2)), Reason: "no"}))
	r.must(r.threshold(&Deposit{Account: "provider/sunny", Asset: "BLOCK", Amount: amount(500), Reference: "sunny's"}))
	first := r.must(r.sign("sunny", &Withdraw{Amount: amount(100), Payee: "IBAN"}))[0].ID
	r.must(r.sign("sunny", &Withdraw{Amount: amount(200), Payee: "IBAN"}))
	r.must(r.threshold(&Payout{Withdrawal: first, Reference: "wire 1"}))
}

// find returns a disbursement of a status.
func (r *rig) find(s treasury.Status) [32]byte {
	r.t.Helper()
	page, _ := r.m.state.book.List(treasury.Filter{Statuses: []treasury.Status{s}}, 1)
	if len(page) == 0 {
		r.t.Fatalf("nothing is %s", s)
	}
	return page[0].ID
}

func (r *rig) findWithdrawal(s treasury.WithdrawalState) (id [32]byte) {
	r.m.state.book.Withdrawals(treasury.ID{}, func(w *treasury.Withdrawal) bool {
		if w.State == s {
			id = w.ID
		}
		return true
	})
	return id
}

// oneOfEachTreasury are commands of every type of the treasury that are accepted in
// a busy world.
func (r *rig) oneOfEachTreasury() []*Command {
	rules := r.genesis.TreasuryRules()
	rules.FourEyesAbove = amount(5)
	rich := payment(1<<40, r.find(treasury.Voting))
	rich.ExpectedReceipts = []ExpectedReceipt{{"invoice", amount(1 << 40)}}
	rich.Quorum, rich.VoteWindowEpochs, rich.ScheduledEpoch = []genesis.Floor{{House: "operators", Ppm: 1_000_000}}, 9, 77
	rich.Summary, rich.Memo, rich.Destination, rich.Payee = "why", "lines\nof text", "payee/acme", "IBAN"
	draft, voting, timelocked := r.find(treasury.Draft), r.find(treasury.Voting), r.find(treasury.Timelocked)
	return []*Command{
		r.sign("alice", &Propose{DisbursementBody: rich}), r.sign("alice", &Amend{Disbursement: draft, DisbursementBody: rich}),
		r.sign("alice", &Open{Disbursement: draft}), r.sign("alice", &Cancel{Disbursement: draft}), r.voteOf("alice", voting),
		r.sign("carol", &Veto{Disbursement: timelocked, Reason: "doubt"}), r.sign("carol", &Pause{Scope: "all", Reason: "audit"}),
		r.sign("sunny", &Withdraw{Amount: amount(7), Payee: "IBAN"}),
		r.sign("sunny", &CancelWithdrawal{Withdrawal: r.findWithdrawal(treasury.Requested)}),
		r.threshold(&Rollback{Disbursement: r.find(treasury.Executed), Reason: "mistake"}),
		r.threshold(&SetHouse{House: genesis.House{House: "builders", Members: []genesis.Member{{Principal: "oracle-a", Weight: 3}}}}),
		r.threshold(&SetTreasury{Treasury: rules}),
		r.threshold(&Payout{Withdrawal: r.findWithdrawal(treasury.Requested), Reference: "wire 2"}),
		r.threshold(&RecordPayout{Withdrawal: r.findWithdrawal(treasury.Sent), Reference: "wire 1", Result: "paid"}),
	}
}

// tryNow are commands that are refused in a busy world, since there is nothing to try.
func (r *rig) tryNow() []*Command {
	return []*Command{
		r.sign("alice", &Queue{Disbursement: r.find(treasury.Queued)}), r.sign("bob", &Execute{Disbursement: r.find(treasury.Timelocked)}),
		r.threshold(&Unpause{Scope: "treasury"}),
	}
}

// anyTreasury draws a command about one of the disbursements there are.
func (r *rig) anyTreasury(t *rapid.T) *Command {
	who := rapid.SampledFrom([]string{"alice", "bob", "carol", "oracle-a", "sunny"}).Draw(t, "who")
	book := r.m.state.book
	id := [32]byte{9}
	if page, _ := book.List(treasury.Filter{}, 10); len(page) > 0 {
		id = rapid.SampledFrom(page).Draw(t, "disbursement").ID
	}
	body := payment(rapid.Uint64Range(0, 1_500).Draw(t, "amount"))
	if rapid.Bool().Draw(t, "depends") {
		body.Deps = [][32]byte{id}
	}
	if rapid.IntRange(0, 3).Draw(t, "outside") == 0 {
		body.Destination, body.Payee = "payee/acme", "IBAN"
	}
	switch rapid.SampledFrom([]string{"propose", "open", "open", "vote", "vote", "vote", "amend", "cancel", "veto", "queue", "execute", "rollback", "pause", "unpause", "withdraw", "house", "payout", "paid"}).Draw(t, "treasury") {
	case "propose":
		return r.sign(who, &Propose{DisbursementBody: body})
	case "open":
		return r.sign("alice", &Open{Disbursement: id})
	case "vote":
		if _, known := book.Get(id); known {
			return r.voteOf(who, id)
		}
	case "amend":
		return r.sign("alice", &Amend{Disbursement: id, DisbursementBody: body})
	case "cancel":
		return r.sign("alice", &Cancel{Disbursement: id})
	case "veto":
		return r.sign(who, &Veto{Disbursement: id, Reason: "no"})
	case "queue":
		return r.sign(who, &Queue{Disbursement: id})
	case "execute":
		return r.sign(who, &Execute{Disbursement: id})
	case "rollback":
		return r.threshold(&Rollback{Disbursement: id, Reason: "mistake"})
	case "pause":
		return r.sign("carol", &Pause{Scope: "treasury", Reason: "audit"})
	case "unpause":
		return r.threshold(&Unpause{Scope: "treasury"})
	case "withdraw":
		return r.sign("sunny", &Withdraw{Amount: body.Amount, Payee: "IBAN"})
	case "house":
		return r.threshold(&SetHouse{House: genesis.House{House: "operators", Members: []genesis.Member{{Principal: "alice", Weight: 2}, {Principal: "bob", Weight: 1}}}})
	case "payout":
		return r.threshold(&Payout{Withdrawal: r.findWithdrawal(treasury.Requested), Reference: fmt.Sprint("wire ", r.salt)})
	case "paid":
		id := r.findWithdrawal(treasury.Sent)
		w, _ := book.Withdrawal(id)
		if w == nil {
			return nil
		}
		result := rapid.SampledFrom([]string{"paid", "failed", "unknown"}).Draw(t, "result")
		return r.threshold(&RecordPayout{Withdrawal: id, Reference: w.Reference, Result: result})
	}
	return nil
}

// Five hundred disbursements that become due at one height are executed within a
// handful of ticks, and one that fails keeps none of them waiting.
func TestFiveHundredDisbursements(t *testing.T) {
	r := world(t)
	r.must(r.threshold(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1 << 30), Reference: "treasury"}))
	bad := payment(1_000)
	bad.Destination = "provider/nobody"
	r.passed(bad)
	var ids [][32]byte
	for range 10 {
		var batch []*Command
		for range 50 {
			batch = append(batch, r.sign("alice", &Propose{DisbursementBody: payment(1_000)}))
		}
		for _, o := range r.must(batch...) {
			ids = append(ids, o.ID)
		}
	}
	for i := 0; i < len(ids); i += 50 {
		var opened, votes []*Command
		for _, id := range ids[i : i+50] {
			opened = append(opened, r.sign("alice", &Open{Disbursement: id}))
		}
		r.must(opened...)
		for _, id := range ids[i : i+50] {
			votes = append(votes, r.voteOf("alice", id), r.voteOf("bob", id))
		}
		r.must(votes...)
	}
	for r.m.View().DueNow() {
		r.tick()
	}
	r.now += int64(5 * r.genesis.BlockMs)
	ticks := 0
	for again := true; again; again = r.m.View().DueNow() {
		r.tick()
		ticks++
	}
	if ticks > 4 {
		t.Errorf("%d ticks", ticks)
	}
	for _, id := range ids {
		if got := r.status(id); got != "executed" {
			t.Fatalf("one is %s", got)
		}
	}
	if h := r.m.View().Book().Health(); h.Overdue != 1 || h.Stalled {
		t.Errorf("%+v", h)
	}
	if next, ok := r.m.View().NextDue(); !ok || next <= r.m.View().Height() {
		t.Errorf("next due %d at %d", next, r.m.View().Height())
	}
	if err := r.m.state.consistent(); err != nil {
		t.Fatal(err)
	}
}

// Book and ledger that disagree raise an alarm, which stops outflows.
func TestTreasuryThatDisagreesRaisesTheAlarm(t *testing.T) {
	r := world(t)
	r.m.state.ledger.Post([]treasury.Leg{{From: "payer/city", To: "treasury", Amount: amount(1)}})
	r.tick()
	if alarms := r.m.View().Alarms(); len(alarms) != 1 || alarms[0] != AlarmConservation {
		t.Fatalf("alarms %v", alarms)
	}
	if scopes := r.m.View().Book().PausedScopes(); len(scopes) != 1 || scopes[0] != treasury.ScopeAll {
		t.Errorf("paused %v", scopes)
	}
}

func TestGenesisTreasury(t *testing.T) {
	day := func(rules genesis.Treasury) *genesis.Treasury { return &rules }
	for name, test := range map[string]struct {
		change func(g *genesis.Genesis)
		want   string
	}{
		"its own": {func(g *genesis.Genesis) {
			g.Treasury = day(genesis.Treasury{GraceEpochs: 2, Brackets: []genesis.Bracket{{Quorum: []genesis.Floor{{House: "two", Ppm: 1_000_000}}, VoteWindowEpochs: 1, RollbackWindowEpochs: 1}}})
			g.Houses = []genesis.House{{House: "two", Members: []genesis.Member{{Principal: "oracle-a", Weight: 1}}}}
		}, ""},
		"short in production": {func(g *genesis.Genesis) {
			g.Profile, g.EpochBlocks = genesis.ProfileProduction, 3_600
			g.Markets[0].DisputeWindowBlocks = 3 * 86_400
			g.Treasury = day((&genesis.Genesis{Profile: genesis.ProfileDemo}).TreasuryRules())
		}, "under 24 h"},
		"no such house": {func(g *genesis.Genesis) {
			g.Houses = []genesis.House{{House: "two", Members: []genesis.Member{{Principal: "alice", Weight: 1}}}}
		}, "NotFound"},
		"no voter": {func(g *genesis.Genesis) {
			g.Houses = []genesis.House{{House: "operators", Members: []genesis.Member{{Principal: "sunny", Weight: 1}}}}
		}, "neither an admin nor an oracle"},
	} {
		g := newRig(t).genesis.Genesis
		test.change(&g)
		signed, err := genesis.Assemble(new(noise), g)
		if err == nil {
			_, err = New(signed)
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	g := newRig(t).genesis.Genesis
	g.Profile, g.EpochBlocks = genesis.ProfileProduction, 3_600
	if b := g.TreasuryRules().Brackets[0]; b.VoteWindowEpochs != 72 || b.TimelockEpochs != 48 || b.RollbackWindowEpochs != 24 {
		t.Errorf("%+v", b)
	}
}

// Money that the treasury pays a payer who owes settlements pays them as a deposit would:
// oldest first, and at once.
func TestDisbursementToPayerPaysReceivables(t *testing.T) {
	r := world(t)
	r.must(
		r.sign("windy", r.reading("m-2", 0, r.now-2*3_600_000)), r.sign("windy", r.reading("m-2", 4_000, r.now-3_600_000)),
		r.threshold(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1_000), Reference: "treasury"}),
	)
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
	if !r.m.state.hasReceivables("village") {
		t.Fatal("village owes nothing")
	}
	grant := payment(500)
	grant.Destination = "payer/village"
	id := r.passed(grant)
	for range 20 {
		r.pass(1)
		if r.status(id) == "finalized" {
			break
		}
		if !r.m.state.hasReceivables("village") {
			t.Fatal("a settlement was paid before the grant's rollback window was over")
		}
	}
	for r.m.View().DueNow() {
		r.tick()
	}
	if payer, held := r.balance("payer/village"), r.balance("provider/windy/held"); payer != 400 || held != 99 || r.m.state.hasReceivables("village") {
		t.Errorf("the grant is %s, payer/village has %d, provider/windy/held %d", r.status(id), payer, held)
	}
	if err := r.m.state.consistent(); err != nil {
		t.Fatal(err)
	}
}
