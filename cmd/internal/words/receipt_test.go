package words

import (
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"
	"lukechampine.com/uint128"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/transport/api"
)

func head(kind string) fsm.ReceiptHead {
	return fsm.ReceiptHead{Kind: kind, Entry: 5, Height: 17, At: 1_760_000_000_000}
}

func TestReceiptsInWords(t *testing.T) {
	for _, test := range []struct {
		body any
		want []string
	}{
		{fsm.SettlementReceipt{
			ReceiptHead: head(fsm.KindSettlement), Market: "energy", Settlement: 3, Status: fsm.StatusHeld, Meter: "m-1", Provider: "pv-1", Payer: "grid",
			Readings: fsm.CitedReadings{Count: 1, From: 7, To: 7}, FromRegister: 1000, ToRegister: 1500, Delta: 500, Decimals: 3,
			Asset: "BLOCK", UnitPrice: 2500, Gross: uint128.From64(1250), FeeBps: 100, Fee: uint128.From64(12), Net: uint128.From64(1238), ReleaseHeight: 4000,
		}, []string{"Settlement 3 of market energy", "payer grid owes for 0.500 units", "Gross 1,250 minor units", "fee 12 (1 %), net 1,238", "until height 4,000", "log entry 5 at height 17"}},
		{fsm.ReleaseReceipt{ReceiptHead: head(fsm.KindRelease), Market: "energy", Settlement: 3, Provider: "pv-1", Asset: "BLOCK", Net: uint128.From64(1238)}, []string{"1,238 minor units of BLOCK are available to provider pv-1"}},
		{fsm.ReadingReceipt{ReceiptHead: head(fsm.KindReading), Market: "energy", Number: 7, Meter: "m-1", Status: "quorum_failed", Required: 2, Actual: 1}, []string{"Reading 7 of market energy expired without quorum: weight 1 of the required 2"}},
		{fsm.ReadingReceipt{ReceiptHead: head(fsm.KindReading), Market: "energy", Number: 7, Meter: "m-1", Status: "rejected", Reason: "deviation"}, []string{"was rejected (deviation)"}},
		{fsm.ThresholdReceipt{ReceiptHead: head(fsm.KindThreshold), Command: "deposit", Signers: []string{"alice", "bob"}, Facts: []fsm.Field{{Name: "account", Value: "payer/grid"}}}, []string{"deposit was executed: account payer/grid", "Signed by alice, bob"}},
		{fsm.EvidenceReceipt{ReceiptHead: head(fsm.KindEvidence), Market: "energy", Oracle: "oracle-a", Number: 9, First: "accept", Second: "reject"}, []string{`two different things about reading 9 of market energy: "accept", then "reject"`}},
		{fsm.CutReceipt{ReceiptHead: head(fsm.KindCut), Cut: 4, Size: 1234, Digest: &fsm.CutDigest{Cut: 2}}, []string{"Cut 4: the journal had 1,234 leaves", "Digest of the whole state at cut 2"}},
		{
			fsm.PolicyReceipt{
				ReceiptHead: head(fsm.KindPolicy), Change: 1, Standing: proof.PolicyEffective, Old: "node-2", New: "node-4", Decided: 9, Cosigners: 2,
				Nodes: []proof.PolicyNode{{Node: "node-1"}, {Node: "node-3"}, {Node: "node-4"}}, Transition: &proof.Transition{Cut: 7, Size: 1234},
			},
			[]string{"Change 1 of the committee, node node-4 in the place of node-2: in effect", "cosigned cut 7: 1,234 leaves", "2 of node-1, node-3, node-4"},
		},
	} {
		text, err := reader().Leaf(strict.Encode(test.body))
		if err != nil {
			t.Errorf("%T: %v", test.body, err)
		}
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%T: no %q in\n%s", test.body, want, text)
			}
		}
	}
}

func TestOtherLeaves(t *testing.T) {
	e := draft(t, "revoke_key", examples["revoke_key"].payload)
	e.Signatures = []envelope.Signature{envelope.Sign(ed25519.NewKeyFromSeed(make([]byte, 32)), e.PayloadType, e.Payload)}
	c, refusal := fsm.FromEnvelope(e)
	if refusal != nil {
		t.Fatal(refusal)
	}
	text, err := reader().Leaf(append([]byte{fsm.LeafCommand}, c.Frame()...))
	if err != nil || !strings.Contains(text, "the signed command revoke_key") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, bad := range [][]byte{nil, {fsm.LeafCommand, 1}, []byte(`{"kind":"gift"}`), []byte("?")} {
		if text, err := reader().Leaf(bad); err == nil {
			t.Errorf("%q was said to be %s", bad, text)
		}
	}
}

func TestOutcomes(t *testing.T) {
	text := Outcome(api.Outcome{Command: "submit_reading", Accepted: true, Result: map[string]string{"number": "7", "market": "energy"}, Entry: 3, Leaf: 9, Receipts: []api.Uint64{10}})
	for _, want := range []string{"accepted: submit_reading", "market energy, number 7", "receipts at 10", "not final yet"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	text = Outcome(api.Outcome{Code: "NonceReplay", Cause: "Used.", Recovery: "Take another.", Fields: map[string]string{"last_nonce": "7"}, Final: true})
	for _, want := range []string{"refused: NonceReplay: Used.", "last_nonce 7", "Take another.", "final: under"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
