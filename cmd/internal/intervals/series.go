package intervals

import (
	"fmt"
	"math/big"
)

// Point is one register value of one meter.
type Point struct {
	Meter      string
	MeasuredAt int64  // unix ms: the end of an interval; for a baseline its start
	Register   uint64 // in the unit that was asked for
	// Since is where the interval began that the point ends. Where it is later than
	// the point before, there is a gap between them.
	Since int64
	// Quality is what the file says of the value, as a word that a reading may
	// carry; empty where it says nothing.
	Quality string
}

// Direction is which way energy flowed, seen from the customer.
type Direction string

// The directions. A file that says nothing of it has none.
const (
	Import Direction = "import" // from the grid
	Export Direction = "export" // into the grid
	Net    Direction = "net"    // both at once, what came in less what went out
)

// File is what was read: the exact interval values of its meters, by id.
type File struct {
	Series  []Series
	Summary Summary
}

// Series are the interval values of one meter in order of time, one at least.
type Series struct {
	ID, Name  string
	Direction Direction
	power     bool
	words     []string
	spans     []span
}

// span is an interval value whose place in time is settled. Its length is what
// its value stands for, which may be more than what was left of its time.
type span struct {
	start, end, length int64
	value              decimal
	quality            uint16
}

// Points are the registers of a meter that counts 10^-decimals kWh: the baseline
// and the exact sum behind each interval, rounded down.
func (s Series) Points(decimals int) ([]Point, error) {
	if decimals < -MaxDecimals || decimals > 2*MaxDecimals {
		return nil, fmt.Errorf("a register of 10^%d kWh: want 10^-%d to 10^%d", -decimals, 2*MaxDecimals, MaxDecimals)
	}
	sum := newRegister(s.power, decimals)
	first := s.spans[0]
	points := make([]Point, 1, len(s.spans)+1)
	points[0] = Point{Meter: s.ID, MeasuredAt: first.start, Since: first.start, Quality: s.words[first.quality]}
	for _, span := range s.spans {
		total, err := sum.add(span.value, span.length)
		if err != nil {
			return nil, fmt.Errorf("meter %q: %w", s.Name, err)
		}
		points = append(points, Point{
			Meter: s.ID, MeasuredAt: span.end, Register: total, Since: span.start, Quality: s.words[span.quality],
		})
	}
	return points, nil
}

// Shift moves all values by the same time in ms.
func (f *File) Shift(by int64) {
	for _, series := range f.Series {
		for i := range series.spans {
			series.spans[i].start += by
			series.spans[i].end += by
		}
	}
	f.Summary.From += by
	f.Summary.To += by
	for i := range f.Summary.Meters {
		m := &f.Summary.Meters[i]
		m.From += by
		m.To += by
		for j := range m.Gaps {
			m.Gaps[j].From += by
			m.Gaps[j].To += by
		}
	}
}

// KWh is the exact sum of all values.
func (s Series) KWh() *big.Rat {
	sum, one := newRegister(s.power, 0), new(big.Int)
	for _, span := range s.spans {
		span.value.scaled(one)
		if s.power {
			one.Mul(one, big.NewInt(span.length))
		}
		sum.sum.Add(&sum.sum, one)
	}
	return new(big.Rat).SetFrac(&sum.sum, &sum.denominator)
}
