package fsm

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// rig is a machine with everybody's private keys and a leader's habits: it
// numbers entries, states clocks and cosigns cuts.
type rig struct {
	t        testing.TB
	genesis  *genesis.Signed
	m        *Machine
	node     []ed25519.PrivateKey
	cosigner []ed25519.PrivateKey
	people   map[string]ed25519.PrivateKey
	roles    map[string]string
	nonces   map[string]uint64
	salt     byte
	now      int64
	log      [][]byte // every entry as replicated
	last     *Result
	cut      *Cut // waits for its cosignatures
}

const rigStart = 1_764_000_000_000

// testKey derives a key from a name, so that a rig is the same in every run.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

// noise is a fixed stream for what genesis draws.
type noise struct{ n byte }

func (r *noise) Read(p []byte) (int, error) {
	for i := range p {
		r.n = r.n*167 + 13
		p[i] = r.n
	}
	return len(p), nil
}

func newRig(t testing.TB, change ...func(*genesis.Genesis)) *rig {
	r := &rig{t: t, people: map[string]ed25519.PrivateKey{}, roles: map[string]string{}, nonces: map[string]uint64{}, now: rigStart}
	g, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.CreatedAt, g.AdminThreshold = "rig", rigStart, 2
	for i := range 3 {
		name := fmt.Sprintf("node-%c", 'a'+i)
		node, cosigner := testKey(name), testKey(name+" cosigner")
		r.node, r.cosigner = append(r.node, node), append(r.cosigner, cosigner)
		g.Nodes = append(g.Nodes, genesis.Node{
			Name: name, NodeKey: publicOf(node), CosignerKey: publicOf(cosigner), SealingKey: publicOf(testKey(name + " sealing")),
			PeerAddress: fmt.Sprintf("127.0.0.1:%d", 7000+i), APIAddress: fmt.Sprintf("https://127.0.0.1:%d", 8000+i),
		})
	}
	for _, p := range []struct{ name, role string }{
		{"alice", "admin"},
		{"bob", "admin"},
		{"carol", "admin"},
		{"oracle-a", "oracle"},
		{"oracle-b", "oracle"},
		{"oracle-c", "oracle"},
		{"sunny", "provider"},
		{"windy", "provider"},
		{"city", "payer"},
		{"village", "payer"},
		{"ada", "auditor"},
	} {
		key := testKey(p.name)
		r.people[p.name], r.roles[p.name] = key, p.role
		possession := genesis.Possession{Principal: p.name, Role: p.role, Key: publicOf(key)}
		g.Principals = append(g.Principals, genesis.Principal{
			Principal: p.name, Role: p.role, PublicKey: publicOf(key), Proof: possession.Prove(key),
		})
		if p.role == "oracle" {
			g.OracleWeights = append(g.OracleWeights, genesis.OracleWeight{Market: "energy", Oracle: p.name, Weight: 10})
		}
	}
	for _, f := range change {
		f(&g)
	}
	r.genesis, err = genesis.Assemble(new(noise), g)
	if err != nil {
		t.Fatal(err)
	}
	r.m = r.fresh()
	return r
}

