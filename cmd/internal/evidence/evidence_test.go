package evidence

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cmd/internal/founding"
	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/statement"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/transport/api"
)

// cluster is a signed genesis with all private keys.
type cluster struct {
	genesis   *genesis.Signed
	cosigners []ed25519.PrivateKey
	log       ed25519.PrivateKey
}

func generate(t *testing.T, kind keyfile.Kind) keyfile.Key {
	t.Helper()
	k, err := keyfile.Generate(kind, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	preset, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := statement.New(generate(t, keyfile.Ed25519).Ed25519(), [16]byte{}, "alice", "admin")
	if err != nil {
		t.Fatal(err)
	}
	founder, err := admin.Founder()
	if err != nil {
		t.Fatal(err)
	}
	plan := founding.Plan{Name: "test", Preset: preset, AdminThreshold: 1, Principals: []genesis.Principal{founder}}
	var c cluster
	var nodeKeys []ed25519.PrivateKey
	var sealing keyfile.Key
	for i := range 3 {
		node, cosigner, s := generate(t, keyfile.Ed25519), generate(t, keyfile.Ed25519), generate(t, keyfile.X25519)
		plan.Nodes = append(plan.Nodes, genesis.Node{
			Name: fmt.Sprintf("node-%d", i), NodeKey: node.Public, CosignerKey: cosigner.Public, SealingKey: s.Public,
			PeerAddress: fmt.Sprintf("127.0.0.1:%d", 7000+i), APIAddress: fmt.Sprintf("https://127.0.0.1:%d", 8000+i),
		})
		nodeKeys, c.cosigners, sealing = append(nodeKeys, node.Ed25519()), append(c.cosigners, cosigner.Ed25519()), s
	}
	if c.genesis, err = founding.Assemble(plan, time.Now(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	for _, k := range nodeKeys {
		if c.genesis, err = founding.Sign(c.genesis, k); err != nil {
			t.Fatal(err)
		}
	}
	if c.log, err = c.genesis.OpenLogKey("node-2", sealing.Seed); err != nil {
		t.Fatal(err)
	}
	return c
}

// receipt makes a receipt file for one leaf among others, cosigned by so many.
func (c cluster) receipt(t *testing.T, leaf []byte, cosigners int) []byte {
	t.Helper()
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var list []tlog.Hash
		for _, i := range indexes {
			list = append(list, hashes[i])
		}
		return list, nil
	})
	for i, l := range [][]byte{[]byte("a"), leaf, []byte("b")} {
		stored, err := tlog.StoredHashes(int64(i), l, reader)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, stored...)
	}
	root, err := tlog.TreeHash(3, reader)
	if err != nil {
		t.Fatal(err)
	}
	path, err := tlog.ProveRecord(3, 1, reader)
	if err != nil {
		t.Fatal(err)
	}
	cp := proof.Checkpoint{Origin: c.genesis.Origin(), Size: 3, Root: root}
	line, err := proof.SignLog(cp.Origin, c.log, cp)
	if err != nil {
		t.Fatal(err)
	}
	var cosigned []proof.Cosignature
	for i := range cosigners {
		cosigned = append(cosigned, proof.Cosign(c.genesis.CosignerName(c.genesis.Nodes[i]), c.cosigners[i], 1_760_000_000, cp))
	}
	return proof.FormatProof(leaf, 1, path, proof.Assemble(cp, line, cosigned))
}

func (c cluster) chain(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(api.PolicyChain{
		Genesis: c.genesis.Envelope.JSON(), Hash: fmt.Sprintf("%x", c.genesis.Hash), Changes: []api.PolicyChange{},
		Chain: string(proof.FormatChain(nil)), Policy: string(c.genesis.Policy().Format()),
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var release = strict.Encode(fsm.ReleaseReceipt{ReceiptHead: fsm.ReceiptHead{Kind: fsm.KindRelease, Entry: 4}, Market: "energy", Settlement: 3, Provider: "pv-1", Asset: "BLOCK"})

func TestBothBasesVerifyTheSame(t *testing.T) {
	c := newCluster(t)
	file := c.receipt(t, release, 2)
	byFile, err := FromPolicy(c.genesis.Policy().Format(), "policy")
	if err != nil {
		t.Fatal(err)
	}
	byHash, err := FromChain(c.chain(t), c.genesis.Hash)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []Basis{byFile, byHash} {
		r, err := b.Verify(file, words.Reader{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind != fsm.KindRelease || r.Index != 1 || len(r.Cosigners) != 2 || !strings.Contains(r.Words, "Settlement 3") {
			t.Errorf("verified %+v", r)
		}
	}
	if !strings.Contains(byFile.Assumes, "believed, not checked") || !strings.Contains(byHash.Assumes, c.genesis.ShortHash()) {
		t.Errorf("assumes %q and %q", byFile.Assumes, byHash.Assumes)
	}
	if !strings.Contains(byFile.Rule(), "2 of node-0, node-1, node-2") {
		t.Errorf("rule %q", byFile.Rule())
	}
}

func wantPart(t *testing.T, err error, part proof.Part) {
	t.Helper()
	refused, ok := errors.AsType[*proof.Error](err)
	if !ok || refused.Part != part {
		t.Errorf("error %v, want one about the %s", err, part)
	}
}

func TestRefusalsNameThePart(t *testing.T) {
	c := newCluster(t)
	b, err := FromPolicy(c.genesis.Policy().Format(), "policy")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Verify(c.receipt(t, release, 1), words.Reader{})
	wantPart(t, err, proof.PartPolicy)
	_, err = b.Verify(c.receipt(t, []byte("not a receipt"), 2), words.Reader{})
	wantPart(t, err, proof.PartLeaf)
	_, err = b.Verify([]byte("nonsense"), words.Reader{})
	wantPart(t, err, proof.PartHeader)
	_, err = FromPolicy([]byte("log nothing\n"), "policy")
	wantPart(t, err, proof.PartPolicy)
}

func TestChainRefuses(t *testing.T) {
	c, other := newCluster(t), newCluster(t)
	_, err := FromChain(c.chain(t), other.genesis.Hash)
	wantPart(t, err, proof.PartPolicy)
	_, err = FromChain([]byte("{"), c.genesis.Hash)
	wantPart(t, err, proof.PartPolicy)

	var chain api.PolicyChain
	if err := json.Unmarshal(c.chain(t), &chain); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*api.PolicyChain){
		"another policy":      func(p *api.PolicyChain) { p.Policy = string(other.genesis.Policy().Format()) },
		"no chain":            func(p *api.PolicyChain) { p.Chain = "" },
		"a step of nothing":   func(p *api.PolicyChain) { p.Chain += "step 0 0\n" },
		"a genesis half-done": func(p *api.PolicyChain) { p.Genesis = halfSigned(c.genesis) },
	} {
		changed := chain
		change(&changed)
		text, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := FromChain(text, c.genesis.Hash); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantPart(t, err, proof.PartPolicy)
		}
	}
}

func halfSigned(g *genesis.Signed) []byte {
	e := g.Envelope
	e.Signatures = e.Signatures[:1]
	return e.JSON()
}
