package intervals

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Names that columns usually have, in lower case. They are looked for in this
// order when no name was given.
var (
	usualMeterColumns = []string{"meter", "meter_id", "customer_id", "customer", "nmi", "household", "household_id", "site_id", "lclid"}
	usualTimeColumns  = []string{"reading_datetime", "timestamp", "datetime", "date_time", "time", "interval_start", "measured_at", "from"}

	// calendarColumns are numbers, but not meters, unless named as such.
	calendarColumns = []string{
		"", "row", "index", "id", "year", "month", "week", "day", "hour", "minute",
		"day_type", "weekday", "day_of_week", "dst", "daylight_savings_status", "holiday",
	}
)

// columns says where in a record things stand. In a wide file meter and value
// are unused; in a long one values is. What there is no column for is -1.
type columns struct {
	layout                            Layout
	header                            []string
	meter, at, value, export, quality int
	values                            []int
}

// arrange decides what is where. sample holds the first records, from which a
// wide file's columns of numbers are told.
func arrange(o Options, header []string, sample [][]string) (columns, error) {
	if err := parted(header); err != nil {
		return columns{}, err
	}
	for i, name := range header {
		if name != "" && slices.Contains(header[:i], name) {
			return columns{}, fmt.Errorf("the header names the column %q twice", name)
		}
	}
	c := columns{layout: layoutOf(o, header), header: header, meter: -1, at: -1, value: -1, export: -1, quality: -1}
	if c.layout == Long {
		return c, c.arrangeLong(o)
	}
	return c, c.arrangeWide(o, sample)
}

// parted tells usual files that are no CSV in the sense of RFC 4180.
func parted(header []string) error {
	for _, name := range header {
		if strings.Contains(name, "\r") {
			return errors.New("the lines end with a carriage return alone: save the file with line feeds")
		}
	}
	if len(header) == 1 {
		for sign, called := range map[string]string{";": "semicolons", "\t": "tabs"} {
			if strings.Contains(header[0], sign) {
				return fmt.Errorf("the header has %s between its names: save the file with commas, and with points in its numbers", called)
			}
		}
	}
	return nil
}

// layoutOf takes the layout that was given, or that the given column names
// make sense for, or that the header looks like.
func layoutOf(o Options, header []string) Layout {
	switch {
	case o.Layout != Auto:
		return o.Layout
	case len(o.MeterColumns) > 0 || !o.Start.IsZero():
		return Wide
	case o.MeterColumn != "" || o.ValueColumn != "" || o.ExportColumn != "" || indexOfUsual(header, usualMeterColumns) >= 0:
		return Long
	}
	return Wide
}

func (c *columns) arrangeLong(o Options) (err error) {
	switch {
	case len(o.MeterColumns) > 0:
		return errors.New("meter columns are given for a file with one value a row: want one meter column")
	case !o.Start.IsZero():
		return errors.New("a start is given for a file with one value a row: its rows need times")
	}
	if c.meter, err = c.find(o.MeterColumn, usualMeterColumns, "meter"); err != nil {
		return err
	}
	if c.at, err = c.find(o.TimeColumn, usualTimeColumns, "time"); err != nil {
		return err
	}
	if o.ExportColumn != "" {
		if c.export, err = c.find(o.ExportColumn, nil, "export"); err != nil {
			return err
		}
	}
	if o.QualityColumn != "" {
		if c.quality, err = c.find(o.QualityColumn, nil, "quality"); err != nil {
			return err
		}
	}
	if o.ValueColumn != "" {
		c.value, err = c.find(o.ValueColumn, nil, "value")
		return err
	}
	c.value = slices.IndexFunc(c.header, func(name string) bool {
		name = strings.ToLower(name)
		return name == string(o.Unit) || strings.HasSuffix(name, "_"+string(o.Unit))
	})
	if c.value < 0 {
		c.value, err = c.find("", []string{"value", "energy"}, "value")
	}
	return err
}

func (c *columns) arrangeWide(o Options, sample [][]string) (err error) {
	if o.MeterColumn != "" || o.ValueColumn != "" || o.ExportColumn != "" || o.QualityColumn != "" {
		return errors.New("a meter, value, export or quality column is given for a file with one meter a column: want meter columns")
	}
	if o.Start.IsZero() {
		if c.at, err = c.find(o.TimeColumn, usualTimeColumns, "time"); err != nil {
			return fmt.Errorf("%w; or give the start of the first interval and the interval (--start, --interval)", err)
		}
	}
	if len(o.MeterColumns) > 0 {
		c.values, err = c.match(o.MeterColumns)
		return err
	}
	for i, name := range c.header {
		usual := slices.Contains(calendarColumns, strings.ToLower(name)) || slices.Contains(usualTimeColumns, strings.ToLower(name))
		if i != c.at && !usual && isNumeric(sample, i) {
			c.values = append(c.values, i)
		}
	}
	if len(c.values) == 0 {
		return fmt.Errorf("no column of numbers among %s (--meter-columns names them)", listed(c.header))
	}
	return nil
}

// find returns the column of the given name, or without one the first of the
// usual names that the header has.
func (c *columns) find(name string, usual []string, what string) (int, error) {
	if name != "" {
		if at := slices.Index(c.header, name); at >= 0 {
			return at, nil
		}
		return -1, fmt.Errorf("no %s column %q among %s", what, name, listed(c.header))
	}
	if at := indexOfUsual(c.header, usual); at >= 0 {
		return at, nil
	}
	return -1, fmt.Errorf("which column has the %s is not clear from the header %s (--%s-column names it)", what, listed(c.header), what)
}

// match returns the columns that the patterns name, in header order. A pattern
// that names none is a mistake.
func (c *columns) match(patterns []string) ([]int, error) {
	matched := map[int]bool{}
	for _, pattern := range patterns {
		found := false
		for i, name := range c.header {
			fits, err := path.Match(pattern, name)
			if err != nil {
				return nil, fmt.Errorf("the meter column pattern %q: %w", pattern, err)
			}
			if (fits || name == pattern) && i != c.at {
				matched[i], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no meter column %q among %s", pattern, listed(c.header))
		}
	}
	var values []int
	for i := range c.header {
		if matched[i] {
			values = append(values, i)
		}
	}
	return values, nil
}

func indexOfUsual(header, usual []string) int {
	for _, name := range usual {
		at := slices.IndexFunc(header, func(column string) bool { return strings.EqualFold(column, name) })
		if at >= 0 {
			return at
		}
	}
	return -1
}

// isNumeric judges a column by its first value that is not empty.
func isNumeric(sample [][]string, column int) bool {
	for _, record := range sample {
		if column >= len(record) {
			continue
		}
		_, err := parseDecimal(record[column])
		if errors.Is(err, errEmpty) {
			continue
		}
		return err == nil || errors.Is(err, errNegative)
	}
	return false
}

// listed shows a header in a message, cut where it is long.
func listed(header []string) string {
	const most = 12
	if len(header) > most {
		return fmt.Sprintf("%.40q and %d more", header[:most], len(header)-most)
	}
	return fmt.Sprintf("%.40q", header)
}
