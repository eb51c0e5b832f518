package intervals

import (
	"errors"
	"fmt"
	"strings"
)

// file is one reading of one CSV file.
type file struct {
	*Collector
	columns columns
	clock   *clock // of a wide file
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
		if _, err := f.Channel(header[column], ""); err != nil {
			return err
		}
	}
	return nil
}

// record takes one record; number counts records from 0.
func (f *file) record(line, number int, record []string) error {
	if err := f.Record(line); err != nil {
		return err
	}
	if len(record) != len(f.columns.header) {
		return f.Skip(line, "", fmt.Errorf("%d fields where the header has %d", len(record), len(f.columns.header)))
	}
	if f.columns.layout == Long {
		return f.long(line, record)
	}
	return f.wide(line, number, record)
}

func (f *file) long(line int, record []string) error {
	name := strings.TrimSpace(record[f.columns.meter])
	meter, err := f.Channel(name, f.direction())
	if errors.Is(err, errMeterName) {
		return f.Skip(line, "", err)
	}
	if meter == nil || err != nil {
		return err
	}
	// The time is read before the value, because a row without a usable value
	// still is the first or second of its label.
	if f.full(meter) {
		return nil
	}
	start, err := meter.clock.instant(record[f.columns.at])
	if err != nil {
		return f.skipTime(line, name, record[f.columns.at], err)
	}
	v := f.value(line, start, record[f.columns.value])
	if f.columns.quality >= 0 {
		v.Quality = record[f.columns.quality]
	}
	if err := f.Add(meter, v); err != nil || f.columns.export < 0 {
		return err
	}
	out, err := f.Channel(name+exportSuffix, Export)
	if errors.Is(err, errMeterName) {
		return f.Skip(line, "", err)
	}
	if err != nil {
		return err
	}
	v.Text = record[f.columns.export]
	return f.Add(out, v)
}

// exportSuffix makes the name of the meter that counts what a meter exported.
const exportSuffix = "-export"

// direction is known of a file that has a column for each.
func (f *file) direction() Direction {
	if f.columns.export < 0 {
		return ""
	}
	return Import
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
		meter := f.byName[f.columns.header[column]] // nil beyond the limit of meters
		if err := f.Add(meter, f.value(line, start, record[column])); err != nil {
			return err
		}
	}
	return nil
}

// value is an interval value whose length the whole file decides.
func (f *file) value(line int, start int64, text string) Value {
	return Value{Line: line, Start: start, Text: text, Shift: f.options.Unit.shift()}
}

func (f *file) skipTime(line int, meter, text string, err error) error {
	if errors.Is(err, errNoZone) {
		return fmt.Errorf("line %d, time %.40q: %w", line, text, err)
	}
	return f.Skip(line, meter, fmt.Errorf("time %.40q: %w", text, err))
}
