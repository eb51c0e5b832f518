package cluster

import (
	"github.com/tallyvault/tallyvault/cluster/snapshot"
	"github.com/tallyvault/tallyvault/fsm"
)

// bases are the states that this node's snapshots can begin with. Views share what
// they have in common with the newest state, so keeping a few costs little more than
// what has changed since.
type bases struct {
	proven  snapshot.Base   // the newest whose digest is known to be final
	waiting []snapshot.Base // stated in a receipt, not known to be final yet
	owed    *fsm.View       // frozen, and stated in no receipt yet
}

// keptWaiting is how many stated bases wait. The first of them is final first; when
// there are more, the last gives way, because the newest is the one to have once all
// are.
const keptWaiting = 2

// observe notes what one entry froze or stated, and reports whether a digest was stated.
func (b *bases) observe(r *fsm.Result) (stated bool) {
	if r.Cut == nil {
		return false
	}
	for _, receipt := range r.Receipts {
		cut, ok := receipt.Body.(*fsm.CutReceipt)
		if !ok || cut.Digest == nil || b.owed == nil {
			continue
		}
		if len(b.waiting) == keptWaiting {
			b.waiting = b.waiting[:keptWaiting-1]
		}
		b.waiting = append(b.waiting, snapshot.Base{View: b.owed, Digest: cut.Digest.Value, Leaf: receipt.Leaf})
		b.owed = nil
		stated = true
	}
	if r.Frozen != nil {
		b.owed = r.Frozen
	}
	return stated
}

// settle takes the newest base whose receipt is among the first final leaves.
func (b *bases) settle(final uint64) {
	for len(b.waiting) > 0 && b.waiting[0].Leaf < final {
		b.proven, b.waiting = b.waiting[0], b.waiting[1:]
	}
}
