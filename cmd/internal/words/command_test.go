package words

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"lukechampine.com/uint128"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

const hour = 3_600_000

var (
	single = fsm.Header{
		Cluster: [16]byte{0xc1}, Era: "0-00", Lane: "m/m-1", Nonce: 7, IssuedAt: 1_760_000_000_000, ExpiresAt: 1_760_000_000_000 + hour,
		Signer: &replaced,
	}
	threshold = fsm.ThresholdHeader{
		Cluster: [16]byte{0xc1}, Era: "0-00", Salt: [16]byte{1}, IssuedAt: 1_760_000_000_000, ExpiresAt: 1_760_000_000_000 + 72*hour,
	}
	replaced = [16]byte{0xab, 0xcd}
	earlier  = [32]byte{0x5e}
)

// example is a command with what a signer must read in it.
type example struct {
	payload any
	want    []string
}

// examples has one command of each kind; those of the treasury are in treasuryExamples.
var examples = map[string]example{
	"submit_reading": {
		fsm.SubmitReading{
			Header: single, Market: "energy", Meter: "m-1", Register: 1_234_567, MeasuredAt: 1_759_999_999_500,
			Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"}, Supersedes: &earlier,
		},
		[]string{"meter m-1 of market energy stood at 1,234,567 register units", "2025-10-09 08:53:19.500 UTC", `clock "ntp"`, "5e00", "lane m/m-1, nonce 7; takes one signature, by key abcd"},
	},
	"attest": {
		fsm.Attest{
			Header: single, Market: "energy", Ranges: []fsm.AttestedRange{{From: 3, To: 9}, {From: 12, To: 12}},
			Rejects: []uint64{4, 5}, Values: []fsm.ObservedValue{{Number: 3, Register: 1000}},
		},
		[]string{"8 readings of market energy", "3 to 9", "12 to 12", "Rejects 4, 5.", "reading 3 at 1,000"},
	},
	"rotate_key": {fsm.RotateKey{Header: single, PublicKey: [32]byte{9}, OverlapBlocks: 3600}, []string{"Replaces the signing key", "3,600 blocks"}},
	"revoke_key": {fsm.RevokeKey{Header: single, Key: replaced}, []string{"own key abcd", "for ever"}},
	"register_principal": {
		fsm.RegisterPrincipal{ThresholdHeader: threshold, Principal: "pv-1", Role: "provider", PublicKey: [32]byte{9}},
		[]string{"Lets pv-1 in as provider", "all that the role may", "in 3 days 0 h"},
	},
	"register_key": {
		fsm.RegisterKey{ThresholdHeader: threshold, Principal: "pv-1", Scopes: []string{"read"}, Replaces: &replaced},
		[]string{"principal pv-1 another key", "may only: read", "Key abcd", "ends at once"},
	},
	"revoke_principal_key": {fsm.RevokePrincipalKey{ThresholdHeader: threshold, Key: replaced}, []string{"Ends key abcd", "whoever owns it"}},
	"register_meters": {
		fsm.RegisterMeters{ThresholdHeader: threshold, Market: "energy", Meters: []fsm.MeterRow{
			{Meter: "m-1", Provider: "pv-1", Payer: "grid", Capacity: 6000, IntervalMs: 900_000, Decimals: 3},
		}},
		[]string{"1 meter of market energy", "m-1: pv-1 is paid by grid", "at most 6.000 units an hour", "every 15 min 0 s"},
	},
	"rebase_meter": {
		fsm.RebaseMeter{ThresholdHeader: threshold, Meter: "m-1", Register: 12, MeasuredAt: 1_760_000_000_000, Reason: "swap"},
		[]string{"meter m-1 anew at 12 register units", `"swap"`, "never paid"},
	},
	"set_oracle_weight": {
		fsm.SetOracleWeight{ThresholdHeader: threshold, OracleWeight: genesis.OracleWeight{Market: "energy", Oracle: "oracle-a", Weight: 0}},
		[]string{"Takes oracle oracle-a its vote in market energy"},
	},
	"set_market": {
		fsm.SetMarket{ThresholdHeader: threshold, ActivationEpoch: 17, Market: genesis.Market{
			Market: "energy", Noun: "meter", Unit: "kWh", Asset: "BLOCK", UnitPrice: 2500, FeeBps: 125, QuorumThresholdPpm: 670_000,
			DeviationPpm: 20_000, ExpiryBlocks: 3600, DisputeWindowBlocks: 100, SkewMs: 300_000, MaxReadingAgeMs: 7 * 24 * hour,
			Mode: "real_time", Stage: "live",
		}},
		[]string{"market energy", "epoch 17", "2,500 minor units of BLOCK per kWh", "1.25 % are fee", "67 % of the oracle weight", "2 % off", "5 min 0 s off", "stage live"},
	},
	"deposit": {
		fsm.Deposit{ThresholdHeader: threshold, Account: "payer/grid", Asset: "BLOCK", Amount: uint128.From64(1_500_000), Reference: "bank 17"},
		[]string{"1,500,000 minor units of BLOCK into account payer/grid", `"bank 17"`, "in 3 days"},
	},
	"replace_node": {
		fsm.ReplaceNode{ThresholdHeader: threshold, Old: "node-2", Node: nodeStatement(), SealedLogKey: genesis.SealedKey{Node: "node-4"}},
		[]string{
			"in the place of node node-2, which then counts no more", "The new node is node-4.", "node key     8a88e3dd", "cosigner key 8139770e",
			"peers at     10.0.0.4:7101", "https://node-4.example:7100", "sealed to node-4",
		},
	},
	"cancel_replacement": {fsm.CancelReplacement{ThresholdHeader: threshold, Node: "node-4"}, []string{"Gives up the joining of node node-4", "spent"}},
}

