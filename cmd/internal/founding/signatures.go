package founding

import (
	"errors"
	"fmt"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/signature"
)

// Verdict says what is known of one node's signature under a genesis.
type Verdict string

// The verdicts.
const (
	Good    Verdict = "good"
	Missing Verdict = "missing"
	Wrong   Verdict = "wrong" // there, but not one over this payload
)

// Signature is the verdict about one node.
type Signature struct {
	Node    string
	KeyID   envelope.KeyID
	Verdict Verdict
}

// Signatures judges every node's signature, in the order of the genesis, and
// refuses a file that carries one of a key that is no node's or two of one.
func Signatures(s *genesis.Signed) ([]Signature, error) {
	found := map[envelope.KeyID]envelope.Signature{}
	for _, sig := range s.Envelope.Signatures {
		if _, twice := found[sig.KeyID]; twice {
			return nil, fmt.Errorf("the genesis carries two signatures by key %s", sig.KeyID)
		}
		found[sig.KeyID] = sig
	}
	list := make([]Signature, 0, len(s.Nodes))
	for _, n := range s.Nodes {
		verdict := Missing
		if sig, ok := found[n.KeyID()]; ok {
			delete(found, n.KeyID())
			good, err := verifies(s, n, sig)
			if err != nil {
				return nil, err
			}
			verdict = Wrong
			if good {
				verdict = Good
			}
		}
		list = append(list, Signature{Node: n.Name, KeyID: n.KeyID(), Verdict: verdict})
	}
	for id := range found {
		return nil, fmt.Errorf("the genesis carries a signature by key %s, which is no node's", id)
	}
	return list, nil
}

func verifies(s *genesis.Signed, n genesis.Node, sig envelope.Signature) (bool, error) {
	key, err := signature.CheckPublicKey(n.NodeKey)
	if err != nil {
		return false, fmt.Errorf("key of node %s: %w", n.Name, err)
	}
	return key.Verify(s.Envelope.PAE(), &sig.Sig), nil
}

// ErrSigned says that the key has signed this genesis before.
var ErrSigned = errors.New("this node has signed the genesis already")

// Sign adds the signature of a node's key. A wrong one of the same key is
// replaced; for a good one the answer is ErrSigned.
func Sign(s *genesis.Signed, key ed25519.PrivateKey) (*genesis.Signed, error) {
	i, ok := s.NodeIndex([32]byte(key.Public().(ed25519.PublicKey)))
	if !ok {
		return nil, fmt.Errorf("the genesis of cluster %s names no node with the key %s: only its nodes sign it",
			s.ClusterID(), envelope.KeyIDOf(key.Public().(ed25519.PublicKey)))
	}
	own := envelope.Sign(key, s.Envelope.PayloadType, s.Envelope.Payload)
	var others []envelope.Signature
	for _, sig := range s.Envelope.Signatures {
		if sig == own {
			return nil, fmt.Errorf("node %s: %w", s.Nodes[i].Name, ErrSigned)
		}
		if sig.KeyID != own.KeyID {
			others = append(others, sig)
		}
	}
	return withSignatures(s, append(others, own))
}

// Merge joins the signatures under copies of one genesis. The result has them in
// the order of the nodes. Copies of different payloads are refused, and so is
// one with a wrong signature: part says which of the copies it was.
func Merge(copies ...*genesis.Signed) (merged *genesis.Signed, part int, err error) {
	if len(copies) == 0 {
		return nil, 0, errors.New("nothing to merge")
	}
	first := copies[0]
	all := map[envelope.KeyID]envelope.Signature{}
	for i, c := range copies {
		if c.Hash != first.Hash {
			return nil, i, fmt.Errorf("it is another genesis: its short hash is %s, that of the first %s", c.ShortHash(), first.ShortHash())
		}
		verdicts, err := Signatures(c)
		if err != nil {
			return nil, i, err
		}
		for _, v := range verdicts {
			if v.Verdict == Wrong {
				return nil, i, fmt.Errorf("the signature of node %s does not verify", v.Node)
			}
		}
		for _, sig := range c.Envelope.Signatures {
			all[sig.KeyID] = sig
		}
	}
	var ordered []envelope.Signature
	for _, n := range first.Nodes {
		if sig, ok := all[n.KeyID()]; ok {
			ordered = append(ordered, sig)
		}
	}
	merged, err = withSignatures(first, ordered)
	return merged, 0, err
}

func withSignatures(s *genesis.Signed, signatures []envelope.Signature) (*genesis.Signed, error) {
	e := s.Envelope
	e.Signatures = signatures
	return genesis.FromEnvelope(e)
}
