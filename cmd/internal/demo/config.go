package demo

import (
	"errors"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// Config says what to run.
type Config struct {
	// Dir is where everything is left; it must be empty or absent.
	Dir string
	// For is how long providers submit readings.
	For time.Duration
	// Input, when set, is a file of interval values to take readings from
	// instead of generated ones.
	Input *intervals.File
	// Households and PV are how many meters to generate; Seed makes them.
	Households, PV int
	Seed           uint64
	// Version is shown by the nodes' APIs.
	Version string
	// Verify runs the offline verifier as a child process on a policy file and
	// a directory of proof files and returns how many verified.
	Verify func(policy, dir string) (int, error)
	// Progress shows people how it goes.
	Progress Progress
}

// Progress is told what happens.
type Progress interface {
	// Say tells of something worth a line of its own.
	Say(format string, args ...any)
	// Show replaces the line of figures.
	Show(line string)
}

// Limits of the demo.
const (
	MinFor    = 2 * time.Second
	MaxFor    = time.Hour
	MaxMeters = 500
	// roundPause is the time between two readings of a meter.
	roundPause = 400 * time.Millisecond
	interval   = 30 * time.Minute
	// maxRounds keeps the oldest generated reading within the market's reading age,
	// maxAge one of a file.
	maxRounds = 9_000
	maxAge    = 399 * 24 * time.Hour
)

func (c Config) check() error {
	switch {
	case c.For < MinFor || c.For > MaxFor:
		return fmt.Errorf("a duration of %v: want %v to %v", c.For, MinFor, MaxFor)
	case c.Households < 0 || c.PV < 0 || c.Households+c.PV > MaxMeters:
		return fmt.Errorf("%d households and %d PV plants: want at most %d meters", c.Households, c.PV, MaxMeters)
	case c.Input != nil && len(c.Input.Series) > MaxMeters:
		return fmt.Errorf("%d meters in the input: want at most %d", len(c.Input.Series), MaxMeters)
	case c.Input == nil && c.Households+c.PV == 0:
		return errors.New("no meters: name some households or PV plants, or an input file")
	}
	return nil
}

// rounds is how many readings after its baseline each meter gets at most.
func (c Config) rounds() int { return min(int(c.For/roundPause), maxRounds) }
