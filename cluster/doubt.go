package cluster

import (
	"bytes"
	"errors"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
)

// A leader is not believed either. What it answers to a forwarded command is passed
// on at once, since waiting for this node's own Apply would cost every caller a round
// trip; it is compared with this node's own outcome as soon as there is one.

// doubt looks at a leader's answer to a forwarded command. An outcome that this node
// has already computed differently is not passed on.
func (n *Node) doubt(leader string, a Answer) Answer {
	if a.Outcome == nil {
		if _, unknown := errors.AsType[*UnknownOutcome](a.Err); !unknown {
			n.forwards.done(a.ID)
		}
		return a
	}
	n.forwards.claim(a.Outcome)
	if a.Outcome.Entry > n.View().Number() {
		return a
	}
	n.forwards.done(a.ID)
	if n.holds(a.Outcome) {
		return a
	}
	n.accuse(leader, a.Outcome)
	return Answer{ID: a.ID, Err: &UnknownOutcome{ID: a.ID}}
}

// settled compares what was applied with what the leader claimed before.
func (n *Node) settled(o *fsm.Outcome) {
	s := n.forwards.done(o.ID)
	if s.claimed == nil || s.claimed.Ordinal == o.Ordinal && bytes.Equal(s.claimed.Record(), o.Record()) {
		return
	}
	// A repetition is answered with the outcome that stands.
	if !n.holds(s.claimed) {
		n.accuse(s.leader, s.claimed)
	}
}

// holds reports whether an outcome of an entry that is applied here is in the journal.
func (n *Node) holds(o *fsm.Outcome) bool {
	record, err := n.journal.Outcome(o.Ordinal)
	if err == nil {
		return bytes.Equal(record, o.Record())
	}
	if _, outside := errors.AsType[*journal.RangeError](err); !outside {
		n.fail(err)
	}
	// What lies in the journal's gap cannot be compared.
	return !n.replica.complete()
}

// accuse says that the leader told what is not true.
func (n *Node) accuse(leader string, o *fsm.Outcome) {
	n.alarms.raise(AlarmAnswer)
	n.config.Logger.Error("the leader answered with an outcome that this node did not compute",
		"leader", leader, "command", o.ID.String(), "entry", o.Entry, "ordinal", o.Ordinal)
}
