package vectors

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/cloudflare/circl/dh/x25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// chainFile is chain.json: a policy chain after one change of the committee.
type chainFile struct {
	Chain    string            `json:"chain"`
	Terms    []termOf          `json:"terms"`
	NodeKeys map[string]string `json:"node_keys"`
	Receipts []judgedReceipt   `json:"receipts"`
	Bad      []badText         `json:"bad_chains"`
	BadFiles []badReceipt      `json:"bad_receipts"`
}

type termOf struct {
	From   uint64 `json:"from"`
	Policy string `json:"policy"`
}

type judgedReceipt struct {
	Name      string   `json:"name"`
	Size      uint64   `json:"size"`
	Cosigners []string `json:"cosigners"`
	File      string   `json:"file"`
}

// newcomer is a node that genesis does not name, with its statement.
func newcomer(t *testing.T, w *world, name string) *fsm.ReplaceNode {
	t.Helper()
	sealing, secret := x25519.Key{}, x25519.Key(seedOf(name+" sealing"))
	x25519.KeyGen(&sealing, &secret)
	n := genesis.Node{
		Name: name, NodeKey: publicOf(keyOf(name)), CosignerKey: publicOf(keyOf(name + " cosigner")), SealingKey: sealing,
		PeerAddress: name + ".example:7101", APIAddress: "https://" + name + ".example:7201",
	}
	statement, err := genesis.SignNode(n, keyOf(name), keyOf(name+" cosigner"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := w.genesis.OpenLogKey("node-a", seedOf("node-a sealing"))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := genesis.SealLogKey(new(stream), log, n)
	if err != nil {
		t.Fatal(err)
	}
	return &fsm.ReplaceNode{Old: "node-c", SealedLogKey: sealed, Node: genesis.NodeStatement{
		Payload: statement.Payload, NodeSignature: statement.Signatures[0].Sig, CosignerSignature: statement.Signatures[1].Sig,
	}}
}

// change is a world whose node-c was replaced by node-d, and the files that show it.
type change struct {
	*world
	decided, lonely, effective, stale []byte
	before                            []byte // a receipt from before, under the old committee's note
}

func replaced(t *testing.T) *change {
	c := &change{world: newWorld(t)}
	c.before = c.receipt(c.leafOf(fsm.KindSettlement), "node-b", "node-c")
	c.must(c.threshold(newcomer(t, c.world, "node-d")))
	c.now += 1_000
	c.tick() // a cut that includes the decision
	decision := c.leafOf(fsm.KindPolicy)
	c.decided = c.receipt(decision, "node-a", "node-b", "node-d")
	c.lonely = c.receipt(decision, "node-a", "node-b")
	cosigned := &fsm.Cosigned{Cut: c.cut.Number}
	for _, seat := range []uint8{0, 1, 3} {
		made := c.cosign("node-" + string('a'+rune(seat)))
		cosigned.Signatures = append(cosigned.Signatures, fsm.Cosignature{Node: seat, Time: made.Time, Sig: made.Sig})
	}
	c.now += 1_000
	c.tickCosigned(cosigned)
	c.now += 1_000
	c.tick() // a cut that includes the effect
	effect := c.leafOf(fsm.KindPolicy)
	c.effective = c.receipt(effect, "node-b", "node-d")
	c.stale = c.receipt(effect, "node-a", "node-c")
	return c
}

func TestVectorsChain(t *testing.T) {
	c := replaced(t)
	good := proof.Step{Decided: c.decided, Effective: c.effective}
	h, err := proof.VerifyChain(c.genesis.Policy(), []proof.Step{good})
	if err != nil {
		t.Fatal(err)
	}
	cases := chainFile{Chain: string(proof.FormatChain([]proof.Step{good})), NodeKeys: map[string]string{}}
	for _, term := range h.Terms() {
		cases.Terms = append(cases.Terms, termOf{term.From, string(term.Policy.Format())})
	}
	for _, n := range h.Newest().Nodes {
		cases.NodeKeys[n.Node] = hex.EncodeToString(n.NodeKey[:])
	}
	for _, r := range []judgedReceipt{{Name: "from before the change", File: string(c.before)}, {Name: "from after it", File: string(c.effective)}} {
		v, err := h.VerifyProof([]byte(r.File))
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		r.Size, r.Cosigners = v.Checkpoint.Size, v.Cosigners
		cases.Receipts = append(cases.Receipts, r)
	}
	for _, b := range badChains(c, good) {
		steps, err := proof.ParseChain([]byte(b.Text))
		if err == nil {
			_, err = proof.VerifyChain(c.genesis.Policy(), steps)
		}
		if err == nil {
			t.Errorf("chain %q is taken for good", b.Name)
		}
		cases.Bad = append(cases.Bad, b)
	}
	if _, err := h.VerifyProof(c.stale); err == nil {
		t.Error("a node that was replaced counts")
	}
	cases.BadFiles = []badReceipt{{"cosigned by a node that was replaced", proof.PartPolicy, string(c.stale)}}
	document(t, "chain.json", cases)
}

func badChains(c *change, good proof.Step) []badText {
	of := func(steps ...proof.Step) string { return string(proof.FormatChain(steps)) }
	whole := of(good)
	altered := proof.Step{Decided: bytes.Replace(good.Decided, []byte("extra "), []byte("extra A"), 1), Effective: good.Effective}
	return []badText{
		{"another version", "the first line names the format", strings.Replace(whole, " v1\n", " v2\n", 1)},
		{"cut short", "a file is shorter than its step says", whole[:len(whole)-1]},
		{"something behind it", "what follows a step is a step", whole + "more\n"},
		{"altered decision", "the decision does not verify under the policy before it", of(altered)},
		{"no decision", "the first file of a step is of a pending change", of(proof.Step{Decided: good.Effective, Effective: good.Effective})},
		{"no effect", "the second file says that the change took effect", of(proof.Step{Decided: good.Decided, Effective: good.Decided})},
		{"the new node has not cosigned", "two committees and the new node bring a change into effect", of(proof.Step{Decided: c.lonely, Effective: good.Effective})},
		{"effect under the old committee", "only the committee after a change can say that it took effect", of(proof.Step{Decided: good.Decided, Effective: c.stale})},
		{"twice", "a decision is about the policy just before it", of(good, good)},
	}
}
