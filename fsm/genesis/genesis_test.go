package genesis

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

func sealing(name string) (secret, open [32]byte) {
	s := x25519.Key(sha256.Sum256([]byte(name + " sealing")))
	var p x25519.Key
	x25519.KeyGen(&p, &s)
	return s, p
}

// noise is a fixed stream, so that a genesis is the same in every run.
type noise struct{ n byte }

func (r *noise) Read(p []byte) (int, error) {
	for i := range p {
		r.n = r.n*167 + 13
		p[i] = r.n
	}
	return len(p), nil
}

func node(name string, port int) Node {
	_, sealingKey := sealing(name)
	return Node{
		Name: name, NodeKey: public(key(name)), CosignerKey: public(key(name + " cosigner")), SealingKey: sealingKey,
		PeerAddress: fmt.Sprintf("127.0.0.1:%d", port), APIAddress: fmt.Sprintf("https://127.0.0.1:%d", port+1000),
	}
}

func principal(name, role string) Principal {
	p := Possession{Principal: name, Role: role, Key: public(key(name))}
	return Principal{Principal: name, Role: role, PublicKey: p.Key, Proof: p.Prove(key(name))}
}

func draft(t *testing.T, nodes int) Genesis {
	t.Helper()
	g, err := Preset(ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.CreatedAt, g.AdminThreshold = "test", 1_764_000_000_000, 2
	g.Faulty = DefaultFaulty(nodes)
	for i := range nodes {
		g.Nodes = append(g.Nodes, node(fmt.Sprintf("node-%c", 'a'+i), 7000+i))
	}
	g.Principals = []Principal{principal("alice", RoleAdmin), principal("bob", RoleAdmin), principal("oracle-a", RoleOracle)}
	g.OracleWeights = []OracleWeight{{"energy", "oracle-a", 1}}
	return g
}

func signed(t *testing.T, nodes int) *Signed {
	t.Helper()
	s, err := Assemble(new(noise), draft(t, nodes))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Nodes {
		if err := s.Sign(key(n.Name)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestThresholds(t *testing.T) {
	for _, test := range []struct{ n, f, k int }{{3, 0, 2}, {5, 1, 4}, {7, 2, 5}} {
		s := signed(t, test.n)
		if int(s.Faulty) != test.f || int(s.Cosigners) != test.k {
			t.Errorf("n=%d: f=%d k=%d, want %d and %d", test.n, s.Faulty, s.Cosigners, test.f, test.k)
		}
		if err := s.CheckSigned(); err != nil {
			t.Error(err)
		}
	}
}

// Every byte of a signed genesis file counts: whatever is changed is refused,
// or changes nothing.
func TestEveryByteCounts(t *testing.T) {
	s := signed(t, 3)
	file := s.Envelope.JSON()
	for i := 0; i < len(file); i += 3 {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		g, err := Parse(changed)
		if err != nil {
			continue
		}
		if err := g.CheckSigned(); err == nil && (g.Hash != s.Hash || !bytes.Equal(g.Envelope.JSON(), file)) {
			t.Fatalf("byte %d (%q) changed: accepted", i, file[i])
		}
	}
}

func TestLogKeyOpensForItsNodeOnly(t *testing.T) {
	s := signed(t, 3)
	a, _ := sealing("node-a")
	b, _ := sealing("node-b")
	logKey, err := s.OpenLogKey("node-a", a)
	if err != nil || public(logKey) != s.LogKey {
		t.Fatal(err)
	}
	if _, err := s.OpenLogKey("node-a", b); err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("another node's key: %v", err)
	}
	if _, err := s.OpenLogKey("node-z", a); err == nil {
		t.Error("a node that is not there")
	}
}

func TestSignaturesOfStrangersAreRefused(t *testing.T) {
	s := signed(t, 3)
	if err := s.Sign(key("stranger")); err == nil {
		t.Error("a stranger signed")
	}
	s.Envelope.Signatures = append(s.Envelope.Signatures, envelope.Sign(key("stranger"), PayloadType, s.Envelope.Payload))
	if err := s.CheckSigned(); err == nil || !strings.Contains(err.Error(), "beyond its 3 nodes") {
		t.Errorf("extra signature: %v", err)
	}
	s.Envelope.Signatures = s.Envelope.Signatures[:2]
	if err := s.CheckSigned(); err == nil || !strings.Contains(err.Error(), "node-c") {
		t.Errorf("missing signature: %v", err)
	}
	if missing := s.Missing(); len(missing) != 1 || missing[0] != "node-c" {
		t.Errorf("missing %v", missing)
	}
}

func TestValidation(t *testing.T) {
	tests := []struct {
		name   string
		change func(g *Genesis)
		want   string
	}{
		{"four nodes", func(g *Genesis) { g.Nodes = append(g.Nodes, node("node-d", 7100)) }, "3, 5 or 7"},
		{"one name twice", func(g *Genesis) { g.Nodes[1].Name = "node-a" }, "twice"},
		{"one key twice", func(g *Genesis) { g.Nodes[1].CosignerKey = g.Nodes[0].CosignerKey }, "twice"},
		{"too many liars", func(g *Genesis) { g.Faulty = 1 }, "bear at most 0"},
		{"no admins enough", func(g *Genesis) { g.AdminThreshold = 3 }, "admin_threshold"},
		{"threshold zero", func(g *Genesis) { g.AdminThreshold = 0 }, "admin_threshold"},
		{"proof of another role", func(g *Genesis) { g.Principals[0].Role = RoleOracle }, "proof of possession"},
		{"weight for an admin", func(g *Genesis) { g.OracleWeights[0].Oracle = "alice" }, "no oracle"},
		{"short windows in production", func(g *Genesis) { g.Profile = ProfileProduction }, "under 24 h"},
		{"unknown profile", func(g *Genesis) { g.Profile = "toy" }, "profile"},
		{"no name", func(g *Genesis) { g.Name = "" }, "name"},
		{"plain http", func(g *Genesis) { g.Nodes[0].APIAddress = "http://x" }, "https"},
		{"small-order key", func(g *Genesis) { g.Nodes[0].NodeKey = [32]byte{1} }, "small order"},
		{"name with a line break", func(g *Genesis) { g.Name = "test\nn=7 nodes" }, "name"},
		{"name that reads backwards", func(g *Genesis) { g.Name = "test \u202etset" }, "name"},
		{"microseconds", func(g *Genesis) { g.CreatedAt *= 1_000 }, "created_at"},
		{"address with a line", func(g *Genesis) { g.Nodes[0].APIAddress = "https://x\nwitness y" }, "api_address"},
		{"peer address with a space", func(g *Genesis) { g.Nodes[0].PeerAddress = "x y:1" }, "peer_address"},
		{"node named as a keyword", func(g *Genesis) { g.Nodes[0].Name = "none" }, "reserved"},
		{"epoch of nothing", func(g *Genesis) { g.EpochBlocks = 0 }, "epoch_blocks"},
	}
	for _, test := range tests {
		g := draft(t, 3)
		test.change(&g)
		if _, err := Assemble(new(noise), g); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// Every node holds the log key: were it a cosigner's or an admin's as well, each node
// could sign for two.
func TestLogKeyIsNobodyElses(t *testing.T) {
	for who, key := range map[string][32]byte{
		"a node": public(key("node-b")), "a cosigner": public(key("node-c cosigner")), "an admin": public(key("alice")), "an oracle": public(key("oracle-a")),
	} {
		g := signed(t, 3).Genesis
		g.LogKey = key
		if _, err := Unsigned(g); err == nil || !strings.Contains(err.Error(), "log_key") {
			t.Errorf("the log key is that of %s: %v", who, err)
		}
	}
	g := signed(t, 3).Genesis
	for what, raw := range map[string][32]byte{"of small order": {1}, "no point": {2}} {
		g.LogKey = raw
		if _, err := Unsigned(g); err == nil || !strings.Contains(err.Error(), "log_key") {
			t.Errorf("the log key is %s: %v", what, err)
		}
	}
}

func TestNodeStatement(t *testing.T) {
	n := node("node-a", 7000)
	e, err := SignNode(n, key("node-a"), key("node-a cosigner"))
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ParseNode(e.JSON()); err != nil || back != n {
		t.Errorf("%+v, %v", back, err)
	}
	half := e
	half.Signatures = e.Signatures[:1]
	if _, err := ParseNode(half.JSON()); err == nil || !strings.Contains(err.Error(), "cosigner key") {
		t.Errorf("without the cosigner's signature: %v", err)
	}
	if _, err := SignNode(n, key("node-b"), key("node-a cosigner")); err == nil {
		t.Error("signed by another key")
	}
}

func TestPolicyRoundTrips(t *testing.T) {
	s := signed(t, 3)
	p, err := proof.ParsePolicy(s.Policy().Format())
	if err != nil {
		t.Fatal(err)
	}
	if p.Origin != s.Origin() || p.K != 2 || len(p.Witnesses) != 3 {
		t.Errorf("policy %+v", p)
	}
}

func TestWords(t *testing.T) {
	words := signed(t, 5).Words()
	for _, want := range []string{
		"n=5 nodes, f=1 may lie, k=4 must cosign", "With 2 nodes down it still commits but cannot finalise",
		"Any one admin cannot", "Any two admins CAN", "Any two nodes cannot cosign", "25 minor units of BLOCK per kWh", "Signed by all 5 nodes",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("words lack %q:\n%s", want, words)
		}
	}
}

func FuzzParse(f *testing.F) {
	s, err := Assemble(new(noise), Genesis{})
	if err == nil {
		f.Add(s.Envelope.JSON())
	}
	f.Add([]byte(`{"payloadType":"` + PayloadType + `","payload":"e30=","signatures":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := Parse(data); err == nil {
			if _, err := Parse(s.Envelope.JSON()); err != nil {
				t.Fatalf("own JSON refused: %v", err)
			}
		}
	})
}

func FuzzParseNode(f *testing.F) {
	e, err := SignNode(node("node-a", 7000), key("node-a"), key("node-a cosigner"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.JSON())
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, err := ParseNode(data); err == nil && n.validate() != nil {
			t.Fatal("accepted an invalid node")
		}
	})
}
