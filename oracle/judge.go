package oracle

import (
	"cmp"
	"slices"

	"lukechampine.com/uint128"
)

const hourMs = 3_600_000

// judge says why an accepted reading credits nothing after all, "" if it
// stands. The row is the first of its meter, so the base is final.
func judge(m Market, meter meterRow, row liveRow, e *Electorate) Reason {
	claim := row.sub.register
	if meter.hasBase {
		if claim < meter.baseRegister {
			return Decreasing
		}
		if overCapacity(claim-meter.baseRegister, meter.spec.capacity, row.sub.measuredAt-meter.baseMeasuredAt) {
			return OverCapacity
		}
	}
	median, ok := medianObserved(row, e)
	if ok && deviates(m, meter, claim, median) {
		return Deviation
	}
	return ""
}

// overCapacity reports whether delta > 1.2 x capacity per hour x elapsed. All
// factors are integers: both sides are taken times ten and times an hour.
func overCapacity(delta, capacity uint64, elapsedMs int64) bool {
	credited := uint128.From64(delta).Mul64(hourMs * 10)
	possible := uint128.From64(capacity).Mul64(uint64(elapsedMs)).Mul64(12)
	return credited.Cmp(possible) > 0
}

// deviates reports whether the claim is further from the median than the
// market tolerates: deviation_ppm of what the median says was metered since
// the base. A baseline has no such quantity, and a share of the whole register
// would let an old meter start far too low and credit the difference next
// time; so its measure is what the meter can register in one interval.
func deviates(m Market, meter meterRow, claim, median uint64) bool {
	distance := uint128.From64(apart(claim, median)).Mul64(million)
	tolerance := uint64(m.DeviationPpm)
	if meter.hasBase {
		return distance.Cmp(uint128.From64(apart(median, meter.baseRegister)).Mul64(tolerance)) > 0
	}
	interval := uint128.From64(meter.spec.capacity).Mul64(uint64(meter.spec.intervalMs)).Mul64(tolerance)
	return distance.Mul64(hourMs).Cmp(interval) > 0
}

func apart(a, b uint64) uint64 {
	if a < b {
		return b - a
	}
	return a - b
}

// medianObserved is the lower weighted median of the registers that accepting
// members observed: the smallest that at least half of their weight does not
// exceed. There is none if no accepting member observed any.
func medianObserved(row liveRow, e *Electorate) (uint64, bool) {
	if row.said == nil {
		return 0, false
	}
	var room [MaxOracles]Observed
	seen := room[:0]
	var total uint64
	for _, v := range row.said.values {
		if row.accept&(1<<v.Member) != 0 {
			seen = append(seen, v)
			total += e.Members[v.Member].Weight
		}
	}
	slices.SortFunc(seen, func(a, b Observed) int { return cmp.Compare(a.Register, b.Register) })
	var sum uint64
	for _, v := range seen {
		sum += e.Members[v.Member].Weight
		// Written so that nothing doubles: sum x 2 >= total.
		if sum >= total-sum {
			return v.Register, true
		}
	}
	return 0, false
}
