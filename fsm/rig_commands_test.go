package fsm

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// sign makes a single-signature command; header members that are zero are filled in.
func (r *rig) sign(who string, body any) *Command {
	r.t.Helper()
	key := r.people[who]
	h := r.headerOf(body)
	if h.Lane == "" {
		h.Lane = "0"
		if b, ok := body.(*SubmitReading); ok {
			h.Lane = "m/" + b.Meter
		}
	}
	if h.Nonce == 0 {
		r.nonces[who+h.Lane]++
		h.Nonce = r.nonces[who+h.Lane]
	}
	if h.Cluster == ([16]byte{}) {
		h.Cluster = r.genesis.Cluster
	}
	if h.Era == "" {
		h.Era = eraZero
	}
	if h.IssuedAt == 0 {
		h.IssuedAt = r.now
	}
	if h.ExpiresAt == 0 {
		h.ExpiresAt = h.IssuedAt + 3_600_000
	}
	return r.envelope(typeOf(r.t, body), strict.Encode(body), key)
}

func (r *rig) headerOf(body any) *Header {
	h := (&Command{body: body}).Single()
	if h == nil {
		r.t.Fatalf("%T is no single-signature payload", body)
	}
	return h
}

// threshold makes a threshold command, signed by alice and bob.
func (r *rig) threshold(body any) *Command {
	r.t.Helper()
	return r.thresholdBy(body, "alice", "bob")
}

func (r *rig) thresholdBy(body any, who ...string) *Command {
	r.t.Helper()
	h := (&Command{body: body}).Threshold()
	r.salt++
	h.Cluster, h.Era, h.Salt, h.IssuedAt, h.ExpiresAt = r.genesis.Cluster, eraZero, [16]byte{r.salt}, r.now, r.now+3_600_000
	keys := make([]ed25519.PrivateKey, len(who))
	for i, name := range who {
		keys[i] = r.people[name]
	}
	return r.envelope(typeOf(r.t, body), strict.Encode(body), keys...)
}

func typeOf(t testing.TB, body any) Type {
	for _, s := range specs {
		if fmt.Sprintf("%T", s.empty()) == fmt.Sprintf("%T", body) {
			return s.tag
		}
	}
	t.Fatalf("%T is no payload", body)
	return 0
}

func (r *rig) envelope(tag Type, payload []byte, keys ...ed25519.PrivateKey) *Command {
	r.t.Helper()
	e := envelope.Envelope{PayloadType: tag.PayloadType(), Payload: payload}
	for _, key := range keys {
		e.Signatures = append(e.Signatures, envelope.Sign(key, e.PayloadType, payload))
	}
	c, refusal := FromEnvelope(e)
	if refusal != nil {
		r.t.Fatal(refusal)
	}
	return c
}

func (r *rig) registration(name, role string) *RegisterPrincipal {
	key := testKey(name)
	r.people[name], r.roles[name] = key, role
	possession := genesis.Possession{Cluster: r.genesis.Cluster, Principal: name, Role: role, Key: publicOf(key)}
	return &RegisterPrincipal{Principal: name, Role: role, PublicKey: publicOf(key), Proof: possession.Prove(key)}
}

func (r *rig) reading(meter string, register uint64, measuredAt int64) *SubmitReading {
	return &SubmitReading{Market: "energy", Meter: meter, Register: register, MeasuredAt: measuredAt, Quality: Quality{"ntp", "ok"}}
}

// attestation covers the readings from..to but for the rejects.
func (r *rig) attestation(from, to uint64, rejects ...uint64) *Attest {
	r.t.Helper()
	var ids []byte
	for n := from; n <= to; n++ {
		id, ok := r.m.state.oracle.Identity("energy", n)
		if !ok {
			r.t.Fatalf("reading %d has no identity", n)
		}
		ids = append(ids, id[:]...)
	}
	return &Attest{Market: "energy", Ranges: []AttestedRange{{From: from, To: to, Hash: sha256.Sum256(ids)}}, Rejects: rejects}
}
