package genesis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// NodePayloadType is the payload type of a node statement.
const NodePayloadType = "application/vnd.tallyvault.node.v1+json"

// Node is what a committee knows of one node.
type Node struct {
	// Name identifies the node in Raft, in policies and in reports.
	Name string `json:"name"`
	// NodeKey signs genesis, clock statements and transport certificates.
	NodeKey [32]byte `json:"node_key"`
	// CosignerKey signs checkpoints and nothing else.
	CosignerKey [32]byte `json:"cosigner_key"`
	// SealingKey (X25519) receives the log key.
	SealingKey [32]byte `json:"sealing_key"`
	// PeerAddress is host:port of the port where nodes talk to each other.
	PeerAddress string `json:"peer_address"`
	// APIAddress is the https URL of the node's public API.
	APIAddress string `json:"api_address"`
}

// KeyID is the id of the node key.
func (n Node) KeyID() envelope.KeyID { return envelope.KeyIDOf(n.NodeKey[:]) }

// SignNode makes a node statement, signed by both keys.
func SignNode(n Node, nodeKey, cosignerKey ed25519.PrivateKey) (envelope.Envelope, error) {
	if string(nodeKey.Public().(ed25519.PublicKey)) != string(n.NodeKey[:]) ||
		string(cosignerKey.Public().(ed25519.PublicKey)) != string(n.CosignerKey[:]) {
		return envelope.Envelope{}, errors.New("node statement names other keys than those that sign it")
	}
	if err := n.validate(); err != nil {
		return envelope.Envelope{}, err
	}
	e := envelope.Envelope{PayloadType: NodePayloadType, Payload: strict.Encode(n)}
	e.Signatures = []envelope.Signature{
		envelope.Sign(nodeKey, e.PayloadType, e.Payload),
		envelope.Sign(cosignerKey, e.PayloadType, e.Payload),
	}
	return e, nil
}

// ParseNode reads a node statement and checks both signatures.
func ParseNode(data []byte) (Node, error) {
	e, err := envelope.Parse(data)
	if err != nil {
		return Node{}, err
	}
	if e.PayloadType != NodePayloadType {
		return Node{}, fmt.Errorf("payload type %q is not a node statement", e.PayloadType)
	}
	n, err := decodeNode(e.Payload)
	if err != nil {
		return n, err
	}
	for what, raw := range n.signers() {
		if err := checkSigned(e, raw); err != nil {
			return n, fmt.Errorf("node statement of %s: %s key: %w", n.Name, what, err)
		}
	}
	return n, nil
}

// signers yields the two keys that must have signed, the node key first.
func (n Node) signers() func(yield func(string, [32]byte) bool) {
	return func(yield func(string, [32]byte) bool) {
		if yield("node", n.NodeKey) {
			yield("cosigner", n.CosignerKey)
		}
	}
}

// checkSigned reports whether the envelope has a good signature by the key.
func checkSigned(e envelope.Envelope, raw [32]byte) error {
	key, err := signature.CheckPublicKey(raw)
	if err != nil {
		return err
	}
	id := envelope.KeyIDOf(raw[:])
	for i := range e.Signatures {
		if e.Signatures[i].KeyID != id {
			continue
		}
		if !key.Verify(e.PAE(), &e.Signatures[i].Sig) {
			return fmt.Errorf("signature by %s does not verify", id)
		}
		return nil
	}
	return fmt.Errorf("signature by %s is missing", id)
}

func (n Node) validate() error {
	if !validName(n.Name) {
		return fmt.Errorf("node name %q: want a lower-case letter, then letters, digits, '-', '_' or '.', at most 64", n.Name)
	}
	for _, k := range []struct {
		what string
		raw  [32]byte
	}{{"node_key", n.NodeKey}, {"cosigner_key", n.CosignerKey}} {
		if _, err := signature.CheckPublicKey(k.raw); err != nil {
			return fmt.Errorf("%s: %w", k.what, err)
		}
	}
	if n.NodeKey == n.CosignerKey {
		return errors.New("node_key and cosigner_key are the same key")
	}
	if n.SealingKey == ([32]byte{}) {
		return errors.New("sealing_key is zero")
	}
	if host, port, ok := strings.Cut(n.PeerAddress, ":"); !ok || host == "" || port == "" || !validAddress(n.PeerAddress) {
		return fmt.Errorf("peer_address %q: want host:port", n.PeerAddress)
	}
	if !strings.HasPrefix(n.APIAddress, "https://") || !validAddress(n.APIAddress) {
		return fmt.Errorf("api_address %q: want an https:// URL", n.APIAddress)
	}
	return nil
}

// validAddress reports whether s can stand in a line of a policy file: printable
// ASCII without spaces.
func validAddress(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= maxAddress
}

// validName reports whether s is an id: [a-z][a-z0-9._-]{0,63}.
func validName(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}
