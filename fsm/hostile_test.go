package fsm

import (
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
)

const (
	maxLeaf    = 65_535
	maxReceipt = 32 << 10
)

// Whatever strings somebody signs, leaves and receipts stay within the journal's
// limits, and an outcome quotes them briefly.
func TestForeignStringsAreQuotedBriefly(t *testing.T) {
	long := strings.Repeat("é\u0001\"<x", 4_000)
	r := world(t)
	r.must(r.sign("sunny", r.reading("m-1", 1, r.now)))
	vote := r.attestation(1, 1)
	vote.Market = long
	lane := r.reading("m-1", 1, r.now)
	lane.Lane = "m/" + long
	other := r.reading(long, 1, r.now)
	other.Lane = "3"
	market := r.reading("m-1", 1, r.now)
	market.Market = long
	quality := r.reading("m-1", 1, r.now)
	quality.Quality.MeterStatus = long
	registration := r.registration("dora", "provider")
	registration.Principal = long
	role := r.registration("dora", long)
	scope := r.keyRegistration("sunny", testKey("sunny 2"), long)
	meters := &RegisterMeters{Market: long, Meters: []MeterRow{{Meter: "m-3", Provider: "sunny", Payer: "city", Capacity: 1, IntervalMs: 1}}}
	payer := &RegisterMeters{Market: "energy", Meters: []MeterRow{{Meter: "m-3", Provider: "sunny", Payer: long, Capacity: 1, IntervalMs: 1}}}
	row := r.genesis.Markets[0]
	row.Noun = long
	asset := r.genesis.Markets[0]
	asset.Asset = long
	commands := []*Command{
		r.sign("oracle-a", vote), r.sign("sunny", lane), r.sign("sunny", other), r.sign("sunny", market), r.sign("sunny", quality),
		r.threshold(registration), r.threshold(role), r.threshold(scope), r.threshold(meters), r.threshold(payer),
		r.threshold(&RebaseMeter{Meter: long, Reason: "swap"}), r.threshold(&RebaseMeter{Meter: "m-1", Reason: long}),
		r.threshold(&SetOracleWeight{OracleWeight: genesis.OracleWeight{Market: long, Oracle: "oracle-a", Weight: 1}}),
		r.threshold(&SetOracleWeight{OracleWeight: genesis.OracleWeight{Market: "energy", Oracle: long, Weight: 1}}),
		r.threshold(&SetMarket{Market: row, ActivationEpoch: 9}), r.threshold(&SetMarket{Market: asset, ActivationEpoch: 9}),
		r.threshold(&Deposit{Account: long, Asset: "BLOCK", Amount: amount(1), Reference: "x"}),
		r.threshold(&Deposit{Account: "external/" + long, Asset: "BLOCK", Amount: amount(1), Reference: "x"}),
		r.threshold(&Deposit{Account: "treasury", Asset: long, Amount: amount(1), Reference: "x"}),
		r.threshold(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1), Reference: long}),
		r.threshold(&ReplaceNode{Old: long}), r.threshold(&ReplaceNode{Old: "node-c", Node: genesis.NodeStatement{Payload: []byte(long)}}),
		r.threshold(&CancelReplacement{Node: long}),
	}
	const brief = 1_024
	for _, c := range commands {
		o := r.send(c)[0]
		if o.Refusal == nil {
			t.Errorf("%s: accepted", c.Name())
			continue
		}
		if n := len(o.Record()); n > brief {
			t.Errorf("%s: %s leaves an outcome of %d bytes", c.Name(), o.Refusal.Code, n)
		}
		o.JSON() // panics on what is not UTF-8
		checkLeaves(t, r.last)
	}
}

func checkLeaves(t *testing.T, result *Result) {
	t.Helper()
	for i, leaf := range result.Leaves {
		if len(leaf) > maxLeaf || leaf[0] == LeafReceipt && len(leaf) > maxReceipt {
			t.Errorf("leaf %d (kind %q) of %d bytes", i, leaf[0], len(leaf))
		}
	}
}

// The largest threshold receipt: as many signers as an envelope takes, with the
// longest names, and the longest reference that JSON escapes most.
func TestLargestReceiptFits(t *testing.T) {
	var names []string
	r := newRig(t, func(g *genesis.Genesis) {
		for i := range 64 {
			name := strings.Repeat("a", 60) + string(rune('a'+i%26)) + string(rune('a'+i/26))
			names = append(names, name)
			possession := genesis.Possession{Principal: name, Role: "admin", Key: publicOf(testKey(name))}
			g.Principals = append(g.Principals, genesis.Principal{
				Principal: name, Role: "admin", PublicKey: possession.Key, Proof: possession.Prove(testKey(name)),
			})
		}
	})
	for _, name := range names {
		r.people[name] = testKey(name)
	}
	r.tick()
	reference := strings.Repeat("\"", maxReference)
	c := r.thresholdBy(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: Amount{Lo: 1<<64 - 1, Hi: 1}, Reference: reference}, names...)
	r.must(c)
	checkLeaves(t, r.last)
}

