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
	// AlarmConservation: a walk over the whole ledger found money made or lost.
	AlarmConservation = "ledger_out_of_balance"
)

// localAlarms is the set of alarms that this node has raised by itself.
type localAlarms struct {
	mu      sync.Mutex
	reasons []string
}

func (a *localAlarms) raise(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.reasons, reason) {
		a.reasons = append(a.reasons, reason)
	}
}

func (a *localAlarms) clear(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reasons = slices.DeleteFunc(a.reasons, func(r string) bool { return r == reason })
}

func (a *localAlarms) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.reasons)
}
