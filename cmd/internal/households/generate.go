package households

import (
	"errors"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// Kind says what a meter measures.
type Kind string

// The kinds of meter.
const (
	Household Kind = "household" // energy taken
	PV        Kind = "pv"        // energy fed in
)

// DefaultInterval is that of most smart meters.
const DefaultInterval = 30 * time.Minute

// MaxPoints bounds what one call makes: 100 meters every half-hour for a year
// and a half.
const MaxPoints = 3_000_000

// Config says how much data to make, and where and when.
type Config struct {
	Households, PV int // how many meters of each kind

	Start    time.Time     // start of the first interval, a whole minute; its offset is local time
	Interval time.Duration // whole minutes; DefaultInterval when zero
	Count    int           // intervals of each meter

	// LatitudeMilli is the latitude in thousandths of a degree, south negative:
	// the length of days and the seasons come from it. Zero is the equator.
	LatitudeMilli int
}

// Series is the data of one meter: the register at the start, then at the end
// of each interval.
type Series struct {
	Meter     string // home-0001, pv-0001
	Kind      Kind
	CapacityW uint64            // what connection or inverter can carry
	Points    []intervals.Point // registers in Wh

	place place
}

// place is what a meter needs to know of where it is.
type place struct {
	offset   int64 // ms to add to unix time for local time
	latitude int64 // thousandths of a degree
}

// meter is what a kind of meter brings along: the average power over a minute,
// in W. Minutes are counted in local time from 1970 and asked for in order.
type meter interface {
	power(minute int64) int64
}

// Generate makes the data of all meters, households first.
func Generate(seed uint64, config Config) ([]Series, error) {
	if config.Interval == 0 {
		config.Interval = DefaultInterval
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	_, offset := config.Start.Zone()
	where := place{offset: int64(offset) * 1_000, latitude: int64(config.LatitudeMilli)}
	all := make([]Series, 0, config.Households+config.PV)
	for number := 1; number <= config.Households; number++ {
		home := newHome(seed, uint64(number), where)
		series := Series{Meter: fmt.Sprintf("home-%04d", number), Kind: Household, CapacityW: homeCapacityW, place: where}
		series.measure(home, home.first, config)
		all = append(all, series)
	}
	for number := 1; number <= config.PV; number++ {
		plant := newPlant(seed, uint64(number), where)
		series := Series{Meter: fmt.Sprintf("pv-%04d", number), Kind: PV, CapacityW: uint64(plant.capacity), place: where}
		series.measure(plant, plant.first, config)
		all = append(all, series)
	}
	return all, nil
}

func (c Config) check() error {
	_, offset := c.Start.Zone()
	switch {
	case c.Households < 0 || c.PV < 0 || c.Count < 1 || c.Households+c.PV < 1:
		return errors.New("generated data needs at least one meter and one interval")
	case c.Count >= MaxPoints || c.Households > MaxPoints || c.PV > MaxPoints || (c.Households+c.PV)*(c.Count+1) > MaxPoints:
		return fmt.Errorf("%d meters with %d intervals are more than the %d points that are made at once", c.Households+c.PV, c.Count, MaxPoints)
	case c.Interval < time.Minute || c.Interval > 24*time.Hour || c.Interval%time.Minute != 0:
		return fmt.Errorf("an interval of %v: want whole minutes up to a day", c.Interval)
	case c.Start.UnixMilli()%60_000 != 0 || offset%60 != 0:
		return fmt.Errorf("generated data starts at a whole minute, not at %v", c.Start)
	case c.Start.Year() < 1971 || c.Start.Year() > 2200:
		return fmt.Errorf("a start in %d: want 1971 to 2200", c.Start.Year())
	case c.LatitudeMilli < -90_000 || c.LatitudeMilli > 90_000:
		return fmt.Errorf("a latitude of %d thousandths of a degree: want -90000 to 90000", c.LatitudeMilli)
	}
	return nil
}

// measure runs the meter through all intervals. The sum is kept in W x minutes,
// so that rounding to Wh never adds up.
func (s *Series) measure(source meter, first uint64, config Config) {
	at := config.Start.UnixMilli()
	s.Points = make([]intervals.Point, 1, config.Count+1)
	s.Points[0] = intervals.Point{Meter: s.Meter, MeasuredAt: at, Register: first}
	var sum int64
	for range config.Count {
		minute := (at + s.place.offset) / 60_000
		for i := range int64(config.Interval / time.Minute) {
			sum += source.power(minute + i)
		}
		at += config.Interval.Milliseconds()
		s.Points = append(s.Points, intervals.Point{Meter: s.Meter, MeasuredAt: at, Register: first + uint64(sum/60)})
	}
}
