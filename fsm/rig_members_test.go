package fsm

import (
	"fmt"
	"slices"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// newcomer is a node that genesis does not name. Its place makes its addresses.
func newcomer(name string, place int) genesis.Node {
	return genesis.Node{
		Name: name, NodeKey: publicOf(testKey(name)), CosignerKey: publicOf(testKey(name + " cosigner")), SealingKey: publicOf(testKey(name + " sealing")),
		PeerAddress: fmt.Sprintf("127.0.0.1:%d", 7000+place), APIAddress: fmt.Sprintf("https://127.0.0.1:%d", 8000+place),
	}
}

// replacement lets a new node join in the place of an old one.
func (r *rig) replacement(old string, n genesis.Node) *ReplaceNode {
	r.t.Helper()
	e, err := genesis.SignNode(n, testKey(n.Name), testKey(n.Name+" cosigner"))
	if err != nil {
		r.t.Fatal(err)
	}
	return &ReplaceNode{Old: old, Node: statementOf(e), SealedLogKey: sealedFor(n.Name)}
}

func statementOf(e envelope.Envelope) genesis.NodeStatement {
	return genesis.NodeStatement{Payload: e.Payload, NodeSignature: e.Signatures[0].Sig, CosignerSignature: e.Signatures[1].Sig}
}

// sealedFor has the form of a sealed log key; nobody opens it here.
func sealedFor(name string) genesis.SealedKey {
	return genesis.SealedKey{Node: name, Enc: slices.Repeat([]byte{7}, 32), Ciphertext: slices.Repeat([]byte{9}, 48)}
}

// seated gives the rig the keys of those who got a seat.
func (r *rig) seated() {
	for _, m := range r.m.state.members[len(r.node):] {
		r.node, r.cosigner = append(r.node, testKey(m.Name)), append(r.cosigner, testKey(m.Name+" cosigner"))
	}
}
