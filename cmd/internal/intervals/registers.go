package intervals

import (
	"cmp"
	"errors"
	"math/big"
	"slices"
	"time"
)

// Point is one register value of one meter.
type Point struct {
	Meter      string
	MeasuredAt int64  // unix ms: the end of an interval; for a baseline its start
	Register   uint64 // in the unit that Options.Decimals sets
}

// row is one usable interval value before the interval's length is known.
type row struct {
	start int64 // unix ms
	line  int
	value decimal
}

var (
	errOverflow = errors.New("the register would exceed 64 bits")
	errTooClose = errors.New("rows are less than a millisecond apart")
)

// register adds up one meter. sum counts in units so small that every value in
// the file is a whole number of them; denominator of them make one unit of the
// register.
type register struct {
	sum, factor, denominator, spare, quotient big.Int
}

// newRegister takes the unit of the values and of the register. A kWh value v
// is v x 10^-minExponent x factor / denominator register units, with the factor
// and denominator of Wh and W likewise.
func newRegister(unit Unit, interval time.Duration, decimals int) *register {
	r := new(register)
	r.factor.Set(powerOfTen(decimals))
	r.denominator.Set(powerOfTen(-minExponent))
	switch unit {
	case KWh: // The register's unit is a decimal part of it.
	case Wh:
		r.denominator.Mul(&r.denominator, big.NewInt(1_000))
	case W:
		// W x ms / (1,000 W x 3,600,000 ms) is a kWh.
		r.factor.Mul(&r.factor, big.NewInt(interval.Milliseconds()))
		r.denominator.Mul(&r.denominator, big.NewInt(1_000*3_600_000))
	}
	return r
}

// add counts a value and returns the register after it, rounded down. A value
// that does not fit is left out.
func (r *register) add(value decimal) (uint64, error) {
	before := new(big.Int).Set(&r.sum)
	value.scaled(&r.sum, &r.spare)
	r.spare.Mul(&r.sum, &r.factor)
	r.quotient.Quo(&r.spare, &r.denominator)
	if !r.quotient.IsUint64() {
		r.sum.Set(before)
		return 0, errOverflow
	}
	return r.quotient.Uint64(), nil
}

// accumulate turns the rows of one meter into its points; rows that do not fit
// go to skip.
func accumulate(id string, rows []row, o Options, skip func(row, error) error) ([]Point, error) {
	if len(rows) == 0 {
		return nil, nil // A meter of which no row could be used.
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.start, b.start) })
	sum := newRegister(o.Unit, o.Interval, o.Decimals)
	points := make([]Point, 1, len(rows)+1)
	points[0] = Point{Meter: id, MeasuredAt: rows[0].start}
	for first := 0; first < len(rows); {
		past := first + 1
		for past < len(rows) && rows[past].start == rows[first].start {
			past++
		}
		var err error
		if points, err = share(points, rows[first:past], sum, o.Interval.Milliseconds(), skip); err != nil {
			return nil, err
		}
		first = past
	}
	if len(points) == 1 {
		return nil, nil
	}
	return points, nil
}

// share adds the points of rows that begin at one instant, mostly a single
// one. They divide what is left of the interval after the last point, which
// reaches into it where rows are closer together than the interval is long.
func share(points []Point, rows []row, sum *register, length int64, skip func(row, error) error) ([]Point, error) {
	last := points[len(points)-1].MeasuredAt
	begin, end := max(rows[0].start, last), rows[0].start+length
	for i, row := range rows {
		at := begin + (end-begin)*int64(i+1)/int64(len(rows))
		total, err := uint64(0), errTooClose
		if at > last {
			total, err = sum.add(row.value)
		}
		if err != nil {
			if err := skip(row, err); err != nil {
				return nil, err
			}
			continue
		}
		points = append(points, Point{Meter: points[0].Meter, MeasuredAt: at, Register: total})
		last = at
	}
	return points, nil
}

// usualStep is the most frequent distance between two successive times of a
// meter, the shorter one where two are equally frequent; 0 without any.
func usualStep(meters []*meterRows) time.Duration {
	counts := map[int64]int{}
	for _, meter := range meters {
		starts := make([]int64, 0, len(meter.rows))
		for _, row := range meter.rows {
			starts = append(starts, row.start)
		}
		slices.Sort(starts)
		for i := 1; i < len(starts); i++ {
			if step := starts[i] - starts[i-1]; step > 0 {
				counts[step]++
			}
		}
	}
	var best int64
	for step, count := range counts {
		if count > counts[best] || count == counts[best] && step < best {
			best = step
		}
	}
	return time.Duration(best) * time.Millisecond
}

// Shift moves all points by the same time, so that the newest is at newest
// (unix ms).
func Shift(points []Point, newest int64) {
	if len(points) == 0 {
		return
	}
	latest := slices.MaxFunc(points, func(a, b Point) int { return cmp.Compare(a.MeasuredAt, b.MeasuredAt) }).MeasuredAt
	for i := range points {
		points[i].MeasuredAt += newest - latest
	}
}
