package oracle

import (
	"fmt"
	"math/big"
	"slices"
	"sort"
)

// twin is the rules once more, written slowly: no indexes, no masks, every
// tally recounted from the votes, every amount worked out from the first
// reading on. It answers with the lines that show would print.
type twin struct {
	row      Market
	weights  map[string]uint64
	elected  []map[string]uint64 // electorates, the first at 0
	meters   map[string]*twinMeter
	readings []*twinReading // number 1 at 0
	funded   []bool         // settlements, number 1 at 0
	released []bool
	prices   []*big.Int // gross of each
	contra   map[string]bool
	cascaded int
	left     []string
}

type twinMeter struct {
	capacity       int64
	based          bool
	base, baseTime int64
	delta, paid    *big.Int // of all settlements so far
}

type twinReading struct {
	meter        string
	register, at int64
	id           Identity
	elected      int
	expires      uint64
	votes        map[string]verdict
	live, quorum bool
}

func newTwin(row Market) *twin {
	return &twin{row: row, weights: map[string]uint64{}, meters: map[string]*twinMeter{}, contra: map[string]bool{}}
}

func (w *twin) live() (out []*twinReading) {
	for _, r := range w.readings {
		if r.live {
			out = append(out, r)
		}
	}
	return out
}

func (w *twin) number(r *twinReading) int { return slices.Index(w.readings, r) + 1 }

// of returns the live readings of a meter, sorted by time.
func (w *twin) of(meter string) (out []*twinReading) {
	for _, r := range w.live() {
		if r.meter == meter {
			out = append(out, r)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].at < out[j].at })
	return out
}

// submit returns the lines, or the code and reason of the refusal. Readings
// are measured and signed at the clock or before, in time.
func (w *twin) submit(c Clock, r SubmitReading, id Identity) (lines []string, refusal string) {
	m := w.meters[r.Meter]
	if m.based && r.MeasuredAt <= m.baseTime {
		return nil, "SettlementConflict closed"
	}
	var old *twinReading
	for _, other := range w.of(r.Meter) {
		if other.at == r.MeasuredAt {
			old = other
		}
	}
	switch {
	case old == nil && r.Supersedes != nil:
		return nil, "NotFound reading"
	case old != nil && (r.Supersedes == nil || *r.Supersedes != old.id):
		return nil, "SettlementConflict duplicate"
	case old != nil && old.quorum:
		return nil, "SettlementConflict decided"
	case old == nil && len(w.of(r.Meter)) >= int(w.row.MaxPendingPerMeter):
		return nil, "LimitExceeded pending_per_meter"
	case old == nil && len(w.live()) >= int(w.row.MaxLiveReadings):
		return nil, "LimitExceeded live_readings"
	}
	if old != nil {
		old.live = false
		lines = append(lines, fmt.Sprintf("closed %d superseded", w.number(old)))
	}
	w.readings = append(w.readings, &twinReading{
		meter: r.Meter, register: int64(r.Register), at: r.MeasuredAt, id: id,
		elected: len(w.elected) - 1, expires: c.Height + w.row.ExpiryBlocks, votes: map[string]verdict{}, live: true,
	})
	return append(lines, fmt.Sprintf("due-expire %d at %d", len(w.readings), c.Height+w.row.ExpiryBlocks)), ""
}

// camp adds up who voted one way.
func (w *twin) camp(r *twinReading, accept bool) (sum int64) {
	for oracle, v := range r.votes {
		if v.accept == accept {
			sum += int64(w.elected[r.elected][oracle])
		}
	}
	return sum
}

func (w *twin) total(r *twinReading) (sum int64) {
	for _, weight := range w.elected[r.elected] {
		sum += int64(weight)
	}
	return sum
}

func (w *twin) enough(weight, total int64) bool {
	return weight*1_000_000 >= int64(w.row.QuorumThresholdPpm)*total
}

func (w *twin) attest(c Clock, oracle string, from, to int, said map[int]verdict) (res AttestResult, lines []string) {
	w.cascaded, w.left = 0, nil
	for n := from; n <= to; n++ {
		r, v := w.readings[n-1], said[n]
		first, voted := r.votes[oracle]
		_, member := w.elected[r.elected][oracle]
		switch contradiction := fmt.Sprint(oracle, n); {
		case !r.live:
			res.Late++
		case !member:
			res.NotInElectorate++
		case voted && (v.accept != first.accept || v.observed && first.observed && v.register != first.register) && !w.contra[contradiction]:
			w.contra[contradiction] = true
			res.Equivocations++
			lines = append(lines, fmt.Sprintf("equivocated %s %d %s %s", oracle, n, first, v))
		case voted:
			res.Repeated++
		case r.quorum, c.Height >= r.expires:
			res.Late++
		default:
			res.Counted++
			r.votes[oracle] = v
			lines = append(lines, w.decide(c, r)...)
		}
	}
	return res, append(lines, w.leftovers(c)...)
}

// entitled reports whether an oracle votes now or on a live reading named.
func (w *twin) entitled(oracle string, from, to int) bool {
	_, ok := w.elected[len(w.elected)-1][oracle]
	for _, r := range w.readings[from-1 : to] {
		_, member := w.elected[r.elected][oracle]
		ok = ok || r.live && member
	}
	return ok
}

