package intervals

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Collector takes what a reader of some format finds in a file and makes a
// [File] of it.
type Collector struct {
	options Options
	source  string
	byName  map[string]*Channel
	byID    map[string]*Channel
	meters  []*Channel // in the order of appearance
	ignored map[string]int
	rows    int
	records int
	read    int // bytes, of all parts of an archive
	summary Summary
}

// Channel collects the usable values of one meter.
type Channel struct {
	id, name  string
	direction Direction
	power     bool
	clock     *clock // of a meter whose times may be local
	taken     map[int64]bool
	rows      []row
	words     []string
	numbers   map[string]uint16 // of the words
}

// Value is one interval value as a file has it.
type Value struct {
	Line          int
	Start, Length int64  // unix ms, ms
	Text          string // a decimal number
	Shift         int    // times ten to this power it is kWh
	Quality       string // what the file says of it
	// GoesOn says that the value counts from where the one before it ended, though
	// its time may begin before that.
	GoesOn bool
}

// NewCollector begins a file.
func NewCollector(o Options) (*Collector, error) {
	o, err := o.normal()
	if err != nil {
		return nil, err
	}
	return &Collector{options: o, byName: map[string]*Channel{}, byID: map[string]*Channel{}, ignored: map[string]int{}}, nil
}

// From names the part of an archive that the next lines are of.
func (c *Collector) From(name string) { c.source = name }

// Record counts a record of the file, whether or not it has a value that can be
// used: what is remembered of each would otherwise have no bound.
func (c *Collector) Record(line int) error {
	if c.records++; c.records > MaxRows {
		return fmt.Errorf("line %d: more than the %d records that one file may have", line, MaxRows)
	}
	return nil
}

// Channel returns the meter of that name, a new one the first time, nil beyond
// the limit of meters that was asked for.
func (c *Collector) Channel(name string, d Direction) (*Channel, error) {
	if meter := c.byName[name]; meter != nil {
		return meter, nil
	}
	if limit := c.options.Limit.Meters; limit > 0 && len(c.meters) >= limit {
		return nil, nil
	}
	if len(c.meters) == MaxMeters {
		return nil, fmt.Errorf("more than the %d meters that one file may have", MaxMeters)
	}
	name = strings.Clone(name) // It may lie in the record, which is used again.
	id, err := MeterID(name)
	if err != nil {
		return nil, err
	}
	if other := c.byID[id]; other != nil {
		return nil, fmt.Errorf("the meters %q and %q would both become %q: rename one of them", other.name, name, id)
	}
	meter := &Channel{
		id: id, name: name, direction: d, power: c.options.Unit == W, clock: newClock(c.options.TZ),
	}
	c.byName[name], c.byID[id] = meter, meter
	c.meters = append(c.meters, meter)
	return meter, nil
}

// full says whether no more rows of a meter were asked for.
func (c *Collector) full(meter *Channel) bool {
	limit := c.options.Limit.RowsPerMeter
	return limit > 0 && len(meter.rows) >= limit
}

// Add takes a value of a meter. A value that cannot be used is counted and named;
// an error ends the reading.
func (c *Collector) Add(meter *Channel, v Value) error {
	if meter == nil || c.full(meter) {
		return nil
	}
	value, err := parseDecimal(v.Text)
	if errors.Is(err, errEmpty) {
		c.summary.Empty++
		return nil
	}
	if err == nil {
		value, err = value.shifted(v.Shift)
	}
	if err != nil {
		return c.Skip(v.Line, meter.name, fmt.Errorf("value %.40q: %w", v.Text, err))
	}
	if v.Length > 0 {
		if meter.taken[v.Start] {
			return c.Skip(v.Line, meter.name, errors.New("a second value for this meter and time"))
		}
		if meter.taken == nil {
			meter.taken = map[int64]bool{}
		}
		meter.taken[v.Start] = true
	}
	if c.rows == MaxRows || v.Line > math.MaxInt32 {
		return fmt.Errorf("line %d: more than the %d values that one file may have", v.Line, MaxRows)
	}
	c.rows++
	meter.rows = append(meter.rows, row{start: v.Start, length: v.Length, line: int32(v.Line), value: value, quality: meter.word(v.Quality), goesOn: v.GoesOn})
	return nil
}

// word is the number of a quality word; a meter that has used up all numbers
// gives all further ones the last.
func (m *Channel) word(text string) uint16 {
	word := QualityWord(text)
	if number, known := m.numbers[word]; known {
		return number
	}
	if len(m.words) > math.MaxUint16 {
		return math.MaxUint16
	}
	if m.numbers == nil {
		m.numbers = map[string]uint16{}
	}
	number := uint16(len(m.words))
	m.words, m.numbers[word] = append(m.words, word), number
	return number
}

// Empty counts values that the file says it does not have.
func (c *Collector) Empty(values int) { c.summary.Empty += values }

// Ignore counts values of a channel that no energy register can count.
func (c *Collector) Ignore(name, why string, values int) error {
	key := name + "\x00" + why
	at, known := c.ignored[key]
	if !known {
		if len(c.ignored) == MaxMeters {
			return fmt.Errorf("more than the %d meters that one file may have, and none of them of energy", MaxMeters)
		}
		at = len(c.summary.Ignored)
		c.ignored[key] = at
		c.summary.Ignored = append(c.summary.Ignored, Ignored{Name: name, Why: why})
	}
	c.summary.Ignored[at].Values += values
	return nil
}

// Skip counts a row that cannot be used, or ends the reading when it is strict.
func (c *Collector) Skip(line int, meter string, reason error) error {
	problem := LineError{File: c.source, Line: line, Meter: meter, Reason: reason}
	if c.options.Strict {
		return problem
	}
	c.summary.Skipped++
	if len(c.summary.Errors) < MaxLineErrors {
		c.summary.Errors = append(c.summary.Errors, problem)
	}
	return nil
}
