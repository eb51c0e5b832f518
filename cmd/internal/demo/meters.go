package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/households"
	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// meter is a meter with the readings it will be asked for.
type meter struct {
	id       string
	provider string
	payer    string
	capacity uint64 // watts
	points   []intervals.Point
	lie      *households.Lie // an implausible reading in the place of an honest one
	lieAt    int
}

// The market, its providers and payers.
const (
	market      = "energy"
	decimals    = 3 // registers count watt-hours
	gridCoop    = "grid-coop"
	sunCoop     = "sun-coop"
	cityUtility = "city-utility"
	greenFund   = "green-fund"
)

// The place where the generated homes stand: 48 degrees north, times in UTC.
const latitudeMilli = 48_000

// Nights, in which no PV plant can feed in, at any time of the year there.
const (
	nightFrom = 22
	nightTo   = 3
)

// meters takes readings from the input file or generates them.
func (c Config) meters(now time.Time) ([]*meter, error) {
	if c.Input != nil {
		return c.fileMeters(now)
	}
	end := now.UTC().Truncate(interval)
	all, err := households.Generate(c.Seed, households.Config{
		Households: c.Households, PV: c.PV, Start: end.Add(-time.Duration(c.rounds()) * interval), Interval: interval,
		Count: c.rounds(), LatitudeMilli: latitudeMilli,
	})
	if err != nil {
		return nil, err
	}
	var out []*meter
	for _, s := range all {
		m := &meter{id: s.Meter, provider: gridCoop, payer: cityUtility, capacity: s.CapacityW, points: s.Points}
		if s.Kind == households.PV {
			m.provider, m.payer = sunCoop, greenFund
		}
		out = append(out, m)
	}
	lieOnce(out, all)
	return out, nil
}

// lieOnce spoils one reading of a PV plant and one of a household.
func lieOnce(meters []*meter, all []households.Series) {
	lied := map[households.Kind]bool{}
	for i, s := range all {
		if lied[s.Kind] {
			continue
		}
		n := len(s.Points)
		for k := 0; k < n && !lied[s.Kind]; k++ {
			at := (n/3 + k) % n // at the first chance behind a third, else before it
			lie, ok := s.Overload(at)
			if s.Kind == households.PV {
				lie, ok = s.SunAtNight(at)
				ok = ok && inNight(lie.Point.MeasuredAt)
			}
			if ok {
				lied[s.Kind] = true
				meters[i].spoil(lie)
			}
		}
	}
}

// inNight reports whether the interval that ends at a time lies in a night.
func inNight(at int64) bool {
	end := time.UnixMilli(at).UTC()
	start := end.Add(-interval)
	dark := func(t time.Time) bool { return t.Hour() >= nightFrom || t.Hour() < nightTo }
	return dark(start) && dark(end.Add(-time.Millisecond))
}

func (m *meter) spoil(lie households.Lie) {
	for i, p := range m.points {
		if p.MeasuredAt == lie.Point.MeasuredAt {
			m.lie, m.lieAt = &lie, i
		}
	}
}

// fileMeters takes the newest readings of each meter of the input, shifted in time
// so that the newest of all is now.
func (c Config) fileMeters(now time.Time) ([]*meter, error) {
	c.Input.Shift(now.UnixMilli() - c.Input.Summary.To)
	points, err := c.Input.Points(decimals)
	if err != nil {
		return nil, fmt.Errorf("reading the input: %w", err)
	}
	known := map[string]intervals.Meter{}
	for _, m := range c.Input.Summary.Meters {
		known[m.ID] = m
	}
	byID := map[string]*meter{}
	var out []*meter
	for _, p := range points {
		if p.MeasuredAt < now.Add(-maxAge).UnixMilli() {
			continue
		}
		m := byID[p.Meter]
		if m == nil {
			m = &meter{id: p.Meter, provider: gridCoop, payer: cityUtility, capacity: max(2*known[p.Meter].PeakW, 1_000)}
			if known[p.Meter].Direction == intervals.Export || strings.Contains(p.Meter, "pv") || strings.Contains(p.Meter, "solar") {
				m.provider, m.payer = sunCoop, greenFund
			}
			byID[p.Meter] = m
			out = append(out, m)
		}
		m.points = append(m.points, p)
	}
	for i, m := range out {
		m.points = m.points[max(0, len(m.points)-c.rounds()-1):]
		if i == 0 && len(m.points) > 4 {
			m.spoil(overload(m))
		}
	}
	return out, nil
}

// overload makes a file's meter measure forty times what it ever did.
func overload(m *meter) households.Lie {
	i := len(m.points) / 2
	before, point := m.points[i-1], m.points[i]
	honest := point.Register
	point.Register = before.Register + 40*m.capacity*uint64(point.MeasuredAt-before.MeasuredAt)/3_600_000
	return households.Lie{Point: point, Honest: honest, Reason: "a meter measures forty times what it can"}
}
