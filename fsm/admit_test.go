package fsm

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

const hour = int64(3_600_000)

// admissions are the refusals that can come before a rule, in the order of their
// precedence, and whether they consume the nonce.
var admissions = []struct {
	name     string
	command  func(r *rig) *Command
	want     Code
	field    string // "name value", when said
	consumed bool
}{
	{"malformed payload", func(r *rig) *Command {
		return r.envelope(TypeSubmitReading, []byte(`{"cluster":null}`), r.people["sunny"])
	}, MalformedPayload, "", false},
	{"two signatures on one", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now)
		c := r.sign("sunny", b)
		return r.envelope(TypeSubmitReading, c.Payload, r.people["sunny"], r.people["windy"])
	}, MalformedPayload, "", false},
	{"unknown key", func(r *rig) *Command {
		r.people["nobody"] = testKey("nobody")
		return r.sign("nobody", r.reading("m-1", 1, r.now))
	}, UnknownKey, "", false},
	{"forged signature", func(r *rig) *Command {
		c := r.sign("sunny", r.reading("m-1", 1, r.now))
		e := c.Envelope()
		e.Signatures[0].Sig[3] ^= 1
		forged, _ := FromEnvelope(e)
		return forged
	}, SignatureInvalid, "", false},
	{"signed by another's key id", func(r *rig) *Command {
		e := r.sign("windy", r.reading("m-2", 1, r.now)).Envelope()
		e.Signatures[0].KeyID = keyIDFor(r.people["sunny"])
		forged, _ := FromEnvelope(e)
		return forged
	}, SignatureInvalid, "", false},
	{"other cluster", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now)
		b.Cluster = [16]byte{1}
		return r.sign("sunny", b)
	}, WrongCluster, "", false},
	{"other era", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now)
		b.Era = "1-" + strings.Repeat("0", 64)
		return r.sign("sunny", b)
	}, WrongEra, "", false},
	{"expired", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now)
		b.IssuedAt, b.ExpiresAt = r.now-2000, r.now-1000
		return r.sign("sunny", b)
	}, Expired, "", false},
	{"lives too long", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now)
		b.IssuedAt, b.ExpiresAt = r.now, r.now+25*hour
		return r.sign("sunny", b)
	}, Expired, "reason time_to_live", false},
	{"unknown lane", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now)
		b.Lane = "16"
		return r.sign("sunny", b)
	}, NotFound, "kind lane", false},
	{"lane of no meter", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now)
		b.Lane = "m/m-9"
		return r.sign("sunny", b)
	}, NotFound, "kind meter", false},
	{"lane of another provider's meter", func(r *rig) *Command {
		return r.sign("sunny", r.reading("m-2", 1, r.now))
	}, MeterMismatch, "reason other_provider", false},
	{"nonce far ahead", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now)
		b.Nonce = MaxNonceGap + 1
		return r.sign("sunny", b)
	}, LimitExceeded, "limit nonce_gap", false},
	{"another provider's meter on an own lane", func(r *rig) *Command {
		b := r.reading("m-2", 1, r.now)
		b.Lane = "3"
		return r.sign("sunny", b)
	}, MeterMismatch, "reason other_provider", true},
	{"other meter than the lane's", func(r *rig) *Command {
		b := r.reading("m-2", 1, r.now)
		b.Lane = "m/m-1"
		return r.sign("sunny", b)
	}, MeterMismatch, "reason other_lane", true},
	{"wrong role", func(r *rig) *Command {
		return r.sign("city", &Attest{Market: "energy", Ranges: []AttestedRange{{From: 1, To: 1}}})
	}, Unauthorized, "scope attest", true},
	{"skewed clock", func(r *rig) *Command {
		b := r.reading("m-1", 1, r.now-hour)
		b.IssuedAt = r.now - hour
		b.ExpiresAt = r.now + hour
		return r.sign("sunny", b)
	}, TimestampSkew, "", true},
	{"one admin of two", func(r *rig) *Command {
		return r.thresholdBy(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1), Reference: "x"}, "alice")
	}, Unauthorized, "actual 1", false},
	{"one admin twice", func(r *rig) *Command {
		return r.thresholdBy(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1), Reference: "x"}, "alice", "alice")
	}, Unauthorized, "actual 1", false},
	{"a provider among the admins", func(r *rig) *Command {
		return r.thresholdBy(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1), Reference: "x"}, "alice", "bob", "sunny")
	}, Unauthorized, "scope threshold", false},
}

