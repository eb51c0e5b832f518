package intervals

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Summary says what became of a file.
type Summary struct {
	// Layout and the column names are what was used of a CSV file, given or found.
	// ValueColumns has one name for a long file and the meters' for a wide one.
	Layout                  Layout
	MeterColumn, TimeColumn string
	ValueColumns            []string

	Interval time.Duration // the most frequent one
	From, To int64         // unix ms: start of the first interval, end of the last

	Meters []Meter // sorted by id

	Rows    int         // interval values that became points
	Empty   int         // interval values that were empty, or that the file says are missing
	Skipped int         // rows or values that could not be used
	Errors  []LineError // why, for the first MaxLineErrors of them
	Ignored []Ignored   // channels that no energy register can count
}

// Meter is what a file says of one meter.
type Meter struct {
	ID        string
	Name      string // as in the file
	Direction Direction
	Rows      int
	From, To  int64  // unix ms
	KWh       string // the exact sum; an endless fraction is cut and ends with …
	Total     uint64 // the last register, in the register's unit
	PeakW     uint64 // highest average power over an interval, rounded up
	GapCount  int
	Missing   time.Duration // what the gaps have together
	Gaps      []Gap         // the first MaxGaps of them
	Qualities map[string]int
}

// Gap is a time between two intervals of which the file has no value.
type Gap struct{ From, To int64 }

// Ignored is a channel whose values are not energy.
type Ignored struct {
	Name, Why string
	Values    int
}

// LineError says why a line, or one meter's value in it, was not used.
type LineError struct {
	File   string // within an archive
	Line   int
	Meter  string // as in the file; empty where the whole line was meant
	Reason error
}

func (e LineError) Error() string {
	place := fmt.Sprintf("line %d", e.Line)
	if e.File != "" {
		place = e.File + ", " + place
	}
	if e.Meter != "" {
		place += fmt.Sprintf(", meter %q", e.Meter)
	}
	return fmt.Sprintf("%s: %v", place, e.Reason)
}

// Unwrap gives the reason to errors.Is.
func (e LineError) Unwrap() error { return e.Reason }

// exact writes a number with all its decimals, or with twelve and a sign that
// there are more.
func exact(r *big.Rat) string {
	places, finite := r.FloatPrec()
	if finite && places <= 4*MaxDecimals {
		return r.FloatString(places)
	}
	const kept = 12
	cut := new(big.Int).Mul(r.Num(), powerOfTen(kept))
	cut.Quo(cut, r.Denom())
	text := new(big.Rat).SetFrac(cut, powerOfTen(kept)).FloatString(kept)
	return strings.TrimRight(text, "0") + "…"
}
