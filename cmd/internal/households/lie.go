package households

import (
	"fmt"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// Lie is a reading that nobody should believe, in the place of an honest one.
// Its register never runs backwards and its time is right: only knowledge of
// the sun, or of the connection, tells it from the truth.
type Lie struct {
	Point  intervals.Point
	Honest uint64 // what the register really shows at that time
	Reason string // for people
}

// SunAtNight makes a PV meter feed in through a night, with four fifths of its
// capacity and so within it: the first interval after Points[from] during
// which the sun stays down. It is false where there is none.
func (s Series) SunAtNight(from int) (Lie, bool) {
	if s.Kind != PV {
		return Lie{}, false
	}
	for i := max(from, 0) + 1; i < len(s.Points); i++ {
		if !s.dark(s.Points[i-1].MeasuredAt, s.Points[i].MeasuredAt) {
			continue
		}
		return s.lie(i, s.CapacityW*4/5, "a PV plant feeds in while the sun is down"), true
	}
	return Lie{}, false
}

// Overload makes a meter measure forty times what its connection can carry, in
// the interval that ends with Points[i]. It is false where there is none.
func (s Series) Overload(i int) (Lie, bool) {
	if i < 1 || i >= len(s.Points) {
		return Lie{}, false
	}
	return s.lie(i, 40*s.CapacityW, fmt.Sprintf("a %s measures forty times what its connection carries", s.Kind)), true
}

// lie replaces the i-th register by one that an average power would have led to.
func (s Series) lie(i int, watts uint64, reason string) Lie {
	point, before := s.Points[i], s.Points[i-1]
	honest := point.Register
	elapsed := uint64(point.MeasuredAt - before.MeasuredAt)
	point.Register = before.Register + watts*elapsed/3_600_000
	return Lie{Point: point, Honest: honest, Reason: reason}
}

// dark tells whether the sun is down for all of a time.
func (s Series) dark(from, to int64) bool {
	for at := from; at < to; at += 60_000 {
		if sunHeight((at+s.place.offset)/60_000, s.place.latitude) > 0 {
			return false
		}
	}
	return true
}
