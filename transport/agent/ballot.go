package agent

import (
	"cmp"
	"slices"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

// ballot is a vote on one reading.
type ballot struct {
	number   uint64
	identity oracle.Identity
	reject   bool
}

// memory holds, for each meter, the live registers that the agent found
// plausible, in order of measuring.
type memory map[string][]register

// maxRemembered bounds what is remembered of one meter. Beyond it the oldest is
// forgotten, and a later reading is then judged against the meter's base.
const maxRemembered = 256

// earlier is the nearest register before a moment: a remembered one or the base.
func (m memory) earlier(meter string, base *api.Base, before int64) *register {
	var nearest *register
	if base != nil && base.MeasuredAt < before {
		nearest = &register{uint64(base.Register), base.MeasuredAt}
	}
	for _, r := range m[meter] {
		if r.measuredAt < before && (nearest == nil || r.measuredAt > nearest.measuredAt) {
			nearest = &register{r.value, r.measuredAt}
		}
	}
	return nearest
}

// add remembers a register, in place of one with the same time.
func (m memory) add(meter string, r register) {
	list := m[meter]
	i, found := slices.BinarySearchFunc(list, r.measuredAt, func(known register, at int64) int {
		return cmp.Compare(known.measuredAt, at)
	})
	if found {
		list[i] = r
		return
	}
	list = slices.Insert(list, i, r)
	if len(list) > maxRemembered {
		list = slices.Delete(list, 0, 1)
	}
	m[meter] = list
}

// forget drops what the base has passed.
func (m memory) forget(meter string, base *api.Base) {
	if base == nil {
		return
	}
	list := slices.DeleteFunc(m[meter], func(r register) bool { return r.measuredAt <= base.MeasuredAt })
	if len(list) == 0 {
		delete(m, meter)
		return
	}
	m[meter] = list
}

// judge votes on a page of readings, each meter's in order of measuring, and
// returns the votes in order of number. Abstentions are left out.
func (w *watcher) judge(page []api.Reading) []ballot {
	order := slices.Clone(page)
	slices.SortStableFunc(order, func(a, b api.Reading) int { return cmp.Compare(a.MeasuredAt, b.MeasuredAt) })
	var ballots []ballot
	for _, r := range order {
		id, err := envelope.ParseIdentity(r.Identity)
		if err != nil || r.Register == nil {
			w.log.Error("a node describes a reading in a way that cannot be read", "number", r.Number, "error", err)
			continue
		}
		if reject, votes := w.voteOn(r); votes {
			ballots = append(ballots, ballot{uint64(r.Number), oracle.Identity(id), reject})
		}
	}
	slices.SortFunc(ballots, func(a, b ballot) int { return cmp.Compare(a.number, b.number) })
	return ballots
}

// voteOn decides how to vote on a reading, if at all. What was said once is never
// judged again, because the meter's base may have moved since and another answer
// would be an equivocation.
func (w *watcher) voteOn(r api.Reading) (reject, votes bool) {
	for _, v := range r.Votes {
		if v.Oracle == w.oracle {
			if v.Vote == string(Accept) {
				w.seen.add(r.Meter, register{uint64(*r.Register), r.MeasuredAt})
			}
			return false, false
		}
	}
	if reject, said := w.cast[uint64(r.Number)]; said {
		return reject, true
	}
	v := w.verdictOn(r)
	if v.vote == Abstain {
		return false, false
	}
	w.cast[uint64(r.Number)] = v.vote == Reject
	return v.vote == Reject, true
}

// verdictOn judges one reading, remembers it if it is plausible, and says why
// it is not.
func (w *watcher) verdictOn(r api.Reading) verdict {
	policy := w.agent.config.Policy
	w.seen.forget(r.Meter, r.Base)
	mine := register{uint64(*r.Register), r.MeasuredAt}
	v := policy.judge(claim{
		market: r.Market, meter: r.Meter, register: mine, acceptedAt: r.AcceptedAt,
		earlier: w.seen.earlier(r.Meter, r.Base, r.MeasuredAt),
		known:   !policy.RejectUnknownMeters || w.meters[r.Meter],
	})
	switch v.vote {
	case Accept:
		w.seen.add(r.Meter, mine)
		w.log.Debug("accepting a reading", "number", r.Number, "meter", r.Meter, "why", v.why)
	case Reject:
		w.log.Warn("rejecting a reading", "number", r.Number, "meter", r.Meter, "register", mine.value, "why", v.why)
	case Abstain:
		w.log.Debug("abstaining from a reading", "number", r.Number, "meter", r.Meter, "why", v.why)
	}
	return v
}

// attestations packs votes, which are in order of number, into as few payloads
// as the limits of an attestation allow. A gap in the numbers ends a range.
func attestations(market string, ballots []ballot) []fsm.Attest {
	var out []fsm.Attest
	for len(ballots) > 0 {
		attestation, rest := pack(market, ballots)
		out = append(out, attestation)
		ballots = rest
	}
	return out
}

func pack(market string, ballots []ballot) (fsm.Attest, []ballot) {
	out := fsm.Attest{Market: market}
	room := oracle.MaxAttested
	for len(ballots) > 0 && room > 0 && len(out.Ranges) < oracle.MaxRanges {
		run := runOf(ballots, room)
		identities := make([]oracle.Identity, 0, len(run))
		for _, b := range run {
			identities = append(identities, b.identity)
			if b.reject {
				out.Rejects = append(out.Rejects, b.number)
			}
		}
		out.Ranges = append(out.Ranges, fsm.AttestedRange{
			From: run[0].number, To: run[len(run)-1].number, Hash: oracle.RangeHash(identities),
		})
		room -= len(run)
		ballots = ballots[len(run):]
	}
	return out, ballots
}

// runOf is the longest start of ballots without a gap, up to a limit.
func runOf(ballots []ballot, limit int) []ballot {
	n := 1
	for n < len(ballots) && n < limit && ballots[n].number == ballots[n-1].number+1 {
		n++
	}
	return ballots[:n]
}
