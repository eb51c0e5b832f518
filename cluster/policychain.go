package cluster

import (
	"errors"
	"fmt"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// PolicyChain proves every change of the committee that this node can prove, from
// genesis on, with the policy that it ends with. A change can be proven once a
// checkpoint that includes its effect is published; it is in force before.
//
// Nothing of it is kept: the log holds the cosignatures of every transition in an
// entry's header, and any node can sign again with the log key.
func (n *Node) PolicyChain() ([]proof.Step, proof.Policy, error) {
	return n.policyChain(n.finality.published.Newest())
}

// policyChain proves the changes that a published checkpoint includes.
func (n *Node) policyChain(published cosign.Published) ([]proof.Step, proof.Policy, error) {
	view := n.View()
	last := view.PolicyAt(0)
	var changes []fsm.Change
	for _, c := range view.Changes() {
		if c.Standing == proof.PolicyEffective && c.Ended < published.Size {
			changes = append(changes, c)
			last = view.PolicyAt(c.Ended + 1)
		}
	}
	if len(changes) > 0 && n.journal.Size() < published.Size {
		return nil, proof.Policy{}, ErrIncomplete
	}
	steps := make([]proof.Step, len(changes))
	// Each effect lies under the transition of the next change, which is the same
	// committee's, and the last one under the newest note.
	size, note := published.Size, published.Note
	for i := len(changes) - 1; i >= 0; i-- {
		c := changes[i]
		effective, err := n.proveUnder(c.Ended, size, note)
		if err == nil {
			size = c.Cut.Size
			note, err = n.transition(view, c)
		}
		if err == nil {
			steps[i].Decided, err = n.proveUnder(c.Decided, size, note)
		}
		if err != nil {
			return nil, proof.Policy{}, fmt.Errorf("prove change %d of the committee: %w", c.Number, err)
		}
		steps[i].Effective = effective
	}
	return steps, last, nil
}

// proveUnder makes a receipt file under a given note.
func (n *Node) proveUnder(i, size uint64, note []byte) ([]byte, error) {
	leaf, err := n.Leaf(i)
	if err != nil {
		return nil, err
	}
	path, err := n.journal.ProveRecord(size, i)
	if err != nil {
		return nil, err
	}
	return proof.FormatProof(leaf, i, path, note), nil
}

// transition is the note that brought a change into effect, made again from the entry
// header that carried its cosignatures.
func (n *Node) transition(view *fsm.View, c fsm.Change) ([]byte, error) {
	leaf, err := n.Leaf(c.Header)
	if err != nil {
		return nil, err
	}
	if len(leaf) == 0 || leaf[0] != fsm.LeafHeader {
		return nil, fmt.Errorf("leaf %d is no entry header", c.Header)
	}
	header, _, err := fsm.DecodeHeader(leaf[1:])
	if err != nil {
		return nil, err
	}
	if header.Cosigned == nil {
		return nil, errors.New("the entry header has no cosignatures")
	}
	cp := n.finality.checkpoint(c.Cut)
	line, err := proof.SignLog(cp.Origin, n.finality.logKey, cp)
	if err != nil {
		return nil, err
	}
	var cosigned []proof.Cosignature
	for _, s := range header.Cosigned.Signatures {
		m, known := view.Member(s.Node)
		if !known {
			return nil, fmt.Errorf("nobody has seat %d", s.Node)
		}
		cosigned = append(cosigned, proof.MadeBy(view.Genesis().CosignerName(m.Node), m.CosignerKey, s.Time, s.Sig))
	}
	return proof.Assemble(cp, line, cosigned), nil
}
