package fsm

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/genesis"
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
	cut      *Cut  // waits for its cosignatures
	states   []int // seats whose clocks the leader asks
	cosigns  []int // seats whose cosignatures the leader collects
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
	r.states, r.cosigns = []int{0, 1}, []int{0, 1}
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
