package genesis

import (
	"errors"
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// NodeStatement is a signed node statement as a command carries it: the payload's
// exact bytes with the signatures of both keys, so that whoever reads the command
// can verify that their owner asked for exactly this node.
type NodeStatement struct {
	Payload           []byte   `json:"payload" doc:"the payload of node.json, in hex"`
	NodeSignature     [64]byte `json:"node_signature"`
	CosignerSignature [64]byte `json:"cosigner_signature"`
}

// ErrNotSigned says that a node statement lacks a good signature by one of the keys
// that it names.
var ErrNotSigned = errors.New("not signed by both keys that it names")

// Open parses and validates the statement and verifies both signatures. An error
// that is not ErrNotSigned is about the content.
func (s *NodeStatement) Open() (Node, error) {
	n, err := decodeNode(s.Payload)
	if err != nil {
		return Node{}, err
	}
	message := envelope.PAE(NodePayloadType, s.Payload)
	for _, by := range []struct {
		raw [32]byte
		sig *[signature.Size]byte
	}{{n.NodeKey, &s.NodeSignature}, {n.CosignerKey, &s.CosignerSignature}} {
		key, err := signature.CheckPublicKey(by.raw)
		if err != nil {
			return Node{}, err
		}
		if !key.Verify(message, by.sig) {
			return Node{}, ErrNotSigned
		}
	}
	return n, nil
}

// ReadNodeStatement takes a node statement out of its file, for a command.
func ReadNodeStatement(file []byte) (NodeStatement, Node, error) {
	n, err := ParseNode(file)
	if err != nil {
		return NodeStatement{}, Node{}, err
	}
	e, err := envelope.Parse(file)
	if err != nil {
		return NodeStatement{}, Node{}, err
	}
	s := NodeStatement{Payload: e.Payload}
	for _, sig := range e.Signatures {
		switch sig.KeyID {
		case envelope.KeyIDOf(n.NodeKey[:]):
			s.NodeSignature = sig.Sig
		case envelope.KeyIDOf(n.CosignerKey[:]):
			s.CosignerSignature = sig.Sig
		}
	}
	return s, n, nil
}

func decodeNode(payload []byte) (Node, error) {
	var n Node
	if err := strict.Decode(payload, &n); err != nil {
		return n, fmt.Errorf("node statement: %w", err)
	}
	if err := n.validate(); err != nil {
		return n, fmt.Errorf("node statement: %w", err)
	}
	return n, nil
}
