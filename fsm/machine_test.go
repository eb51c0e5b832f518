package fsm

import (
	"testing"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

func accountID(s string) treasury.AccountID { return treasury.AccountID(s) }

// The way of a reading, as the package documentation tells it.
func TestReadingIsSettledHeldAndReleased(t *testing.T) {
	r := world(t)
	r.must(r.sign("sunny", r.reading("m-1", 1_000, r.now-2*hour)))
	r.must(r.sign("oracle-a", r.attestation(1, 1)), r.sign("oracle-b", r.attestation(1, 1)))
	if k := r.last.Receipts[0]; k.Kind != KindReading || k.Body.(*ReadingReceipt).Status != "baseline" {
		t.Fatalf("first receipt %+v, want a baseline", k)
	}

	o := r.must(r.sign("sunny", r.reading("m-1", 1_500, r.now-hour)))[0]
	if o.Result[1] != number("number", 2) {
		t.Errorf("outcome %+v", o)
	}
	r.must(r.sign("oracle-a", r.attestation(2, 2)))
	if n := len(r.last.Receipts); n != 0 {
		t.Fatalf("%d receipts after the first of three votes", n)
	}
	second := r.must(r.sign("oracle-b", r.attestation(2, 2)))[0]
	set := r.last.Receipts[0].Body.(*SettlementReceipt)
	if set.Status != StatusHeld || set.Gross != amount(12) || set.Net != amount(12) || set.RemainderAfter != 500 || set.Readings.Count != 1 {
		t.Errorf("settlement %+v", set)
	}
	if len(second.Receipts) != 1 || second.Receipts[0] != r.last.Receipts[0].Leaf {
		t.Errorf("outcome names receipts %v, want leaf %d", second.Receipts, r.last.Receipts[0].Leaf)
	}
	if held, free := r.balance("provider/sunny/held"), r.balance("provider/sunny"); held != 12 || free != 0 {
		t.Errorf("held %d, free %d before the window ends", held, free)
	}
	late := r.must(r.sign("oracle-c", r.attestation(2, 2)))[0]
	if late.Result[1] != number("late", 1) {
		t.Errorf("third vote %+v", late.Result)
	}

	window := int(r.genesis.Markets[0].DisputeWindowBlocks)
	r.pass(window - 1)
	if r.balance("provider/sunny") != 0 {
		t.Error("released before its window ended")
	}
	r.pass(1)
	if held, free := r.balance("provider/sunny/held"), r.balance("provider/sunny"); held != 0 || free != 12 {
		t.Errorf("held %d, free %d after the window", held, free)
	}
	if err := r.m.View().Conserved(); err != nil {
		t.Error(err)
	}
}

func TestQuorumFailsOnExpiry(t *testing.T) {
	r := world(t)
	r.must(r.sign("sunny", r.reading("m-1", 1_000, r.now)))
	r.must(r.sign("oracle-a", r.attestation(1, 1)))
	r.pass(int(r.genesis.Markets[0].ExpiryBlocks))
	body := r.last.Receipts[0].Body.(*ReadingReceipt)
	if body.Status != string(oracle.QuorumFailed) || body.Actual != 10 || body.Required != 18 {
		t.Errorf("receipt %+v", body)
	}
}

func TestUnfundedPayersSettlementsWaitInOrder(t *testing.T) {
	r := world(t)
	at := r.now - 10*3_600_000
	for i := range 4 {
		r.must(r.sign("windy", r.reading("m-2", uint64(1_000+1_000*i), at+int64(i)*3_600_000)))
	}
	r.must(r.sign("oracle-a", r.attestation(1, 4)), r.sign("oracle-b", r.attestation(1, 4)))
	for _, receipt := range r.last.Receipts[1:] {
		if body := receipt.Body.(*SettlementReceipt); body.Status != StatusReceivable {
			t.Fatalf("settlement %+v, want it receivable", body)
		}
	}
	r.must(r.threshold(&Deposit{Account: "payer/village", Asset: "BLOCK", Amount: amount(60), Reference: "bank 2"}))
	if got := r.balance("payer/village"); got != 10 {
		t.Errorf("payer holds %d after two of three settlements of 25, want 10", got)
	}
	r.must(r.threshold(&Deposit{Account: "payer/village", Asset: "BLOCK", Amount: amount(15), Reference: "bank 3"}))
	if payer, held := r.balance("payer/village"), r.balance("provider/windy/held"); payer != 0 || held != 75 {
		t.Errorf("payer %d, held %d, want 0 and 75", payer, held)
	}
}

func TestRehearsalMovesNothing(t *testing.T) {
	r := world(t, func(g *genesis.Genesis) { g.Markets[0].Stage = "rehearsal" })
	r.must(r.sign("sunny", r.reading("m-1", 0, r.now-3_600_000)), r.sign("sunny", r.reading("m-1", 9_000, r.now)))
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
	set := r.last.Receipts[1].Body.(*SettlementReceipt)
	if set.Status != StatusRehearsal || set.Gross != amount(225) || r.balance("payer/city") != 1_000_000 {
		t.Errorf("settlement %+v, payer %d", set, r.balance("payer/city"))
	}
}

func TestReplayAndSnapshotEqualLive(t *testing.T) {
	r := world(t)
	for i := range 20 {
		r.must(r.sign("sunny", r.reading("m-1", uint64(100*i), r.now-int64(40-i)*60_000)))
		if i%2 == 1 {
			n := uint64(i + 1)
			r.must(r.sign("oracle-a", r.attestation(n-1, n)), r.sign("oracle-c", r.attestation(n-1, n)))
		}
		r.pass(1)
	}
	live, replayed := r.m.View(), r.replay().View()
	if live.Digest() != replayed.Digest() || live.Root() != replayed.Root() {
		t.Error("replay is not the live state")
	}
	if restored := restore(t, r, live); restored.View().Digest() != live.Digest() {
		t.Error("a restored snapshot is not the live state")
	}
	if digests := receiptsWithDigest(r); digests == 0 {
		t.Error("no state digest was ever put in a receipt")
	}
}

// The digest is of live state: one balance changed in memory shows.
func TestDigestSeesOneBalance(t *testing.T) {
	r := world(t)
	before := r.m.View().Digest()
	r.m.state.ledger.Post([]treasury.Leg{{From: "payer/city", To: "treasury", Amount: amount(1)}})
	if r.m.View().Digest() == before {
		t.Error("a changed balance does not change the digest")
	}
}

func TestViewDoesNotChange(t *testing.T) {
	r := world(t)
	view := r.m.View()
	before := view.Digest()
	r.must(r.sign("sunny", r.reading("m-1", 1_000, r.now)))
	r.pass(3)
	if view.Digest() != before || view.Number() == r.m.Number() {
		t.Error("a view changed with the machine")
	}
}
