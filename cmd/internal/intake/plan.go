package intake

import (
	"errors"
	"fmt"
	"math"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// Mark is a register at a moment (unix ms).
type Mark struct {
	Register   uint64 `json:"register"`
	MeasuredAt int64  `json:"measured_at"`
}

// Bounds are the moments between which a reading may have been measured, unix ms.
type Bounds struct{ Oldest, Latest int64 }

// Reading is a register that is to be sent.
type Reading struct {
	Register   uint64
	MeasuredAt int64
	Quality    string
}

// Plan is what one meter gets of a file.
type Plan struct {
	Meter string
	Name  string // as in the file
	// Mark is what the cluster has; nil for a meter without a reading.
	Mark     *Mark
	Readings []Reading
	// Covered counts the intervals that are there already, TooOld and Future those
	// that no reading of their own is sent for.
	Covered, TooOld, Future int
	// Torn is an interval on both sides of the mark, which is left out.
	Torn *intervals.Gap
}

// Arrange decides what to send of a meter's values, for registers that count
// 10^-decimals kWh.
func Arrange(s intervals.Series, meter string, decimals int, mark *Mark, within Bounds) (Plan, error) {
	p := Plan{Meter: meter, Name: s.Name, Mark: mark}
	points, err := s.Points(decimals)
	if err != nil {
		return p, err
	}
	if mark == nil {
		points, mark = p.begin(points, within)
	} else {
		points = p.after(points, *mark)
	}
	if len(points) == 0 {
		return p, nil
	}
	from := points[0].Register // what the file has counted up to the mark
	for _, point := range points[1:] {
		counted := point.Register - from
		if counted > math.MaxUint64-mark.Register {
			return p, fmt.Errorf("meter %s: %w", meter, errors.New("its register would exceed 64 bits"))
		}
		switch {
		case point.MeasuredAt < within.Oldest:
			p.TooOld++
		case point.MeasuredAt > within.Latest:
			p.Future++
		default:
			p.Readings = append(p.Readings, Reading{Register: mark.Register + counted, MeasuredAt: point.MeasuredAt, Quality: point.Quality})
		}
	}
	return p, nil
}

// begin makes the first point that the market takes the baseline, and returns the
// points from there on.
func (p *Plan) begin(points []intervals.Point, within Bounds) ([]intervals.Point, *Mark) {
	for p.TooOld < len(points) && points[p.TooOld].MeasuredAt < within.Oldest {
		p.TooOld++
	}
	points = points[p.TooOld:]
	if p.TooOld > 0 && len(points) == 0 {
		p.TooOld-- // The baseline is no interval.
		return nil, nil
	}
	first := points[0]
	if first.MeasuredAt > within.Latest {
		p.Future = len(points) - 1
		return nil, nil
	}
	p.Readings = append(p.Readings, Reading{MeasuredAt: first.MeasuredAt, Quality: first.Quality})
	return points, &Mark{MeasuredAt: first.MeasuredAt}
}

// after returns the points from the mark on, the first of which says what the file
// had counted there.
func (p *Plan) after(points []intervals.Point, mark Mark) []intervals.Point {
	at := 0
	for at+1 < len(points) && points[at+1].MeasuredAt <= mark.MeasuredAt {
		at++
	}
	p.Covered = at
	if at+1 < len(points) && points[at+1].Since < mark.MeasuredAt {
		at++
		p.Torn = &intervals.Gap{From: points[at].Since, To: points[at].MeasuredAt}
	}
	return points[at:]
}
