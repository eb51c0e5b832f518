package cluster

import (
	"testing"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Commands go in at any node, and come out final and provable at every node.
func TestSubmitAnywhere(t *testing.T) {
	c := newCommittee(t).startAll()
	for i := range c.members {
		answers := c.must(i, c.deposits(string(rune('x'+i)), 20)...)
		for _, a := range answers {
			receipt := a.Outcome.Receipts[0]
			for j, m := range c.members {
				c.final(j, receipt+1)
				r, err := m.Receipt(receipt)
				if err != nil {
					t.Fatalf("node %d: %v", j, err)
				}
				if _, err := proof.VerifyProof(c.genesis.Policy(), r.File); err != nil {
					t.Fatalf("node %d: receipt %d: %v", j, receipt, err)
				}
			}
		}
	}
	for i := range c.members {
		if got := c.balance(i); got != 60_000 {
			t.Errorf("node %d: balance %d, want 60000", i, got)
		}
	}
	c.agree()
}