func (w *twin) leftovers(c Clock) (lines []string) {
	for _, meter := range w.left {
		lines = append(lines, fmt.Sprintf("due-close %s at %d", meter, c.Height))
	}
	return lines
}

func (w *twin) decide(c Clock, r *twinReading) (lines []string) {
	total := w.total(r)
	if w.enough(w.camp(r, true), total) {
		r.quorum = true
		if w.of(r.meter)[0] != r {
			return nil
		}
		lines = w.settle(c, r)
	} else if !w.enough(total-w.camp(r, false), total) {
		r.live = false
		lines = []string{fmt.Sprintf("closed %d rejected outvoted", w.number(r))}
	}
	if r.live {
		return nil
	}
	return append(lines, w.advance(c, r.meter)...)
}

func (w *twin) advance(c Clock, meter string) (lines []string) {
	for {
		waiting := w.of(meter)
		if len(waiting) == 0 || !waiting[0].quorum {
			return lines
		}
		if w.cascaded == MaxCascade {
			if !slices.Contains(w.left, meter) {
				w.left = append(w.left, meter)
			}
			return lines
		}
		w.cascaded++
		lines = append(lines, w.settle(c, waiting[0])...)
	}
}

func (w *twin) expire(c Clock, n int) []string {
	w.cascaded, w.left = 0, nil
	if n > len(w.readings) || !w.readings[n-1].live || w.readings[n-1].quorum {
		return nil
	}
	r := w.readings[n-1]
	r.live = false
	required := int64(0)
	for !w.enough(required, w.total(r)) {
		required++
	}
	lines := []string{fmt.Sprintf("closed %d quorum_failed %d of %d", n, w.camp(r, true), required)}
	lines = append(lines, w.advance(c, r.meter)...)
	return append(lines, w.leftovers(c)...)
}

func (w *twin) closeMeter(c Clock, meter string) []string {
	w.cascaded, w.left = 0, nil
	lines := w.advance(c, meter)
	return append(lines, w.leftovers(c)...)
}

// settle judges a reading and closes it, with fractions throughout.
func (w *twin) settle(c Clock, r *twinReading) []string {
	r.live = false
	m, n := w.meters[r.meter], w.number(r)
	if reason := w.judge(m, r); reason != "" {
		return []string{fmt.Sprintf("closed %d rejected %s", n, reason)}
	}
	base, based := m.base, m.based
	m.base, m.baseTime, m.based = r.register, r.at, true
	if !based {
		return []string{fmt.Sprintf("closed %d baseline", n)}
	}
	// What the whole delta costs so far, less what was paid for it before.
	m.delta.Add(m.delta, big.NewInt(r.register-base))
	due := new(big.Int).Mul(m.delta, wide(w.row.UnitPrice))
	due.Quo(due, big.NewInt(1_000))
	gross := new(big.Int).Sub(due, m.paid)
	m.paid = due
	fee := new(big.Int).Mul(gross, big.NewInt(int64(w.row.FeeBps)))
	fee.Quo(fee, big.NewInt(10_000))
	lines := []string{fmt.Sprintf("settled %d delta %d gross %v fee %v net %v", n, r.register-base, gross, fee, new(big.Int).Sub(gross, fee))}
	w.prices = append(w.prices, gross)
	free := gross.Sign() == 0
	w.funded, w.released = append(w.funded, free), append(w.released, false)
	if free {
		lines = append(lines, fmt.Sprintf("due-release %d at %d", len(w.funded), c.Height+w.row.DisputeWindowBlocks))
	}
	return lines
}

func (w *twin) judge(m *twinMeter, r *twinReading) Reason {
	delta := big.NewRat(r.register-m.base, 1)
	if m.based && delta.Sign() < 0 {
		return Decreasing
	}
	if m.based {
		hours := big.NewRat(r.at-m.baseTime, hourMs)
		if most := hours.Mul(hours, big.NewRat(12*m.capacity, 10)); delta.Cmp(most) > 0 {
			return OverCapacity
		}
	}
	var seen []int64
	for oracle, v := range r.votes {
		for range w.elected[r.elected][oracle] {
			if v.accept && v.observed {
				seen = append(seen, int64(v.register))
			}
		}
	}
	if len(seen) == 0 {
		return ""
	}
	slices.Sort(seen)
	median := seen[(len(seen)-1)/2]
	measure := big.NewRat(median-m.base, 1)
	if !m.based {
		measure = big.NewRat(m.capacity*quarter, hourMs)
	}
	measure.Abs(measure).Mul(measure, big.NewRat(int64(w.row.DeviationPpm), 1_000_000))
	distance := big.NewRat(r.register-median, 1)
	if distance.Abs(distance).Cmp(measure) > 0 {
		return Deviation
	}
	return ""
}

func (w *twin) fund(c Clock, n int) []string {
	if n > len(w.funded) || w.funded[n-1] {
		return nil
	}
	w.funded[n-1] = true
	return []string{fmt.Sprintf("due-release %d at %d", n, c.Height+w.row.DisputeWindowBlocks)}
}

func (w *twin) release(n int) []string {
	if n > len(w.funded) || !w.funded[n-1] || w.released[n-1] {
		return nil
	}
	w.released[n-1] = true
	return []string{fmt.Sprintf("released %d", n)}
}
