package genesis

import (
	"fmt"
	"io"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
)

// Assemble completes a genesis whose people, nodes and rows are filled in: it
// makes the log key, seals it to every node and forgets it, and computes k. The
// result waits for the nodes' signatures. Random must be a cryptographic source.
func Assemble(random io.Reader, g Genesis) (*Signed, error) {
	public, logKey, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("making the log key: %w", err)
	}
	g.Cosigners = CosignersFor(len(g.Nodes), g.Faulty)
	g.LogKey = [32]byte(public)
	g.SealedLogKeys = nil
	for _, n := range g.Nodes {
		sealed, err := SealLogKey(random, logKey, n)
		if err != nil {
			return nil, err
		}
		g.SealedLogKeys = append(g.SealedLogKeys, sealed)
	}
	return Unsigned(g)
}

// Sign adds a node's signature, or replaces the one it has.
func (s *Signed) Sign(nodeKey ed25519.PrivateKey) error {
	index, ok := s.NodeIndex([32]byte(nodeKey.Public().(ed25519.PublicKey)))
	if !ok {
		return fmt.Errorf("genesis of cluster %s has no node with this key", s.ClusterID())
	}
	return s.Add(envelope.Sign(nodeKey, PayloadType, s.Envelope.Payload), s.Nodes[index])
}

// Add takes in a signature that a node made elsewhere.
func (s *Signed) Add(sig envelope.Signature, n Node) error {
	probe := envelope.Envelope{PayloadType: PayloadType, Payload: s.Envelope.Payload, Signatures: []envelope.Signature{sig}}
	if err := checkSigned(probe, n.NodeKey); err != nil {
		return fmt.Errorf("signature of node %s: %w", n.Name, err)
	}
	for i := range s.Envelope.Signatures {
		if s.Envelope.Signatures[i].KeyID == sig.KeyID {
			s.Envelope.Signatures[i] = sig
			return nil
		}
	}
	s.Envelope.Signatures = append(s.Envelope.Signatures, sig)
	return nil
}
