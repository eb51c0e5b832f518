package agent

import (
	"cmp"
	"slices"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

// maxWaiting bounds how many readings of a market wait for references. What comes
// beyond it is judged at once.
const maxWaiting = 10_000

// vote decides on readings, each meter's in order of measuring. It returns the
// votes in order of number and the readings that wait for a reference; abstentions
// are left out. What was decided is in w.said, to be said alike if it must be said
// again, and in the decisions that it returns.
func (w *watcher) vote(readings []api.Reading) (ballots []ballot, waiting []api.Reading, decided []Decision) {
	order := slices.Clone(readings)
	slices.SortStableFunc(order, func(a, b api.Reading) int { return cmp.Compare(a.MeasuredAt, b.MeasuredAt) })
	delayed := map[string]bool{} // meters with a reading that waits: later ones wait for it
	for _, r := range order {
		id, err := envelope.ParseIdentity(r.Identity)
		if err != nil || r.Register == nil {
			w.log.Error("a node describes a reading in a way that cannot be read", "number", r.Number, "error", err)
			continue
		}
		if w.voted(r) {
			continue
		}
		b, said := w.said[uint64(r.Number)]
		if !said || b.identity != oracle.Identity(id) {
			v := w.judge.Look(w.claim(r))
			if len(waiting) < maxWaiting && (delayed[r.Meter] || v.Until > w.agent.skew.now().UnixMilli()) {
				delayed[r.Meter] = true
				waiting = append(waiting, r)
				continue
			}
			b = ballot{uint64(r.Number), oracle.Identity(id), v.Vote, v.Observed}
			w.said[b.number] = b
			decided = append(decided, w.decide(r, v))
		}
		if b.vote != Abstain {
			ballots = append(ballots, b)
		}
	}
	slices.SortFunc(ballots, func(a, b ballot) int { return cmp.Compare(a.number, b.number) })
	return ballots, waiting, decided
}

// voted says whether this oracle has voted on a reading before it was started, and
// remembers how. What was said once is never judged again, because the meter's base
// may have moved since and another answer would be an equivocation.
func (w *watcher) voted(r api.Reading) bool {
	for _, v := range r.Votes {
		if v.Oracle == w.agent.oracle {
			if _, said := w.said[uint64(r.Number)]; !said {
				w.judge.Remember(w.claim(r), Vote(v.Vote), "")
			}
			return true
		}
	}
	return false
}

func (w *watcher) claim(r api.Reading) Claim {
	c := Claim{
		Market: r.Market, Meter: r.Meter, Register: Register{uint64(*r.Register), r.MeasuredAt}, AcceptedAt: r.AcceptedAt,
		Unknown: w.agent.config.Policy.RejectUnknownMeters && !w.meters[r.Meter],
	}
	if r.Base != nil {
		c.Base = &Register{uint64(r.Base.Register), r.Base.MeasuredAt}
	}
	return c
}

// decide remembers a verdict, counts it and says why.
func (w *watcher) decide(r api.Reading, v Verdict) Decision {
	w.judge.Remember(w.claim(r), v.Vote, v.Reason)
	w.agent.metrics.verdict(w.market, v)
	facts := []any{"number", uint64(r.Number), "meter", r.Meter, "register", uint64(*r.Register), "reason", string(v.Reason), "rule", v.Rule, "why", v.Words}
	switch v.Vote {
	case Reject:
		w.log.Warn("rejecting a reading", append(facts, "value", v.Value, "limit", v.Limit)...)
	case Accept:
		w.log.Debug("accepting a reading", facts...)
	case Abstain:
		w.log.Debug("abstaining from a reading", facts...)
	}
	return decisionOn(r, v, w.agent.skew.now().UnixMilli())
}
