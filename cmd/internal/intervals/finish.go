package intervals

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Finish settles where each value belongs in time, once all of them and so the
// interval are known.
func (c *Collector) Finish() (File, error) {
	s := &c.summary
	switch {
	case c.rows > 0:
	case len(s.Errors) > 0:
		return File{Summary: *s}, fmt.Errorf("no usable value in the file: %d rows or values were refused, the first at %w", s.Skipped, s.Errors[0])
	case len(s.Ignored) > 0:
		return File{Summary: *s}, fmt.Errorf("no energy in the file: %s: %s", s.Ignored[0].Name, s.Ignored[0].Why)
	default:
		return File{Summary: *s}, errors.New("no value in the file")
	}
	if err := c.findInterval(); err != nil {
		return File{Summary: *s}, err
	}
	var out []Series
	for _, meter := range c.meters {
		spans, err := settle(meter, c.options, func(r row, reason error) error {
			return c.Skip(int(r.line), meter.name, reason)
		})
		if err != nil {
			return File{Summary: *s}, err
		}
		if len(spans) == 0 {
			continue // A meter of which no row could be used.
		}
		series := Series{ID: meter.id, Name: meter.name, Direction: meter.direction, power: meter.power, words: meter.words, spans: spans}
		if err := c.count(series); err != nil {
			return File{Summary: *s}, err
		}
		out = append(out, series)
	}
	if len(out) == 0 {
		return File{Summary: *s}, fmt.Errorf("no usable value in the file: %w", s.Errors[0])
	}
	slices.SortStableFunc(s.Errors, func(a, b LineError) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	slices.SortFunc(s.Meters, func(a, b Meter) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(out, func(a, b Series) int { return cmp.Compare(a.ID, b.ID) })
	return File{Series: out, Summary: *s}, nil
}

// findInterval takes the most frequent step for values that have no length of
// their own.
func (c *Collector) findInterval() error {
	if c.options.Interval == 0 {
		step := usualStep(c.meters)
		own := slices.ContainsFunc(c.meters, func(m *Channel) bool { return len(m.rows) > 0 && m.rows[0].length > 0 })
		if !own && (step < MinInterval || step > MaxInterval) {
			return errors.New("the length of an interval is not clear from the times of the file (--interval gives it)")
		}
		c.options.Interval = step
	}
	c.summary.Interval = c.options.Interval
	return nil
}

// count enters one meter into the summary.
func (c *Collector) count(series Series) error {
	points, err := series.Points(c.options.Decimals)
	if err != nil {
		return err
	}
	s, last := &c.summary, points[len(points)-1]
	if len(s.Meters) == 0 || points[0].MeasuredAt < s.From {
		s.From = points[0].MeasuredAt
	}
	s.To = max(s.To, last.MeasuredAt)
	s.Rows += len(points) - 1
	m := Meter{
		ID: series.ID, Name: series.Name, Direction: series.Direction, Rows: len(points) - 1,
		From: points[0].MeasuredAt, To: last.MeasuredAt, Total: last.Register, KWh: exact(series.KWh()),
	}
	for i := 1; i < len(points); i++ {
		before, p := points[i-1], points[i]
		m.PeakW = max(m.PeakW, averageW(p.MeasuredAt-p.Since, p.Register-before.Register, c.options.Decimals))
		if p.Quality != "" {
			if m.Qualities == nil {
				m.Qualities = map[string]int{}
			}
			m.Qualities[p.Quality]++
		}
		if p.Since > before.MeasuredAt {
			m.Missing += time.Duration(p.Since-before.MeasuredAt) * time.Millisecond
			m.GapCount++
			if len(m.Gaps) < MaxGaps {
				m.Gaps = append(m.Gaps, Gap{From: before.MeasuredAt, To: p.Since})
			}
		}
	}
	s.Meters = append(s.Meters, m)
	return nil
}

// averageW is the power over some ms in W, rounded up, at most the largest
// number.
func averageW(ms int64, delta uint64, decimals int) uint64 {
	// A kWh is 36 x 10^8 W x ms, a unit of the register 10^-decimals of it.
	perUnit, divisor := uint64(36), uint64(ms)
	for range max(0, 8-decimals) {
		perUnit *= 10
	}
	for range max(0, decimals-8) {
		divisor *= 10
	}
	high, low := bits.Mul64(delta, perUnit)
	if high >= divisor {
		return math.MaxUint64
	}
	power, rest := bits.Div64(high, low, divisor)
	if rest > 0 && power < math.MaxUint64 {
		power++
	}
	return power
}