// An oracle cannot fill entries by naming more readings than its rule takes, and
// what is dear costs more.
func TestWorkIsWhatACommandCanTrigger(t *testing.T) {
	r := world(t)
	greedy := r.sign("oracle-a", &Attest{Market: "energy", Ranges: []AttestedRange{{From: 1, To: 1 << 63}, {From: 1, To: 1<<64 - 1}}})
	if got := greedy.Work(); got != oracle.MaxAttested+1 {
		t.Errorf("an attestation to everything costs %d units, want %d", got, oracle.MaxAttested+1)
	}
	empty := r.sign("oracle-a", &Attest{Market: "energy", Ranges: []AttestedRange{{From: 5, To: 4}}})
	if got := empty.Work(); got != 1 {
		t.Errorf("an empty range costs %d units", got)
	}
	if got := r.sign("sunny", r.rotation("sunny", testKey("x"), 0)).Work(); got != keyWork {
		t.Errorf("a rotation costs %d units, want %d", got, keyWork)
	}
}

// A base that lies in the future would close the meter to every reading.
func TestRebaseIsNotInTheFuture(t *testing.T) {
	r := world(t)
	r.must(r.sign("sunny", r.reading("m-1", 1_000, r.now)))
	r.must(r.sign("oracle-a", r.attestation(1, 1)), r.sign("oracle-b", r.attestation(1, 1)))
	b := &RebaseMeter{Meter: "m-1", Register: 5, MeasuredAt: r.now * 1_000, Reason: "swap"}
	r.refused(TimestampSkew, r.threshold(b))
	b.MeasuredAt = r.now + 1_000
	r.must(r.threshold(b))
}

// Money comes in to accounts that somebody can spend from.
func TestDepositTargets(t *testing.T) {
	r := world(t)
	deposit := func(account, reference string) *Command {
		return r.threshold(&Deposit{Account: account, Asset: "BLOCK", Amount: amount(1), Reference: reference})
	}
	for _, account := range []string{"treasury/held", "provider/sunny/held"} {
		if refusal := r.refused(InvalidTarget, deposit(account, "x")); refusal.Field("reason") != "held" {
			t.Error(refusal)
		}
	}
	// What people read before they sign must not steer their terminals.
	for _, reference := range []string{"bank\n12", "\x1b[2Jbank", "bank \u202e21", "\u0085"} {
		r.refused(MalformedPayload, deposit("treasury", reference))
	}
	r.must(deposit("treasury", "Überweisung 12 / Bank №3"), deposit("provider/sunny", "y"))
	r.refused(InvalidTransition, deposit("treasury", "y"))
}

// A payer that never pays cannot fill the state: once very many settlements wait,
// its meters are not read any more, and others' are.
func TestDebtorsReadingsAreRefused(t *testing.T) {
	r := world(t)
	r.must(r.sign("windy", r.reading("m-2", 0, r.now-2*hour)), r.sign("windy", r.reading("m-2", 5_000, r.now-hour)))
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
	if !r.m.state.hasReceivables("village") {
		t.Fatal("village owes nothing")
	}
	for i := range MaxReceivables {
		r.m.state.receivables.Set("zoe\x00"+ordered(uint64(i), ""), receivable{"energy", uint64(i)})
	}
	refusal := r.refused(LimitExceeded, r.sign("windy", r.reading("m-2", 6_000, r.now)))
	if refusal.Field("limit") != "receivables" {
		t.Error(refusal)
	}
	r.must(r.sign("sunny", r.reading("m-1", 1, r.now)))
}

// The windows that genesis promised cannot be shortened by a row.
func TestProductionWindowsStayLong(t *testing.T) {
	production := func(g *genesis.Genesis) {
		g.Profile, g.Markets[0].DisputeWindowBlocks = genesis.ProfileProduction, 86_400
	}
	r := world(t, production)
	row := r.genesis.Markets[0]
	row.DisputeWindowBlocks--
	r.refused(LimitExceeded, r.threshold(&SetMarket{Market: row, ActivationEpoch: 9}))
	row.Market = "storage"
	r.refused(LimitExceeded, r.threshold(&SetMarket{Market: row, ActivationEpoch: 9}))
	row.DisputeWindowBlocks++
	r.must(r.threshold(&SetMarket{Market: row, ActivationEpoch: 9}))
	r = world(t)
	row.DisputeWindowBlocks = 1
	r.must(r.threshold(&SetMarket{Market: row, ActivationEpoch: 9}))
}

// A digest that comes when none is owed, or a second one, must not be taken for
// the next one.
func TestStrayDigestIsIgnored(t *testing.T) {
	r := world(t)
	twin := r.twin()
	for range 12 {
		if twin.frozen == nil {
			twin.SupplyDigest([32]byte{1})
		}
		r.pass(1)
		raw := r.log[len(r.log)-1]
		e, _ := DecodeEntry(raw)
		if twin.NeedsDigest(e) {
			twin.SupplyDigest(twin.frozen.Digest())
			twin.SupplyDigest([32]byte{2})
		}
		twin.Apply(raw, e)
	}
	if twin.View().Root() != r.m.View().Root() {
		t.Error("a stray digest is in a receipt")
	}
}
