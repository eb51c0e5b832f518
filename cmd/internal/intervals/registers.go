package intervals

import (
	"cmp"
	"errors"
	"math"
	"math/big"
	"slices"
	"time"
)

// row is one usable interval value as it was read. Its length is 0 where the
// format leaves it to the file as a whole.
type row struct {
	start, length int64 // unix ms, ms
	value         decimal
	line          int32
	quality       uint16 // index of a word
	goesOn        bool   // counts from the end of the one before
}

var (
	errOverflow = errors.New("the register would exceed 64 bits")
	errTooClose = errors.New("rows are less than a millisecond apart")
	errOverlap  = errors.New("the interval begins before the one before it ends")
)

// register adds up one meter. sum counts in units so small that every value in
// the file is a whole number of them; denominator of them make one unit of the
// register.
type register struct {
	sum, factor, denominator, spare, quotient big.Int
	power                                     bool
}

// newRegister makes a register of 10^-decimals kWh. A kWh value v is
// v x 10^-minExponent x factor / denominator register units; power is multiplied
// with its milliseconds first.
func newRegister(power bool, decimals int) *register {
	r := &register{power: power}
	r.factor.Set(powerOfTen(max(0, decimals)))
	r.denominator.Mul(powerOfTen(-minExponent), powerOfTen(max(0, -decimals)))
	if power {
		// W x ms / (1,000 W x 3,600,000 ms) is a kWh.
		r.denominator.Mul(&r.denominator, big.NewInt(1_000*3_600_000))
	}
	return r
}

// add counts a value that stood for so many ms and returns the register after
// it, rounded down. A value that does not fit is left out.
func (r *register) add(value decimal, length int64) (uint64, error) {
	before := new(big.Int).Set(&r.sum)
	value.scaled(&r.spare)
	if r.power {
		r.spare.Mul(&r.spare, big.NewInt(length))
	}
	r.sum.Add(&r.sum, &r.spare)
	r.spare.Mul(&r.sum, &r.factor)
	r.quotient.Quo(&r.spare, &r.denominator)
	if !r.quotient.IsUint64() {
		r.sum.Set(before)
		return 0, errOverflow
	}
	return r.quotient.Uint64(), nil
}

// settle gives every row its place in time; rows that do not fit go to skip.
func settle(m *Channel, o Options, skip func(row, error) error) ([]span, error) {
	slices.SortStableFunc(m.rows, func(a, b row) int { return cmp.Compare(a.start, b.start) })
	sum := newRegister(m.power, o.Decimals)
	spans := make([]span, 0, len(m.rows))
	for first := 0; first < len(m.rows); {
		past := first + 1
		for past < len(m.rows) && m.rows[past].start == m.rows[first].start {
			past++
		}
		var err error
		if spans, err = share(spans, m.rows[first:past], sum, o.Interval.Milliseconds(), skip); err != nil {
			return nil, err
		}
		first = past
	}
	return spans, nil
}

// share adds the spans of rows that begin at one instant, mostly a single one.
// They divide what is left of the interval after the last span, which reaches
// into it where rows are closer together than the interval of the file is long.
// A row that has a length of its own means it, so it is only cut if it says that it
// counts from there.
func share(spans []span, rows []row, sum *register, usual int64, skip func(row, error) error) ([]span, error) {
	last := int64(math.MinInt64)
	if len(spans) > 0 {
		last = spans[len(spans)-1].end
	}
	length := cmp.Or(rows[0].length, usual)
	begin, end := max(rows[0].start, last), rows[0].start+length
	for i, r := range rows {
		from, to := begin+(end-begin)*int64(i)/int64(len(rows)), begin+(end-begin)*int64(i+1)/int64(len(rows))
		var err error
		switch {
		case r.length > 0 && r.start < last && !r.goesOn:
			err = errOverlap
		case to <= max(last, from):
			err = errTooClose
		default:
			_, err = sum.add(r.value, length)
		}
		if err != nil {
			if err := skip(r, err); err != nil {
				return nil, err
			}
			continue
		}
		spans = append(spans, span{start: max(from, last), end: to, length: length, value: r.value, quality: r.quality})
		last = to
	}
	return spans, nil
}

// usualStep is the most frequent distance between two successive times of a
// meter, the shorter one where two are equally frequent; 0 without any.
func usualStep(meters []*Channel) time.Duration {
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
