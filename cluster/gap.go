package cluster

import "github.com/tallyvault/tallyvault/fsm"

// maxHeldBytes bounds the leaves that wait in memory until the journal's gap is
// filled. When more come, they too are fetched from peers.
const maxHeldBytes = 32 << 20

// A gap is what lies between the end of the journal and a state that came as a
// snapshot. Only the backfill writes to the journal while there is one.
type gap struct {
	target *fsm.View     // the state that the journal must be filled up to
	held   []*fsm.Result // of the entries applied since, in order
	bytes  int
}

// hold keeps what an entry produced, or moves the target past it. The replica's
// lock is held.
func (g *gap) hold(result *fsm.Result, view func() *fsm.View) {
	for _, leaf := range result.Leaves {
		g.bytes += len(leaf)
	}
	g.held = append(g.held, result)
	if g.bytes > maxHeldBytes {
		g.target, g.held, g.bytes = view(), nil, 0
	}
}

// openGap is the state to fill the journal up to, or nil.
func (r *replica) openGap() *fsm.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gap == nil {
		return nil
	}
	return r.gap.target
}

// closeGap hands the journal back to Apply, if it was filled up to the gap's
// target and that has not moved meanwhile.
func (r *replica) closeGap(filled *fsm.View) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gap == nil || r.gap.target != filled {
		return false, nil
	}
	if err := r.closeHeld(); err != nil {
		return false, err
	}
	r.opened.fire()
	return true, nil
}

// closeHeld writes what waits behind a gap's target and closes it. The lock is held.
func (r *replica) closeHeld() error {
	for _, result := range r.gap.held {
		if err := record(r.journal, result); err != nil {
			return err
		}
	}
	r.gap = nil
	return nil
}
