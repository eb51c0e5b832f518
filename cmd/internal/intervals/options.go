package intervals

import (
	"errors"
	"fmt"
	"time"
)

// Layout says how values stand in a file.
type Layout string

// The layouts. Auto decides by the options given and the header found.
const (
	Auto Layout = ""
	Long Layout = "long"
	Wide Layout = "wide"
)

// Unit says what the values of a file are.
type Unit string

// The units. W is the average power over the interval. The zero value is KWh.
const (
	KWh Unit = "kwh"
	Wh  Unit = "wh"
	MWh Unit = "mwh"
	W   Unit = "w"
)

// shift is the power of ten that makes kWh of a value. Power is multiplied with
// its time later.
func (u Unit) shift() int {
	switch u {
	case Wh:
		return -3
	case MWh:
		return 3
	default:
		return 0
	}
}

// Limits of what is read. They bound memory, not honest files.
const (
	MaxBytes      = 1 << 30 // of a file, or of all files in an archive
	MaxLineBytes  = 1 << 20 // of one line, record or element
	MaxMeters     = 100_000 // in one file
	MaxRows       = 8 << 20 // interval values in one file, and records
	MaxLineErrors = 1_000   // skipped rows that are named; more are only counted
	MaxGaps       = 100     // of one meter that are named; more are only counted
	MinInterval   = time.Second
	MaxInterval   = 31 * 24 * time.Hour
)

const (
	// DefaultDecimals makes a register count watt-hours.
	DefaultDecimals = 3
	// WholeUnits makes a register count kilowatt-hours.
	WholeUnits = -1
	// MaxDecimals keeps a register of a household below 64 bits for centuries.
	MaxDecimals = 9
)

// Options say how to read a file. The zero value reads a long or wide file in
// kWh whose columns have usual names and whose times carry an offset.
type Options struct {
	Layout Layout

	// MeterColumn, TimeColumn and ValueColumn name columns of a long file;
	// TimeColumn also that of a wide one. Empty: the usual names are looked for.
	MeterColumn, TimeColumn, ValueColumn string

	// ExportColumn of a long file has what the meter fed into the grid. It becomes a
	// meter of its own, named after the other with -export behind it.
	ExportColumn string

	// QualityColumn of a long file says something of each value.
	QualityColumn string

	// MeterColumns name the meters of a wide file; * and ? stand for any text
	// and any character. Empty: every column of numbers, apart from columns of
	// the calendar (see the list in columns.go).
	MeterColumns []string

	// TZ is the zone of times without an offset. There is no default: a wrong
	// guess would move energy by hours without anybody noticing.
	TZ *time.Location

	// Start is the start of the first interval of a wide file without usable
	// times. Interval is the length of all intervals; when zero it is the most
	// frequent distance between two times of the file.
	Start    time.Time
	Interval time.Duration

	Unit Unit

	// Decimals sets the unit of the registers to 10^-Decimals kWh. Zero means
	// DefaultDecimals; WholeUnits means none.
	Decimals int

	Limit Limit

	// Strict makes the first unusable row an error instead of a counted one.
	Strict bool
}

// Limit takes a part of a file: the first meters, and the first rows of each.
// Zero means all.
type Limit struct {
	Meters       int
	RowsPerMeter int
}

// normal fills the defaults in and refuses what makes no sense.
func (o Options) normal() (Options, error) {
	if o.Unit == "" {
		o.Unit = KWh
	}
	switch o.Decimals {
	case 0:
		o.Decimals = DefaultDecimals
	case WholeUnits:
		o.Decimals = 0
	}
	switch {
	case o.Unit != KWh && o.Unit != Wh && o.Unit != MWh && o.Unit != W:
		return o, fmt.Errorf("unknown unit %q: want %s, %s, %s or %s", o.Unit, KWh, Wh, MWh, W)
	case o.Layout != Auto && o.Layout != Long && o.Layout != Wide:
		return o, fmt.Errorf("unknown layout %q: want %s or %s", o.Layout, Long, Wide)
	case o.Decimals < 0 || o.Decimals > MaxDecimals:
		return o, fmt.Errorf("%d decimals of a kWh: want 0 to %d", o.Decimals, MaxDecimals)
	case o.Interval != 0 && (o.Interval < MinInterval || o.Interval > MaxInterval):
		return o, fmt.Errorf("an interval of %v: want %v to %v", o.Interval, MinInterval, MaxInterval)
	case o.Interval%time.Millisecond != 0:
		return o, fmt.Errorf("an interval of %v: want whole milliseconds", o.Interval)
	case o.Limit.Meters < 0 || o.Limit.RowsPerMeter < 0:
		return o, errors.New("a limit of meters or rows is negative")
	case !o.Start.IsZero() && o.Interval == 0:
		return o, errors.New("a start is given without an interval: both are needed where a file has no usable times")
	case !o.Start.IsZero() && o.TimeColumn != "":
		return o, errors.New("both a start and a time column are given: want one of them")
	case !o.Start.IsZero() && (o.Start.UnixMilli() < 0 || o.Start.Year() > maxYear):
		return o, fmt.Errorf("a start in %d: want 1970 to %d", o.Start.Year(), maxYear)
	}
	return o, nil
}
