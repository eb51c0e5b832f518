package fsm

import (
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/treasury"
)

// A settlement that its payer could pay waits behind an older one that it cannot.
func TestSmallSettlementWaitsBehindALargeOne(t *testing.T) {
	r := world(t)
	r.must(
		r.threshold(&Deposit{Account: "payer/village", Asset: "BLOCK", Amount: amount(50), Reference: "bank 2"}),
		r.sign("windy", r.reading("m-2", 0, r.now-3*hour)), r.sign("windy", r.reading("m-2", 9_000, r.now-2*hour)),
		r.sign("windy", r.reading("m-2", 9_400, r.now-hour)),
	)
	r.must(r.sign("oracle-a", r.attestation(1, 3)), r.sign("oracle-b", r.attestation(1, 3)))
	if payer, held := r.balance("payer/village"), r.balance("provider/windy/held"); payer != 50 || held != 0 {
		t.Errorf("payer/village has %d, provider/windy/held %d: 10 were paid before 225", payer, held)
	}
	r.must(r.threshold(&Deposit{Account: "payer/village", Asset: "BLOCK", Amount: amount(185), Reference: "bank 3"}))
	if payer, owes := r.balance("payer/village"), r.m.state.hasReceivables("village"); payer != 0 || owes {
		t.Errorf("payer/village has %d, owes %v", payer, owes)
	}
}

// The release of a rehearsal moves nothing.
func TestRehearsalReleaseMovesNothing(t *testing.T) {
	r := world(t, func(g *genesis.Genesis) { g.Markets[0].Stage = "rehearsal" })
	r.must(r.sign("sunny", r.reading("m-1", 0, r.now-2*hour)), r.sign("sunny", r.reading("m-1", 9_000, r.now-hour)))
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
	r.pass(int(r.genesis.Markets[0].DisputeWindowBlocks))
	body, is := r.last.Receipts[0].Body.(*ReleaseReceipt)
	if !is || !body.Rehearsal || body.Net != amount(223) {
		t.Fatalf("%+v", r.last.Receipts[0].Body)
	}
	if city, sunny := r.balance("payer/city"), r.balance("provider/sunny"); city != 1_000_000 || sunny != 0 {
		t.Errorf("city has %d, sunny %d", city, sunny)
	}
}

// The treasury's items and all others together are no more than one Apply takes.
func TestBothQueuesShareTheBudget(t *testing.T) {
	const drafts, readings = 300, 500
	r := world(t, func(g *genesis.Genesis) {
		g.Markets[0].MaxPendingPerMeter = readings
		rules := g.TreasuryRules()
		rules.GraceEpochs = 1
		g.Treasury = &rules
		g.Markets[0].ExpiryBlocks = g.EpochBlocks
	})
	var commands []*Command
	for i := range readings {
		commands = append(commands, r.sign("sunny", r.reading("m-1", uint64(i), r.now-int64(readings-i)*1_000)))
	}
	r.must(commands...)
	commands = nil
	for range drafts {
		commands = append(commands, r.sign("alice", &Propose{DisbursementBody: payment(1)}))
	}
	r.must(commands...)
	r.now += int64(r.genesis.EpochBlocks) * int64(r.genesis.BlockMs)
	seen := 0
	for i, want := range []int{MaxDueItems, drafts + readings - MaxDueItems} {
		result := r.apply(&Entry{Statements: r.statements()})
		if seen += len(result.Receipts); len(result.Receipts) != want || result.DueLeft != (i == 0) {
			t.Errorf("step %d: %d items, want %d; more due: %v", i, len(result.Receipts), want, result.DueLeft)
		}
	}
	if seen != drafts+readings {
		t.Errorf("%d items", seen)
	}
}

// What no history leads to is found in a state whose rows are each in order.
func TestConsistentFindsMoneyInTheWrongPlace(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(s *state)
		want   string
	}{
		"nothing": {func(*state) {}, ""},
		"held by one": {func(s *state) {
			s.ledger.Post([]treasury.Leg{{From: "payer/city", To: "provider/sunny/held", Amount: amount(1)}})
		}, "wait to be released"},
		"held by another": {func(s *state) {
			s.ledger.Post([]treasury.Leg{{From: "provider/sunny/held", To: "provider/windy/held", Amount: amount(1)}})
		}, "wait to be released"},
		"a debt of no settlement":  {func(s *state) { s.receivables.Set("city\x00"+ordered(9, ""), receivable{"energy", 9}) }, "of no settlement"},
		"a debt that is paid":      {func(s *state) { s.receivables.Set("city\x00"+ordered(9, ""), receivable{"energy", 1}) }, "waits for money"},
		"released at another time": {func(s *state) { s.schedule(99, dueItem{kind: dueRelease, id: "energy", number: 1}) }, "not to be released"},
		"a release of nothing":     {func(s *state) { s.schedule(99, dueItem{kind: dueRelease, id: "energy", number: 9}) }, "not to be released"},
		"an expiry of nothing":     {func(s *state) { s.scheduleExpiry(99, "energy", 1) }, "not open"},
		"an expiry missing":        {func(s *state) { s.due.Delete(expiryKey(8, "energy", 3)) }, "never expires"},
	} {
		t.Run(name, func(t *testing.T) {
			r := world(t)
			r.must(r.sign("sunny", r.reading("m-1", 0, r.now-3*hour)), r.sign("sunny", r.reading("m-1", 9_000, r.now-2*hour)))
			r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
			r.must(r.sign("sunny", r.reading("m-1", 18_000, r.now-hour)))
			test.damage(r.m.state)
			got := ""
			if err := r.m.state.consistent(); err != nil {
				got = err.Error()
			}
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
