package cluster

import (
	"errors"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// chained demands that node i proves so many changes of the committee to somebody who
// knows genesis alone, and that the chain judges every leaf's proof on that node.
func (c *committee) chained(i, changes int, leaves ...uint64) {
	c.t.Helper()
	n := c.members[i]
	c.eventually("the changes can be proven", func() error {
		steps, policy, err := n.PolicyChain()
		if err != nil {
			return err
		}
		if len(steps) < changes || policy.Hash() != n.View().Policy().Hash() {
			return errors.New("not all can be")
		}
		return nil
	})
	steps, _, err := n.PolicyChain()
	if err != nil {
		c.t.Fatal(err)
	}
	steps, err = proof.ParseChain(proof.FormatChain(steps))
	if err != nil {
		c.t.Fatal(err)
	}
	h, err := proof.VerifyChain(c.genesis.Policy(), steps)
	if err != nil {
		c.t.Fatal(err)
	}
	if len(steps) != changes || h.Newest().Policy.Hash() != n.View().Policy().Hash() {
		c.t.Errorf("node %d proves %d changes, up to size %d", i, len(steps), h.Newest().From)
	}
	for _, term := range h.Terms() {
		if term.Policy.Hash() != n.View().PolicyAt(term.From).Hash() {
			c.t.Errorf("from size %d on, the chain and the state judge by other policies", term.From)
		}
	}
	for _, leaf := range leaves {
		c.final(i, leaf+1)
		r, err := n.Receipt(leaf)
		if err != nil {
			c.t.Fatal(err)
		}
		if _, err := h.VerifyProof(r.File); err != nil {
			c.t.Errorf("leaf %d under %d leaves: %v", leaf, r.Size, err)
		}
	}
}
