package words

import (
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// replaceNode says which machine leaves and which one comes: its keys are what an
// admin compares with the operator before signing.
func replaceNode(b *fsm.ReplaceNode) []string {
	lines := []string{fmt.Sprintf("Puts a new node in the place of node %s, which then counts no more, for ever.", name(b.Old))}
	n, err := b.Node.Open()
	if err != nil {
		return append(lines, fmt.Sprintf("The statement of the new node is not good (%+q): the cluster would refuse this command.", err))
	}
	// The statement holds names and addresses to plain ASCII without spaces.
	return append(lines,
		fmt.Sprintf("The new node is %s. Compare its keys with its operator:", n.Name),
		fmt.Sprintf("  node key     %x", n.NodeKey),
		fmt.Sprintf("  cosigner key %x", n.CosignerKey),
		fmt.Sprintf("  sealing key  %x", n.SealingKey),
		fmt.Sprintf("  peers at     %s", n.PeerAddress),
		fmt.Sprintf("  API at       %s", n.APIAddress),
		fmt.Sprintf("Hands it the journal's log key, sealed to %s.", name(b.SealedLogKey.Node)),
		"It takes effect once the new node has caught up and enough nodes of both committees have cosigned the same checkpoint.")
}

func cancelReplacement(b *fsm.CancelReplacement) []string {
	return []string{fmt.Sprintf("Gives up the joining of node %s: the committee stays as it is, and the name and the keys of %s are spent.", name(b.Node), name(b.Node))}
}

// policyChange says where a change of the committee stands.
func policyChange(b *fsm.PolicyReceipt) []string {
	lines := []string{fmt.Sprintf("Change %d of the committee, node %s in the place of %s: %s.", b.Change, b.New, b.Old, map[string]string{
		proof.PolicyPending:    "decided; it waits for a checkpoint that both committees have cosigned",
		proof.PolicyEffective:  "in effect for all checkpoints that include this receipt",
		proof.PolicyCancelled:  "cancelled; nothing changes",
		proof.PolicySuperseded: "superseded by another one; nothing changes",
	}[b.Standing])}
	if t := b.Transition; t != nil {
		lines = append(lines, fmt.Sprintf("Both committees cosigned cut %d: %s leaves, root %s.", t.Cut, grouped(t.Size), t.Root))
	}
	var committee []string
	for _, n := range b.Nodes {
		committee = append(committee, n.Node)
	}
	return append(lines, fmt.Sprintf("The committee it leads to: %d of %s. Policy %x, before it %x.", b.Cosigners, strings.Join(names(committee), ", "), b.Policy, b.Previous))
}
