package treasury

import "github.com/tidwall/btree"

// The scopes of a pause. The set is closed.
const (
	ScopeTreasury = "treasury" // disbursements
	ScopeAll      = "all"      // disbursements, withdrawals and payouts
)

// scopes says what is paused.
type scopes struct{ treasury, all bool }

// Paused reports whether the treasury's windows stand still.
func (b *Book) Paused() bool { return b.paused.treasury || b.paused.all }

// PausedScopes lists the scopes that are paused.
func (b *Book) PausedScopes() (out []string) {
	if b.paused.all {
		out = append(out, ScopeAll)
	}
	if b.paused.treasury {
		out = append(out, ScopeTreasury)
	}
	return out
}

func (b *Book) refusePaused() *Refusal {
	return refuse(Paused, Field{"scope", b.PausedScopes()[0]})
}

func (b *Book) scope(name string) *bool {
	switch name {
	case ScopeTreasury:
		return &b.paused.treasury
	case ScopeAll:
		return &b.paused.all
	}
	return nil
}

// Pause stops a scope.
func (b *Book) Pause(scope string) *Refusal { return b.setPaused(scope, true) }

// Unpause lets a scope go on.
func (b *Book) Unpause(scope string) *Refusal { return b.setPaused(scope, false) }

func (b *Book) setPaused(scope string, paused bool) *Refusal {
	s := b.scope(scope)
	if s == nil {
		return malformed("scope", ReasonUnsupported)
	}
	if *s == paused {
		current, allowed := "running", "pause"
		if paused {
			current, allowed = "paused", "unpause"
		}
		return refuse(InvalidTransition, Field{"scope", scope}, Field{"current", current}, Field{"allowed", allowed})
	}

	*s = paused
	return nil
}

// spent is what was executed in one epoch, in all and to each destination.
type spent struct {
	epoch        uint64
	total        Amount
	destinations *btree.Map[AccountID, Amount]
}

func newSpent() spent { return spent{destinations: new(btree.Map[AccountID, Amount])} }

// in is what an epoch has used of its cap.
func (s *spent) in(epoch uint64) Amount {
	if s.epoch != epoch {
		return Amount{}
	}
	return s.total
}

// to is what an epoch has used of a destination's cap.
func (s *spent) to(epoch uint64, to AccountID) Amount {
	if s.epoch != epoch {
		return Amount{}
	}
	used, _ := s.destinations.Get(to)
	return used
}

// add uses caps. A rollback gives nothing back to them.
func (s *spent) add(epoch uint64, to AccountID, amount Amount) {
	if s.epoch != epoch {
		*s = newSpent()
		s.epoch = epoch
	}
	used, _ := s.destinations.Get(to)
	s.destinations.Set(to, used.Add(amount))
	s.total = s.total.Add(amount)
}
