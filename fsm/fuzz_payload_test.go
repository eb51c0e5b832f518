package fsm

import (
	"crypto/rand"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// FuzzPayload signs any bytes as any command by whoever may send it, so that they
// get past admission and before the rules: never a panic, money from nowhere, a leaf
// too large, or a state that a restart would not accept.
func FuzzPayload(f *testing.F) {
	r := busy(f)
	for _, c := range append(r.oneOfEach(), r.tryNow()...) {
		f.Add(uint16(c.Type), c.Payload, uint8(1))
	}
	f.Fuzz(func(t *testing.T, tag uint16, payload []byte, blocks uint8) {
		c, ok := r.signedBy(Type(tag), payload)
		if !ok {
			return
		}
		a, b := r.twin(), r.twin()
		raw := (&Entry{Number: a.Number() + 1, At: r.now, Commands: []*Command{c, c}}).Encode()
		later := (&Entry{Number: a.Number() + 2, At: r.now + int64(blocks)*1_000, Cut: true}).Encode()
		for _, log := range [][]byte{raw, later} {
			e, err := DecodeEntry(log)
			if err != nil {
				t.Fatal(err)
			}
			checkLeaves(t, a.Apply(log, e))
			twin, _ := DecodeEntry(log)
			VerifyCommands(rand.Reader, b.Keys(), twin.Commands)
			b.Apply(log, twin)
		}
		if a.View().Digest() != b.View().Digest() || a.View().Root() != b.View().Root() {
			t.Fatal("two machines disagree")
		}
		if err := a.state.consistent(); err != nil {
			t.Fatal(err)
		}
		if len(a.View().Alarms()) > 0 {
			t.Fatalf("alarms %v", a.View().Alarms())
		}
	})
}

// busy is a world in which every kind of object is in every kind of state.
func busy(t testing.TB) *rig {
	r := world(t)
	r.busyTreasury()
	r.must(r.sign("sunny", r.reading("m-1", 1_000, r.now-4*hour)), r.sign("windy", r.reading("m-2", 0, r.now-4*hour)))
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
	r.must(r.sign("sunny", r.reading("m-1", 2_000, r.now-3*hour)), r.sign("windy", r.reading("m-2", 9_000, r.now-3*hour)))
	r.must(r.sign("oracle-a", r.attestation(3, 4)), r.sign("oracle-b", r.attestation(3, 4)))
	r.must(r.sign("sunny", r.reading("m-1", 3_000, r.now-2*hour)), r.sign("sunny", r.reading("m-1", 4_000, r.now-hour)))
	r.must(r.sign("oracle-a", r.attestation(5, 6)), r.sign("oracle-b", r.attestation(6, 6)))
	r.must(r.sign("windy", r.rotation("windy", testKey("windy 2"), 2)))
	r.people["windy-2"] = testKey("windy 2")
	r.must(r.threshold(r.replacement("node-c", newcomer("node-d", 2))))
	return r
}

// oneOfEach are commands of every type that are accepted in a busy world.
func (r *rig) oneOfEach() []*Command {
	row := r.genesis.Markets[0]
	row.Market = "storage"
	later := r.genesis.Markets[0]
	later.UnitPrice = 1 << 63
	old := keyIDFor(r.people["sunny"])
	replaced := r.keyRegistration("sunny", testKey("sunny 2"))
	replaced.Replaces = (*[16]byte)(&old)
	pending, _ := r.m.state.oracle.Identity("energy", 5)
	superseding := r.reading("m-1", 3_100, r.now-2*hour)
	superseding.Supersedes = (*[32]byte)(&pending)
	vote := r.attestation(3, 6, 5)
	vote.Values = []ObservedValue{{6, 4_000}}
	return append(r.oneOfEachTreasury(), []*Command{
		r.sign("sunny", r.reading("m-1", 5_000, r.now)), r.sign("sunny", superseding),
		r.sign("oracle-b", vote), r.sign("oracle-c", r.attestation(5, 6)),
		r.sign("sunny", r.rotation("sunny", testKey("sunny 3"), 1)), r.sign("sunny", &RevokeKey{Key: old}),
		r.threshold(r.registration("dora", "provider")), r.threshold(replaced), r.threshold(&RevokePrincipalKey{Key: old}),
		r.threshold(&RegisterMeters{Market: "energy", Meters: []MeterRow{
			{Meter: "m-3", Provider: "sunny", Payer: "city", Capacity: 1 << 63, IntervalMs: 1, Decimals: 9},
		}}),
		r.threshold(&RebaseMeter{Meter: "m-2", Register: 1 << 63, MeasuredAt: r.now, Reason: "rollover"}),
		r.threshold(&SetOracleWeight{OracleWeight: genesis.OracleWeight{Market: "energy", Oracle: "oracle-a", Weight: 1 << 40}}),
		r.threshold(&SetMarket{Market: row, ActivationEpoch: 3}), r.threshold(&SetMarket{Market: later, ActivationEpoch: 3}),
		r.threshold(&Deposit{Account: "payer/village", Asset: "BLOCK", Amount: amount(1 << 40), Reference: "bank 2"}),
		r.threshold(r.replacement("node-c", newcomer("node-e", 2))), r.threshold(&CancelReplacement{Node: "node-d"}),
	}...)
}

func TestOneOfEachIsAccepted(t *testing.T) {
	r := busy(t)
	for _, c := range r.oneOfEach() {
		m := r.twin()
		raw := (&Entry{Number: m.Number() + 1, At: r.now, Commands: []*Command{c}}).Encode()
		e, err := DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if o := m.Apply(raw, e).Outcomes[0]; o.Refusal != nil {
			t.Errorf("%s: %v", c.Name(), o.Refusal)
		}
	}
}

// signedBy signs a payload by somebody with the right to it, so that what is
// fuzzed are rules and not signatures.
func (r *rig) signedBy(tag Type, payload []byte) (*Command, bool) {
	s := specOf(tag)
	if s == nil || len(payload) > MaxCommandBytes-1_000 {
		return nil, false
	}
	who := map[Type][]string{TypeSubmitReading: {"sunny"}, TypeAttest: {"oracle-b"}, TypeRotateKey: {"sunny"}, TypeRevokeKey: {"sunny"}}[tag]
	switch {
	case s.threshold:
		who = []string{"alice", "bob"}
	case s.scope == scopeWithdraw:
		who = []string{"sunny"}
	case tag >= TypePropose:
		who = []string{"alice"}
	}
	e := envelope.Envelope{PayloadType: s.payloadType, Payload: payload}
	for _, name := range who {
		var key ed25519.PrivateKey = r.people[name]
		e.Signatures = append(e.Signatures, envelope.Sign(key, e.PayloadType, payload))
	}
	c, refusal := FromEnvelope(e)
	return c, refusal == nil
}