func (r *rig) fresh() *Machine {
	m, err := New(r.genesis)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// world is a rig after its first tick with funded payers and two meters.
func world(t testing.TB, change ...func(*genesis.Genesis)) *rig {
	r := newRig(t, change...)
	r.tick()
	r.must(
		r.threshold(&RegisterMeters{Market: "energy", Meters: []MeterRow{
			{Meter: "m-1", Provider: "sunny", Payer: "city", Capacity: 10_000, IntervalMs: 1_800_000, Decimals: 3},
			{Meter: "m-2", Provider: "windy", Payer: "village", Capacity: 10_000, IntervalMs: 1_800_000, Decimals: 3},
		}}),
		r.threshold(&Deposit{Account: "payer/city", Asset: "BLOCK", Amount: amount(1_000_000), Reference: "bank 1"}),
	)
	return r
}

func amount(v uint64) Amount { return Amount{Lo: v} }

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

// apply sends an entry the way a log does: encoded, then decoded.
func (r *rig) apply(e *Entry) *Result {
	r.t.Helper()
	if e.Number == 0 {
		e.Number = r.m.Number() + 1
	}
	if e.At == 0 {
		e.At = r.now
	}
	raw := e.Encode()
	r.log = append(r.log, raw)
	decoded, err := DecodeEntry(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	if again := decoded.Encode(); !bytes.Equal(raw, again) {
		r.t.Fatal("an entry does not encode as it was decoded")
	}
	VerifyCommands(rand.Reader, r.m.Keys(), decoded.Commands)
	r.last = r.m.Apply(raw, decoded)
	if r.last.Cut != nil {
		r.cut = r.last.Cut
	}
	return r.last
}

// send applies commands in one entry and returns their outcomes.
func (r *rig) send(commands ...*Command) []Outcome {
	r.t.Helper()
	return r.apply(&Entry{Commands: commands}).Outcomes
}

// must sends commands that have to be accepted.
func (r *rig) must(commands ...*Command) []Outcome {
	r.t.Helper()
	outcomes := r.send(commands...)
	for i, o := range outcomes {
		if o.Refusal != nil {
			r.t.Fatalf("%s %d: %v", o.Type, i, o.Refusal)
		}
	}
	return outcomes
}

func (r *rig) statements() []Statement {
	var out []Statement
	for i, key := range r.node[:2] {
		st := Statement{Node: uint8(i), At: r.now}
		message := StatementMessage(r.genesis.Cluster, eraZero, r.m.state.clock.tick+1, st.At)
		copy(st.Sig[:], ed25519.Sign(key, message))
		out = append(out, st)
	}
	return out
}

// cosigned collects the cosignatures of the newest cut, once.
func (r *rig) cosigned() *Cosigned {
	if r.cut == nil {
		return nil
	}
	c := &Cosigned{Cut: r.cut.Number}
	checkpoint := proof.Checkpoint{Origin: r.genesis.Origin(), Size: r.cut.Size, Root: r.cut.Root}
	for i, key := range r.cosigner[:2] {
		sig := Cosignature{Node: uint8(i), Time: uint64(r.now / 1000)}
		copy(sig.Sig[:], ed25519.Sign(key, proof.CosignedMessage(sig.Time, checkpoint)))
		c.Signatures = append(c.Signatures, sig)
	}
	r.cut = nil
	return c
}

// tick lets a tick with a cut pass.
func (r *rig) tick() *Result {
	r.t.Helper()
	return r.apply(&Entry{Statements: r.statements(), Cut: true, Cosigned: r.cosigned()})
}

// pass lets time go by, block for block.
func (r *rig) pass(blocks int) {
	r.t.Helper()
	for range blocks {
		r.now += int64(r.genesis.BlockMs)
		r.tick()
	}
}

func (r *rig) balance(id string) uint64 {
	r.t.Helper()
	account, ok := r.m.state.ledger.Account(accountID(id))
	if !ok {
		r.t.Fatalf("no account %s", id)
	}
	balance, _ := account.Balance()
	return balance.Lo
}

// twin is an independent machine in the same state.
func (r *rig) twin() *Machine {
	return &Machine{state: r.m.state.copy(), nodeKeys: r.m.nodeKeys, frozen: r.m.frozen, digest: r.m.digest}
}

func (r *rig) replay() *Machine {
	r.t.Helper()
	m := r.fresh()
	for _, raw := range r.log {
		e, _ := DecodeEntry(raw)
		m.Apply(raw, e)
	}
	return m
}

func keyIDFor(k ed25519.PrivateKey) KeyID {
	public := publicOf(k)
	return envelope.KeyIDOf(public[:])
}
