package intervals

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// points adds the rows up, once all of them and so the interval are known.
func (f *file) points() ([]Point, error) {
	if f.rows == 0 {
		if len(f.summary.Errors) > 0 {
			return nil, fmt.Errorf("no usable value in the file: %d rows or values were refused, the first at %w", f.summary.Skipped, f.summary.Errors[0])
		}
		return nil, errors.New("no value in the file")
	}
	if f.options.Interval == 0 {
		step := usualStep(f.meters)
		if step < MinInterval || step > MaxInterval {
			return nil, errors.New("the length of an interval is not clear from the times of the file (--interval gives it)")
		}
		f.options.Interval = step
	}
	f.summary.Interval = f.options.Interval
	points := make([]Point, 0, f.rows+len(f.meters))
	for _, meter := range f.meters {
		own, err := accumulate(meter.id, meter.rows, f.options, func(row row, reason error) error {
			return f.skip(row.line, meter.name, reason)
		})
		if err != nil {
			return nil, err
		}
		if len(own) == 0 {
			continue
		}
		f.count(meter, own)
		points = append(points, own...)
	}
	if len(points) == 0 {
		return nil, fmt.Errorf("no usable value in the file: %w", f.summary.Errors[0])
	}
	slices.SortFunc(f.summary.Meters, func(a, b Meter) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(points, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.MeasuredAt, b.MeasuredAt), cmp.Compare(a.Meter, b.Meter))
	})
	return points, nil
}

// count enters one meter's points, two at least, into the summary.
func (f *file) count(meter *meterRows, points []Point) {
	s, last := &f.summary, points[len(points)-1]
	if len(s.Meters) == 0 || points[0].MeasuredAt < s.From {
		s.From = points[0].MeasuredAt
	}
	s.To = max(s.To, last.MeasuredAt)
	s.Rows += len(points) - 1
	var peak uint64
	for i := 1; i < len(points); i++ {
		peak = max(peak, averageW(points[i-1], points[i], f.options.Decimals))
	}
	s.Meters = append(s.Meters, Meter{ID: meter.id, Name: meter.name, Rows: len(points) - 1, Total: last.Register, PeakW: peak})
}

// averageW is the power between two points in W, rounded up, at most the
// largest number.
func averageW(from, to Point, decimals int) uint64 {
	// A kWh is 36 x 10^8 W x ms, a unit of the register 10^-decimals of it.
	perUnit, divisor := uint64(36), uint64(to.MeasuredAt-from.MeasuredAt)
	for range max(0, 8-decimals) {
		perUnit *= 10
	}
	for range max(0, decimals-8) {
		divisor *= 10
	}
	high, low := bits.Mul64(to.Register-from.Register, perUnit)
	if high >= divisor {
		return math.MaxUint64
	}
	power, rest := bits.Div64(high, low, divisor)
	if rest > 0 && power < math.MaxUint64 {
		power++
	}
	return power
}
