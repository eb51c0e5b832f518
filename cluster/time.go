package cluster

import (
	"time"
)

const (
	// clockApart is by how much this node's clock may differ from the committee's
	// before it raises an alarm: a tenth of the skew that readings are allowed.
	clockApart = 30 * time.Second
	// clockApartFor is for how long ticks must say so. What a node hears at once after
	// it was cut off or paused is old, and as soon over.
	clockApartFor = 2 * time.Second
)

// heardTime is what the newest tick said that it is, and when this node heard it.
type heardTime struct {
	median int64 // unix ms
	at     time.Time
}

// hearTime compares this node's clock with what the committee states at a tick. What
// was in Raft's log at the start, or comes while this node catches up, is no news of
// the time. It runs on Raft's goroutine.
func (n *Node) hearTime(a *applied) {
	if r := n.raft.Load(); a.index <= n.replayed.Load() || r == nil || r.CommitIndex() > a.index+readyLag {
		return
	}
	h := &heardTime{median: a.view.Median(), at: time.Now()}
	n.heard.Store(h)
	apart := n.config.Clock().Sub(time.UnixMilli(h.median))
	n.measures.ClockAhead(apart)
	if apart.Abs() <= clockApart {
		n.apart = time.Time{}
		n.alarms.clear(AlarmClock)
		return
	}
	if n.apart.IsZero() {
		n.apart = h.at
	}
	if h.at.Sub(n.apart) >= clockApartFor && n.alarms.raise(AlarmClock) {
		n.config.Logger.Error("this node's clock and the committee's differ", "ahead", apart,
			"here", n.config.Clock().UTC().Format(time.RFC3339), "committee", time.UnixMilli(h.median).UTC().Format(time.RFC3339))
	}
}

// Clock is this node's own clock, right or wrong.
func (n *Node) Clock() time.Time { return n.config.Clock() }

// Time is this node's clock, held to the committee's as far as it was heard: at least
// what the newest tick stated and what has passed since, and at most the allowance
// more. A node that has heard no tick since it started has only its own.
func (n *Node) Time() time.Time {
	own, h := n.config.Clock(), n.heard.Load()
	if h == nil {
		return own
	}
	least := time.UnixMilli(h.median).Add(time.Since(h.at))
	most := least.Add(time.Duration(n.config.Genesis.AllowanceMs) * time.Millisecond)
	switch {
	case own.Before(least):
		return least
	case own.After(most):
		return most
	}
	return own
}
