package intervals

import (
	"fmt"
	"time"
)

// Summary says what became of a file.
type Summary struct {
	// Layout and the column names are what was used, given or found. ValueColumns
	// has one name for a long file and the meters' for a wide one.
	Layout                  Layout
	MeterColumn, TimeColumn string
	ValueColumns            []string

	Interval time.Duration
	From, To int64 // unix ms: start of the first interval, end of the last

	Meters []Meter // sorted by id

	Rows    int         // interval values that became points
	Empty   int         // interval values that were empty
	Skipped int         // rows or values that could not be used
	Errors  []LineError // why, for the first MaxLineErrors of them
}

// Meter is what a file says of one meter.
type Meter struct {
	ID    string
	Name  string // as in the file
	Rows  int
	Total uint64 // the last register, in the register's unit
	PeakW uint64 // highest average power over an interval, rounded up
}

// LineError says why a line, or one meter's value in it, was not used.
type LineError struct {
	Line   int
	Meter  string // as in the file; empty where the whole line was meant
	Reason error
}

func (e LineError) Error() string {
	if e.Meter == "" {
		return fmt.Sprintf("line %d: %v", e.Line, e.Reason)
	}
	return fmt.Sprintf("line %d, meter %q: %v", e.Line, e.Meter, e.Reason)
}

// Unwrap gives the reason to errors.Is.
func (e LineError) Unwrap() error { return e.Reason }