func nodeStatement() genesis.NodeStatement {
	node, cosigner := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	e, err := genesis.SignNode(genesis.Node{
		Name: "node-4", NodeKey: [32]byte(node.Public().(ed25519.PublicKey)), CosignerKey: [32]byte(cosigner.Public().(ed25519.PublicKey)),
		SealingKey: [32]byte{3}, PeerAddress: "10.0.0.4:7101", APIAddress: "https://node-4.example:7100",
	}, node, cosigner)
	if err != nil {
		panic(err)
	}
	return genesis.NodeStatement{Payload: e.Payload, NodeSignature: e.Signatures[0].Sig, CosignerSignature: e.Signatures[1].Sig}
}

// A statement that is not good is said to be so, in one line that nothing in it breaks.
func TestBadNodeStatementIsSaid(t *testing.T) {
	b := fsm.ReplaceNode{ThresholdHeader: threshold, Old: "node-2", Node: nodeStatement()}
	b.Node.CosignerSignature[1] ^= 1
	text, err := reader().Command(draft(t, "replace_node", b))
	if err != nil || !strings.Contains(text, "not good") || !strings.Contains(text, "would refuse") {
		t.Errorf("%v\n%s", err, text)
	}
}

func reader() Reader { return Reader{Now: time.UnixMilli(1_760_000_000_000)} }

func draft(t *testing.T, name string, payload any) envelope.Envelope {
	t.Helper()
	_, tag, ok := fsm.NewPayload(name)
	if !ok {
		t.Fatalf("no command %q", name)
	}
	return envelope.Envelope{PayloadType: tag.PayloadType(), Payload: strict.Encode(payload)}
}

// A command added to the table must get words, or nobody could sign it.
func TestEveryCommandHasWords(t *testing.T) {
	for _, name := range fsm.CommandNames() {
		example, ok := examples[name]
		if !ok {
			example, ok = treasuryExamples[name]
		}
		if !ok {
			t.Errorf("%s: no example in this test", name)
			continue
		}
		text, err := reader().Command(draft(t, name, example.payload))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range append(example.want, name, "c1000000", "valid until", "identity") {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
	}
}

func TestGenesisGivesNames(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	g := &genesis.Signed{Cluster: [16]byte{0xc1}, Genesis: genesis.Genesis{
		Name: "north", AdminThreshold: 2,
		Principals: []genesis.Principal{{Principal: "alice", Role: "admin", PublicKey: [32]byte(key.Public().(ed25519.PublicKey))}},
	}}
	e := draft(t, "deposit", examples["deposit"].payload)
	e.Signatures = []envelope.Signature{envelope.Sign(key, e.PayloadType, e.Payload)}
	r := reader()
	r.Genesis = g
	text, err := r.Command(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"north"`, "2 different ones", "signed by    admin alice"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	g.Cluster[0]++
	text, err = r.Command(e)
	if err != nil || !strings.Contains(text, "NOT the one of the given genesis") {
		t.Errorf("another cluster's command: %v\n%s", err, text)
	}
}

// What a signer reads must not be written by whoever made the payload.
func TestFreeTextCannotFinishASentence(t *testing.T) {
	for _, evil := range []string{"alice in as auditor.\n  signed by    admin bob", "a\x1b[2Jb", "al\u202eice", "", "al ice"} {
		b := examples["register_principal"].payload.(fsm.RegisterPrincipal)
		b.Principal = evil
		text, err := reader().Command(draft(t, "register_principal", b))
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "\n  signed by") {
			t.Errorf("%q got through:\n%s", evil, text)
		}
		if !strings.Contains(text, `Lets "`) {
			t.Errorf("%q is not quoted:\n%s", evil, text)
		}
	}
}

func TestWhatCannotBeExplainedIsRefused(t *testing.T) {
	if _, err := says(struct{}{}); !errors.Is(err, ErrNoWords) {
		t.Errorf("error %v", err)
	}
	e := draft(t, "deposit", examples["deposit"].payload)
	e.Payload = bytes.Replace(e.Payload, []byte(`"amount"`), []byte(`"Amount"`), 1)
	if _, err := reader().Command(e); err == nil || !strings.Contains(err.Error(), "MalformedPayload") {
		t.Errorf("error %v", err)
	}
	e.PayloadType = "application/vnd.tallyvault.transfer_all.v1+json"
	if _, err := reader().Command(e); err == nil || !strings.Contains(err.Error(), "is not a command") {
		t.Errorf("error %v", err)
	}
}

func TestExpiredIsSaid(t *testing.T) {
	r := reader()
	r.Now = time.UnixMilli(single.ExpiresAt).Add(3 * time.Hour)
	text, err := r.Command(draft(t, "revoke_key", examples["revoke_key"].payload))
	if err != nil || !strings.Contains(text, "over for 3 h 0 min") {
		t.Errorf("%v\n%s", err, text)
	}
}
