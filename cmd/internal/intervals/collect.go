package intervals

import (
	"errors"
	"fmt"
	"strings"
)

// file is one reading of one file.
type file struct {
	options Options
	columns columns
	byName  map[string]*meterRows
	byID    map[string]*meterRows
	meters  []*meterRows // in the order of appearance
	clock   *clock       // of a wide file
	rows    int
	summary Summary
}

// meterRows collects the usable rows of one meter.
type meterRows struct {
	id, name string
	clock    *clock // of a long file
	rows     []row
}

func (f *file) arrange(header []string, sample [][]string) (err error) {
	if f.columns, err = arrange(f.options, header, sample); err != nil {
		return err
	}
	c, s := f.columns, &f.summary
	s.Layout = c.layout
	if c.at >= 0 {
		s.TimeColumn = header[c.at]
	}
	if c.layout == Long {
		s.MeterColumn, s.ValueColumns = header[c.meter], []string{header[c.value]}
		return nil
	}
	f.clock = newClock(f.options.TZ)
	for _, column := range c.values {
		s.ValueColumns = append(s.ValueColumns, header[column])
		if _, err := f.meter(header[column]); err != nil {
			return err
		}
	}
	return nil
}

// record takes one record; number counts records from 0.
func (f *file) record(line, number int, record []string) error {
	if len(record) != len(f.columns.header) {
		return f.skip(line, "", fmt.Errorf("%d fields where the header has %d", len(record), len(f.columns.header)))
	}
	if f.columns.layout == Long {
		return f.long(line, record)
	}
	return f.wide(line, number, record)
}

func (f *file) long(line int, record []string) error {
	name := strings.TrimSpace(record[f.columns.meter])
	meter, err := f.meter(name)
	if errors.Is(err, errMeterName) {
		return f.skip(line, "", err)
	}
	if meter == nil || err != nil {
		return err
	}
	if limit := f.options.Limit.RowsPerMeter; limit > 0 && len(meter.rows) >= limit {
		return nil
	}
	// The time is read before the value, because a row without a usable value
	// still is the first or second of its label.
	start, err := meter.clock.instant(record[f.columns.at])
	if err != nil {
		return f.skipTime(line, name, record[f.columns.at], err)
	}
	return f.value(meter, line, start, record[f.columns.value])
}

func (f *file) wide(line, number int, record []string) error {
	start := f.options.Start.UnixMilli() + int64(number)*f.options.Interval.Milliseconds()
	if f.columns.at >= 0 {
		var err error
		if start, err = f.clock.instant(record[f.columns.at]); err != nil {
			return f.skipTime(line, "", record[f.columns.at], err)
		}
	}
	for _, column := range f.columns.values {
		meter := f.byName[f.columns.header[column]]
		if meter == nil {
			continue // Beyond the limit of meters.
		}
		if limit := f.options.Limit.RowsPerMeter; limit > 0 && len(meter.rows) >= limit {
			continue
		}
		if err := f.value(meter, line, start, record[column]); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) value(meter *meterRows, line int, start int64, text string) error {
	value, err := parseDecimal(text)
	if errors.Is(err, errEmpty) {
		f.summary.Empty++
		return nil
	}
	if err != nil {
		return f.skip(line, meter.name, fmt.Errorf("value %.40q: %w", text, err))
	}
	if f.rows == MaxRows {
		return fmt.Errorf("line %d: more than the %d values that one file may have", line, MaxRows)
	}
	f.rows++
	meter.rows = append(meter.rows, row{start: start, line: line, value: value})
	return nil
}

// meter returns the meter of that name, a new one the first time, nil beyond
// the limit of meters that was asked for.
func (f *file) meter(name string) (*meterRows, error) {
	if meter := f.byName[name]; meter != nil {
		return meter, nil
	}
	if limit := f.options.Limit.Meters; limit > 0 && len(f.meters) >= limit {
		return nil, nil
	}
	if len(f.meters) == MaxMeters {
		return nil, fmt.Errorf("more than the %d meters that one file may have", MaxMeters)
	}
	name = strings.Clone(name) // It may lie in the record, which is used again.
	id, err := MeterID(name)
	if err != nil {
		return nil, err
	}
	if other := f.byID[id]; other != nil {
		return nil, fmt.Errorf("the meters %q and %q would both become %q: rename one of them", other.name, name, id)
	}
	meter := &meterRows{id: id, name: name, clock: newClock(f.options.TZ)}
	f.byName[name], f.byID[id] = meter, meter
	f.meters = append(f.meters, meter)
	return meter, nil
}

func (f *file) skipTime(line int, meter, text string, err error) error {
	if errors.Is(err, errNoZone) {
		return fmt.Errorf("line %d, time %.40q: %w", line, text, err)
	}
	return f.skip(line, meter, fmt.Errorf("time %.40q: %w", text, err))
}

// skip counts a row that cannot be used, or ends the reading when it is strict.
func (f *file) skip(line int, meter string, reason error) error {
	problem := LineError{Line: line, Meter: meter, Reason: reason}
	if f.options.Strict {
		return problem
	}
	f.summary.Skipped++
	if len(f.summary.Errors) < MaxLineErrors {
		f.summary.Errors = append(f.summary.Errors, problem)
	}
	return nil
}
