package agent

import (
	"fmt"
	"math"
	"slices"
)

// point describes a reading, and how far it goes on with what the readings before
// it did. Runs go by all readings of the meter and not by the plausible ones: the
// third repetition is one whatever was said of the second.
func (s scene) point() point {
	p := point{Register: s.Register, delta: s.delta, elapsed: s.elapsed}
	last, from := s.track.before(s.MeasuredAt), s.earlier
	if last != nil && (from == nil || last.MeasuredAt > from.MeasuredAt) {
		from = &last.Register
	}
	if from == nil {
		return p
	}
	p.took = s.MeasuredAt - from.MeasuredAt
	moved := s.Value != from.Value
	added := s.Value - min(s.Value, from.Value)
	p.added = added
	if last == nil {
		last = &point{}
	}
	if run := s.limits.StaleRun; run != nil {
		switch {
		case !run.counts(s.limits.Site, from.MeasuredAt, s.MeasuredAt):
			p.still = last.still
		case added <= uint64(run.MaxDelta) && s.Value >= from.Value:
			p.still = last.still + 1
		}
	}
	if run := s.limits.RepeatedDeltas; run != nil && moved && s.Value > from.Value {
		p.same, p.least, p.most = 1, added, added
		least, most := min(added, last.least), max(added, last.most)
		if last.same > 0 && last.took == p.took && most-least <= uint64(run.Tolerance) {
			p.same, p.least, p.most = last.same+1, least, most
		}
	}
	return p
}

// counts says whether a register must move in the time from one moment to another.
func (r StaleRun) counts(site *Site, from, to int64) bool {
	switch {
	case r.Between != nil:
		return r.Between.covers(from, to)
	case r.SunAbove != nil:
		return site.lowest(from, to) > hundredths(*r.SunAbove)
	}
	return true
}

func (r StaleRun) when() string {
	switch {
	case r.Between != nil:
		return " from " + r.Between.String()
	case r.SunAbove != nil:
		return " with the sun above " + degrees(hundredths(*r.SunAbove))
	}
	return ""
}

// still rejects a reading that goes on not moving. One outside of the hours that
// count says nothing, and neither does one that moves.
func (s scene) still() *Verdict {
	run := s.limits.StaleRun
	if run == nil || s.delta > uint64(run.MaxDelta) {
		return nil
	}
	if p := s.point(); p.still >= run.Readings && p.still != s.stillBefore() {
		return exceeded(run.Vote.or(Reject), Stale, fmt.Sprintf("%d readings", p.still), fmt.Sprintf("%d readings", run.Readings),
			"the register has not moved for %d readings%s; %d are too many", p.still, run.when(), run.Readings)
	}
	return nil
}

func (s scene) stillBefore() int {
	if last := s.track.before(s.MeasuredAt); last != nil {
		return last.still
	}
	return 0
}

func (s scene) repeats() *Verdict {
	run := s.limits.RepeatedDeltas
	if run == nil {
		return nil
	}
	p := s.point()
	if p.same < run.Readings {
		return nil
	}
	value := fmt.Sprintf("%d readings with %d to %d in %s", p.same, p.least, p.most, span(p.took))
	return exceeded(run.Vote.or(Reject), Repeated, value, fmt.Sprintf("%d readings", run.Readings), "%s: %d are too many", value, run.Readings)
}

// held rejects what would credit the time of a run that was rejected, until the
// committee has closed, or set, a base behind it.
func (s scene) held() *Verdict {
	at := s.heldSince
	if at == 0 || s.MeasuredAt < at || s.Base != nil && s.Base.MeasuredAt >= at {
		return nil
	}
	return exceeded(Reject, Held, moment(s.earlier.MeasuredAt), moment(at),
		"the meter is held since it repeated itself at %s: rebase it if its register is right", moment(at))
}

// outlier compares with what the meter added lately. Too much counts since the last
// plausible register, so that what was kept out does not come in with the next
// reading; too little since the last reading, or the time that was kept out would
// count as too little ever after.
func (s scene) outlier() *Verdict {
	limit := s.limits.Outlier
	if limit == nil {
		return nil
	}
	rates := s.track.rates(s.MeasuredAt, limit.Steps)
	if len(rates) < limit.least() {
		return nil
	}
	middle, spread := middleOf(rates)
	allowed := max(uint64(limit.MarginPerHour), times(spread, limit.Deviations))
	rate, p := perHour(s.delta, s.elapsed), s.point()
	switch last := perHour(p.added, p.took); {
	case rate > middle && rate-middle > allowed:
	case limit.Low && last < middle && middle-last > allowed:
		rate = last
	default:
		return nil
	}
	return exceeded(limit.Vote.or(Reject), OutlierRate, fmt.Sprintf("%d an hour", rate), fmt.Sprintf("%d ± %d an hour", middle, allowed),
		"%d an hour is more than %d from %d, the median of the last %d readings (their MAD is %d)", rate, allowed, middle, len(rates), spread)
}

// middleOf is the median and the MAD, each the lower one of an even number.
func middleOf(numbers []uint64) (median, spread uint64) {
	median = lowerMedian(numbers)
	distances := make([]uint64, len(numbers))
	for i, n := range numbers {
		distances[i] = distance(n, median)
	}
	return median, lowerMedian(distances)
}

func lowerMedian(numbers []uint64) uint64 {
	sorted := slices.Sorted(slices.Values(numbers))
	return sorted[(len(sorted)-1)/2]
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }

// times multiplies and rounds down; what does not fit is the greatest number.
func times(n uint64, factor float64) uint64 {
	product := float64(n) * factor
	if product >= math.MaxUint64 {
		return math.MaxUint64
	}
	return uint64(product)
}