func TestAdmission(t *testing.T) {
	for _, test := range admissions {
		t.Run(test.name, func(t *testing.T) {
			r := world(t)
			c := test.command(r)
			door := r.m.View().Check(c)
			o := r.send(c)[0]
			if o.Refusal == nil || o.Refusal.Code != test.want {
				t.Fatalf("outcome %v, want %s", o.Refusal, test.want)
			}
			if name, value, _ := strings.Cut(test.field, " "); o.Refusal.Field(name) != value {
				t.Errorf("refusal %v, want %s", o.Refusal, test.field)
			}
			if (door == nil) != test.consumed {
				t.Errorf("door says %v, but consumed is %v", door, test.consumed)
			}
			h := c.Single()
			if h == nil {
				return
			}
			if used := r.m.View().Lane(c.KeyIDs[0], h.Lane) == h.Nonce; used != test.consumed {
				t.Errorf("nonce consumed: %v, want %v", used, test.consumed)
			}
			if !test.consumed {
				return
			}
			if again := r.send(c)[0]; again.Refusal.Code != NonceReplay || !again.Unconsumed {
				t.Errorf("resent: %v", again.Refusal)
			}
		})
	}
}

// Sending anything again changes nothing but the journal.
func TestResendingChangesNothing(t *testing.T) {
	r := world(t)
	all := []*Command{
		r.sign("sunny", r.reading("m-1", 1_000, r.now)),
		r.threshold(r.registration("dora", "provider")),
		r.threshold(&Deposit{Account: "payer/village", Asset: "BLOCK", Amount: amount(5), Reference: "bank 9"}),
		r.threshold(&SetOracleWeight{OracleWeight: genesis.OracleWeight{Market: "energy", Oracle: "oracle-a", Weight: 3}}),
	}
	r.must(all...)
	balance, last := r.balance("payer/village"), r.m.state.oracle.LastNumber("energy")
	for _, o := range r.send(all...) {
		if o.Refusal == nil || o.Refusal.Code != NonceReplay || !o.Unconsumed || len(o.Receipts) != 0 {
			t.Errorf("%s resent: %+v", o.Type, o)
		}
	}
	if r.balance("payer/village") != balance || r.m.state.oracle.LastNumber("energy") != last {
		t.Error("resending changed something")
	}
}

func TestLastAdminsCannotEnd(t *testing.T) {
	r := world(t)
	key := func(who string) [16]byte { p := publicOf(r.people[who]); return envelope.KeyIDOf(p[:]) }
	r.must(r.threshold(&RevokePrincipalKey{Key: key("carol")}))
	if o := r.send(r.threshold(&RevokePrincipalKey{Key: key("bob")}))[0]; o.Refusal == nil || o.Refusal.Code != InvalidTransition {
		t.Errorf("revoking one of the last two admins: %v", o.Refusal)
	}
	if o := r.send(r.sign("alice", &RevokeKey{Key: key("alice")}))[0]; o.Refusal == nil || o.Refusal.Code != InvalidTransition {
		t.Errorf("an admin of the last two revoking himself: %v", o.Refusal)
	}
}

func TestSmallOrderKeysAreNotRegistered(t *testing.T) {
	r := world(t)
	b := r.registration("dora", "provider")
	b.PublicKey = [32]byte{1} // the neutral element
	if o := r.send(r.threshold(b))[0]; o.Refusal == nil || o.Refusal.Code != MalformedPayload {
		t.Errorf("small-order key: %v", o.Refusal)
	}
	b = r.registration("dora", "provider")
	b.Role = "admin" // the proof names another role
	if o := r.send(r.threshold(b))[0]; o.Refusal == nil || o.Refusal.Code != SignatureInvalid {
		t.Errorf("proof for another role: %v", o.Refusal)
	}
}

// Marks are a short cut: without any, Apply decides the same.
func TestMarksChangeNothing(t *testing.T) {
	r := world(t)
	good := r.sign("sunny", r.reading("m-1", 1, r.now))
	e := r.sign("windy", r.reading("m-2", 1, r.now)).Envelope()
	e.Signatures[0].Sig[0] ^= 1
	forged, _ := FromEnvelope(e)
	many := []*Command{good, forged, good, good, forged}
	VerifyCommands(rand.Reader, r.m.Keys(), many)
	for i, c := range many {
		plain, err := ParseFrame(c.Frame())
		if err != nil {
			t.Fatal(err)
		}
		key, _ := r.m.Keys().Get(c.KeyIDs[0])
		if c.verified(0, key) != plain.verified(0, key) {
			t.Errorf("command %d: marked and unmarked differ", i)
		}
	}
}

func TestEveryPayloadIsStrict(t *testing.T) {
	for _, s := range specs {
		body := s.empty()
		payload := strict.Encode(body)
		if err := s.codec.Decode(payload, s.empty()); err != nil {
			t.Errorf("%s: own zero payload: %v", s.name, err)
		}
		spoiled := strings.Replace(string(payload), `{"cluster"`, `{"extra":1,"cluster"`, 1)
		if err := s.codec.Decode([]byte(spoiled), s.empty()); err == nil {
			t.Errorf("%s: unknown member accepted", s.name)
		}
	}
}
