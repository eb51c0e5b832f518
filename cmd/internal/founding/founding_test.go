package founding

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/statement"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// member is a node with its private keys.
type member struct {
	node    genesis.Node
	key     ed25519.PrivateKey
	sealing keyfile.Key
}

func committee(t *testing.T, n int) []member {
	t.Helper()
	var members []member
	for i := range n {
		var keys []keyfile.Key
		for _, kind := range []keyfile.Kind{keyfile.Ed25519, keyfile.Ed25519, keyfile.X25519} {
			k, err := keyfile.Generate(kind, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, k)
		}
		members = append(members, member{
			node: genesis.Node{
				Name: fmt.Sprintf("node-%d", i), NodeKey: keys[0].Public, CosignerKey: keys[1].Public, SealingKey: keys[2].Public,
				PeerAddress: fmt.Sprintf("127.0.0.1:%d", 7000+i), APIAddress: fmt.Sprintf("https://127.0.0.1:%d", 8000+i),
			},
			key: keys[0].Ed25519(), sealing: keys[2],
		})
	}
	return members
}

func principal(t *testing.T, name, role string) genesis.Principal {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := statement.New(key, [16]byte{}, name, role)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Founder()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func plan(t *testing.T, members []member) Plan {
	t.Helper()
	preset, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	p := Plan{
		Name: "test", Preset: preset, AdminThreshold: 1,
		Principals:    []genesis.Principal{principal(t, "alice", "admin"), principal(t, "oracle-a", "oracle")},
		OracleWeights: []genesis.OracleWeight{{Market: "energy", Oracle: "oracle-a", Weight: 1}},
	}
	for _, m := range members {
		p.Nodes = append(p.Nodes, m.node)
	}
	return p
}

func assemble(t *testing.T, p Plan) *genesis.Signed {
	t.Helper()
	s, err := Assemble(p, time.UnixMilli(1_760_000_000_000), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verdicts(t *testing.T, s *genesis.Signed) string {
	t.Helper()
	list, err := Signatures(s)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, v := range list {
		words = append(words, string(v.Verdict))
	}
	return strings.Join(words, " ")
}

func TestFromStatementsToSignedByAll(t *testing.T) {
	members := committee(t, 3)
	s := assemble(t, plan(t, members))
	for _, m := range members {
		key, err := s.OpenLogKey(m.node.Name, m.sealing.Seed)
		if err != nil {
			t.Fatal(err)
		}
		if string(key.Public().(ed25519.PublicKey)) != string(s.LogKey[:]) {
			t.Error("a node opened another log key than genesis names")
		}
	}
	// Each signs a copy of her own; the copies come together afterwards.
	var copies []*genesis.Signed
	for _, m := range members {
		signed, err := Sign(s, m.key)
		if err != nil {
			t.Fatal(err)
		}
		copies = append(copies, signed)
	}
	if got := verdicts(t, copies[1]); got != "missing good missing" {
		t.Errorf("verdicts %q", got)
	}
	merged, _, err := Merge(copies[2], copies[0], copies[1], copies[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := merged.CheckSigned(); err != nil {
		t.Error(err)
	}
	if got := verdicts(t, merged); got != "good good good" {
		t.Errorf("verdicts %q", got)
	}
	if _, err := Sign(merged, members[0].key); !errors.Is(err, ErrSigned) {
		t.Errorf("signing twice: %v", err)
	}
}

func TestCommitteeSizesGiveThresholds(t *testing.T) {
	one := uint32(1)
	for _, test := range []struct {
		nodes  int
		faulty *uint32
		f, k   uint32
	}{{3, nil, 0, 2}, {5, nil, 1, 4}, {7, nil, 2, 5}, {7, &one, 1, 5}} {
		p := plan(t, committee(t, test.nodes))
		p.Faulty = test.faulty
		s := assemble(t, p)
		if s.Faulty != test.f || s.Cosigners != test.k {
			t.Errorf("%d nodes: f=%d k=%d, want %d and %d", test.nodes, s.Faulty, s.Cosigners, test.f, test.k)
		}
	}
}

func TestAssembleRefuses(t *testing.T) {
	tests := []struct {
		name, want string
		change     func(*Plan)
	}{
		{"no nodes", "without nodes", func(p *Plan) { p.Nodes = nil }},
		{"four nodes", "3, 5 or 7", func(p *Plan) { p.Nodes = append(p.Nodes, committee(t, 1)[0].node) }},
		{"same node twice", "twice", func(p *Plan) { p.Nodes[1] = p.Nodes[0] }},
		{"threshold above admins", "admin_threshold", func(p *Plan) { p.AdminThreshold = 2 }},
		{"weight for nobody", "no oracle principal", func(p *Plan) { p.OracleWeights[0].Oracle = "alice" }},
		{"weight in no market", "weight of oracle-a", func(p *Plan) { p.OracleWeights[0].Market = "storage" }},
		{"market row out of range", "quorum_threshold_ppm", func(p *Plan) { p.Preset.Markets[0].QuorumThresholdPpm = 400_000 }},
		{"too many liars", "bear at most", func(p *Plan) { one := uint32(1); p.Faulty = &one }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := plan(t, committee(t, 3))
			test.change(&p)
			_, err := Assemble(p, time.UnixMilli(1_760_000_000_000), rand.Reader)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestForeignAndWrongSignaturesAreNamed(t *testing.T) {
	members := committee(t, 3)
	s := assemble(t, plan(t, members))
	if _, err := Sign(s, committee(t, 1)[0].key); err == nil || !strings.Contains(err.Error(), "no node with the key") {
		t.Errorf("a stranger signed: %v", err)
	}
	signed, err := Sign(s, members[0].key)
	if err != nil {
		t.Fatal(err)
	}
	wrong := *signed
	wrong.Envelope.Signatures = append(wrong.Envelope.Signatures[:0:0], wrong.Envelope.Signatures...)
	wrong.Envelope.Signatures[0].Sig[5] ^= 1
	if got := verdicts(t, &wrong); got != "wrong missing missing" {
		t.Errorf("verdicts %q", got)
	}
	_, part, err := Merge(signed, &wrong)
	if err == nil || part != 1 || !strings.Contains(err.Error(), "node-0") {
		t.Errorf("merging a wrong signature: part %d, %v", part, err)
	}
	// Whoever has the right key can mend what was damaged on the way.
	mended, err := Sign(&wrong, members[0].key)
	if err != nil || verdicts(t, mended) != "good missing missing" {
		t.Errorf("mending: %v", err)
	}
	foreign := *signed
	foreign.Envelope.Signatures = append(foreign.Envelope.Signatures[:1:1], signed.Envelope.Signatures[0])
	foreign.Envelope.Signatures[1].KeyID[0] ^= 1
	if _, err := Signatures(&foreign); err == nil || !strings.Contains(err.Error(), "no node's") {
		t.Errorf("a foreign signature: %v", err)
	}
	foreign.Envelope.Signatures[1].KeyID[0] ^= 1
	if _, err := Signatures(&foreign); err == nil || !strings.Contains(err.Error(), "two signatures") {
		t.Errorf("a signature twice: %v", err)
	}
	other := assemble(t, plan(t, members))
	if _, part, err := Merge(signed, other); err == nil || part != 1 || !strings.Contains(err.Error(), "another genesis") {
		t.Errorf("merging two payloads: part %d, %v", part, err)
	}
}
