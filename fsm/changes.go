package fsm

import (
	"slices"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Change is one change of the committee: decided by the admins, then in effect or
// given up.
type Change struct {
	// Number counts changes from 1.
	Number uint64
	// Old and New are the seats of the replaced and of the joining node.
	Old, New uint8
	// Standing is one of the standings of a policy receipt.
	Standing string
	// Decided is the leaf of the receipt that made it pending, Ended that of the one
	// that ended it, 0 while it is pending.
	Decided, Ended uint64
	// Cut is the one whose cosignatures brought the change into effect, and Header
	// the leaf of the entry header that holds them.
	Cut    Cut
	Header uint64
}

// Changes are all changes of the committee so far, in order.
func (v *View) Changes() []Change { return v.state.changes }

// Pending is the change that waits to take effect, if there is one.
func (v *View) Pending() (Change, bool) {
	if c := v.state.pending(); c != nil {
		return *c, true
	}
	return Change{}, false
}

func (s *state) pending() *Change {
	if n := len(s.changes); n > 0 && s.changes[n-1].Standing == proof.PolicyPending {
		return &s.changes[n-1]
	}
	return nil
}

// wantsCut reports whether a cut is wanted. A change of the committee takes effect
// with a cut, so one goes on being wanted while it is pending.
func (s *state) wantsCut() bool { return s.dirty || s.pending() != nil }

// replaceNode lets a new node join in the place of an active one. Nothing counts
// differently until takeEffect.
func (a *apply) replaceNode(b *ReplaceNode) ([]Field, *Refusal) {
	old, n, refusal := a.s.checkReplacement(b)
	if refusal != nil {
		return nil, refusal
	}

	if pending := a.s.pending(); pending != nil {
		a.giveUp(proof.PolicySuperseded)
	}
	joining := Member{Node: n, From: NoEnd, Until: NoEnd, SealedLogKey: &b.SealedLogKey}
	if err := a.s.seat(joining); err != nil {
		panic("fsm: a node was checked and has no seat: " + err.Error())
	}
	change := Change{
		Number: uint64(len(a.s.changes)) + 1, Old: old.Seat, New: uint8(len(a.s.members) - 1),
		Standing: proof.PolicyPending, Decided: a.s.edge.Size(),
	}
	a.s.changes = append(slices.Clone(a.s.changes), change)
	a.policyReceipt(change, a.s.committeeAfter(change))
	return []Field{{"old", old.Name}, {"new", n.Name}, number("seat", uint64(change.New)), number("change", change.Number)}, nil
}

// cancelReplacement gives up the pending change.
func (a *apply) cancelReplacement(b *CancelReplacement) ([]Field, *Refusal) {
	m, known := a.s.memberNamed(b.Node)
	if !known {
		return nil, refuse(NotFound, Field{"kind", "node"}, Field{"id", clip(b.Node)})
	}
	if m.Standing() != Joining {
		return nil, refuse(InvalidTransition, Field{"node", m.Name}, Field{"current", m.Standing()}, Field{"allowed", Joining})
	}

	change := a.giveUp(proof.PolicyCancelled)
	return []Field{{"node", m.Name}, number("change", change.Number)}, nil
}

// giveUp ends the pending change without effect. The joining node's seat is spent.
func (a *apply) giveUp(standing string) Change {
	change := a.endChange(standing)
	a.s.changeMember(change.New, func(m *Member) { m.Until = change.Ended + 1 })
	a.policyReceipt(change, a.s.committee())
	return change
}

// endChange closes the pending change with the next leaf.
func (a *apply) endChange(standing string) Change {
	change := *a.s.pending()
	change.Standing, change.Ended = standing, a.s.edge.Size()
	a.keepChange(change)
	return change
}

func (a *apply) keepChange(c Change) {
	a.s.changes = slices.Clone(a.s.changes)
	a.s.changes[c.Number-1] = c
}

// takeEffect brings the pending change into effect if the cut that was cosigned
// includes the decision and the new node has cosigned it: that is its proof that it
// caught up and computed the same root. An accepted header has k of the committee at
// that size; with the new node in the place of at most one of them, k of the committee
// after it too.
//
// It does so only with a tick, of which a leader has one in flight at a time: the
// statements of the next one are collected when this is applied.
func (a *apply) takeEffect(cut Cut, c *Cosigned) {
	pending := a.s.pending()
	if pending == nil || len(a.entry.Statements) == 0 || cut.Size <= pending.Decided {
		return
	}
	if !slices.ContainsFunc(c.Signatures, func(sig Cosignature) bool { return sig.Node == pending.New }) {
		return
	}
	change := a.endChange(proof.PolicyEffective)
	change.Cut, change.Header = cut, a.result.FirstLeaf
	a.keepChange(change)
	a.s.changeMember(change.Old, func(m *Member) { m.Until = change.Ended + 1 })
	a.s.changeMember(change.New, func(m *Member) { m.From = change.Ended + 1 })
	a.policyReceipt(change, a.s.committee())
}

// committee are the active members, in order of seats.
func (s *state) committee() []Member {
	var active []Member
	for _, m := range s.members {
		if m.Standing() == Active {
			active = append(active, m.Member)
		}
	}
	return active
}

// committeeAfter are the active members once a pending change is in effect.
func (s *state) committeeAfter(c Change) []Member {
	var after []Member
	for _, m := range s.members {
		if m.Seat == c.New || m.Standing() == Active && m.Seat != c.Old {
			after = append(after, m.Member)
		}
	}
	return after
}

func nodesOf(members []Member) []genesis.Node {
	nodes := make([]genesis.Node, len(members))
	for i, m := range members {
		nodes[i] = m.Node
	}
	return nodes
}

// policyReceipt states the policy that a change leads to, or leaves.
func (a *apply) policyReceipt(c Change, committee []Member) {
	s := a.s
	body := &PolicyReceipt{
		ReceiptHead: a.head(KindPolicy), Change: c.Number, Standing: c.Standing,
		Old: s.members[c.Old].Name, New: s.members[c.New].Name, Decided: c.Decided,
		Previous: s.policyAt(c.Decided).Hash(), Policy: s.genesis.PolicyOf(nodesOf(committee)).Hash(),
		Cosigners: s.genesis.Cosigners,
	}
	if c.Standing == proof.PolicyEffective {
		body.Transition = &proof.Transition{Cut: c.Cut.Number, Size: c.Cut.Size, Root: c.Cut.Root}
	}
	for _, m := range committee {
		body.Nodes = append(body.Nodes, proof.PolicyNode{
			Seat: m.Seat, Node: m.Name, NodeKey: m.NodeKey, CosignerKey: m.CosignerKey,
			PeerAddress: m.PeerAddress, APIAddress: m.APIAddress,
		})
	}
	a.receipt(KindPolicy, body)
}
