package transport

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm/genesis"
)

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

// testGenesis is a signed genesis of three nodes that nobody runs.
func testGenesis(t testing.TB, name string) *genesis.Signed {
	t.Helper()
	g, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.CreatedAt, g.AdminThreshold = name, 1_764_000_000_000, 1
	for i := range 3 {
		node := fmt.Sprintf("node-%c", 'a'+i)
		g.Nodes = append(g.Nodes, genesis.Node{
			Name: node, NodeKey: publicOf(testKey(node)), CosignerKey: publicOf(testKey(node + " cosigner")),
			SealingKey:  publicOf(testKey(node + " sealing")),
			PeerAddress: fmt.Sprintf("127.0.0.1:%d", 7000+i), APIAddress: fmt.Sprintf("https://%s.example:8443", node),
		})
	}
	for _, p := range []struct{ name, role string }{{"alice", genesis.RoleAdmin}, {"oracle-a", genesis.RoleOracle}, {"ada", genesis.RoleAuditor}} {
		key := testKey(p.name)
		possession := genesis.Possession{Principal: p.name, Role: p.role, Key: publicOf(key)}
		g.Principals = append(g.Principals, genesis.Principal{
			Principal: p.name, Role: p.role, PublicKey: publicOf(key), Proof: possession.Prove(key),
		})
	}
	g.OracleWeights = []genesis.OracleWeight{{Market: "energy", Oracle: "oracle-a", Weight: 1}}
	signed, err := genesis.Assemble(rand.Reader, g)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := signed.Sign(testKey(fmt.Sprintf("node-%c", 'a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	return signed
}

// closedDoor is a door without a node behind it, for what must not get that far.
func closedDoor(t testing.TB, limits Limits) *Door {
	t.Helper()
	g := testGenesis(t, "closed")
	c, err := Config{
		Genesis: g, NodeKey: testKey("node-a"), Dir: t.TempDir(), PublicReads: true, Limits: limits,
		Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	}.normal()
	if err != nil {
		t.Fatal(err)
	}
	return newDoor(c)
}
