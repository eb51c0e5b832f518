package cluster

import (
	"slices"
	"sync"
)

// Reasons of local alarms: what this node alone has noticed. They keep it from
// being ready, and people must look.
const (
	// AlarmEvidence: a peer cosigned another root than this node computed.
	AlarmEvidence = "contradicting_cosignature"
	// AlarmForward: what this node forwarded to the leader is not applied in time.
	AlarmForward = "forwarded_not_applied"
	// AlarmClock: this node's clock and the committee's differ. Either it is this one
	// that is wrong, or the leader holds time back.
	AlarmClock = "clock_differs"
	// AlarmAnswer: the leader answered with an outcome that this node did not compute,
	// or with a read index behind what is committed.
	AlarmAnswer = "false_answer_of_leader"
	// AlarmConservation: a walk over the whole ledger found money made or lost.
	AlarmConservation = "ledger_out_of_balance"
	// AlarmBooks: receipts and the ledger disagree.
	AlarmBooks = "books_disagree"
	// AlarmSnapshot: a leader sent a snapshot that does not prove itself.
	AlarmSnapshot = "refused_snapshot"
)

// localAlarms is the set of alarms that this node has raised by itself.
type localAlarms struct {
	mu      sync.Mutex
	reasons []string
}

// raise reports whether the alarm is new.
func (a *localAlarms) raise(reason string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.reasons, reason) {
		return false
	}
	a.reasons = append(a.reasons, reason)
	return true
}

func (a *localAlarms) clear(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reasons = slices.DeleteFunc(a.reasons, func(r string) bool { return r == reason })
}

// broken reports whether this node found money made or lost. Then it signs nothing any
// more; it can still be read.
func (a *localAlarms) broken() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.reasons, AlarmConservation) || slices.Contains(a.reasons, AlarmBooks)
}

func (a *localAlarms) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.reasons)
}
