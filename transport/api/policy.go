package api

import (
	"encoding/json"
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// PolicyChain is what somebody needs to check evidence from the genesis hash on.
type PolicyChain struct {
	Facts
	Genesis json.RawMessage `json:"genesis" doc:"the signed genesis envelope, as a DSSE document"`
	Hash    string          `json:"genesis_hash" doc:"SHA-256 of its payload"`
	Changes []PolicyChange  `json:"changes" doc:"every change of the committee, oldest first; the answering node's word"`
	Chain   string          `json:"chain" doc:"the proof of those that are in effect and under a checkpoint: tallyvault-policy-chain v1"`
	Policy  string          `json:"policy" doc:"the policy that the chain leads to, as text"`
}

// PolicyChange is a change of the committee and where it stands.
type PolicyChange struct {
	Change   Uint64  `json:"change" doc:"its number, from 1"`
	Old      string  `json:"old" doc:"the node that is replaced"`
	New      string  `json:"new" doc:"the node that takes its place"`
	Standing string  `json:"standing" enum:"pending,effective,cancelled,superseded"`
	Decided  Uint64  `json:"decided" doc:"leaf of the receipt of the decision"`
	Ended    *Uint64 `json:"ended,omitempty" doc:"leaf of the receipt that ended its being pending; a checkpoint that includes that of an effect is judged by the new policy"`
}

// History verifies the chain from a genesis on.
func (c PolicyChain) History(g *genesis.Signed) (*proof.History, error) {
	steps, err := proof.ParseChain([]byte(c.Chain))
	if err != nil {
		return nil, err
	}
	return proof.VerifyChain(g.Policy(), steps)
}

// NodeKeys finds the node key of a node of the committee.
type NodeKeys func(node string) ([32]byte, bool)

// KeysOf are the node keys that a genesis names.
func KeysOf(g *genesis.Signed) NodeKeys {
	return func(node string) ([32]byte, bool) {
		n, ok := g.NodeNamed(node)
		return n.NodeKey, ok
	}
}

// KeysIn are the node keys of the committee that a chain leads to, which is genesis'
// as long as nothing has changed.
func KeysIn(h *proof.History, g *genesis.Signed) NodeKeys {
	newest := h.Newest()
	if newest.Nodes == nil {
		return KeysOf(g)
	}
	return func(node string) ([32]byte, bool) {
		for _, n := range newest.Nodes {
			if n.Node == node {
				return n.NodeKey, true
			}
		}
		return [32]byte{}, false
	}
}

// UnknownNodeError says that a statement is by a node that is not of the committee as
// far as it is known.
type UnknownNodeError struct{ Node string }

func (e *UnknownNodeError) Error() string {
	return fmt.Sprintf("pins are for node %q, which is not known to be of the committee", e.Node)
}
