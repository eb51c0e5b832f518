package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
	"github.com/tallyvault/tallyvault/cmd/internal/meterdata"
)

// formatFlags say how to read a file of interval values.
func formatFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Value: "csv", Usage: "format of the file: " + meterdata.Formats},
		&cli.StringFlag{Name: "layout", Usage: "csv: long (one value a row) or wide (one meter a column); found out when not given"},
		&cli.StringFlag{Name: "meter-column", Usage: "csv: column that names the meter, in a long file"},
		&cli.StringFlag{Name: "time-column", Usage: "csv: column with the start of the interval"},
		&cli.StringFlag{Name: "value-column", Usage: "csv: column with the value, in a long file"},
		&cli.StringFlag{Name: "export-column", Usage: "csv: column with what was fed into the grid, in a long file; counts on a meter of its own"},
		&cli.StringFlag{Name: "quality-column", Usage: "csv: column that says something of each value, in a long file"},
		&cli.StringFlag{Name: "meter-columns", Usage: "csv: columns that are meters, in a wide file, comma-separated; * and ? are wildcards"},
		&cli.StringFlag{Name: "tz", Usage: "csv: zone of times without an offset: a name such as Europe/Berlin, or +10:00"},
		&cli.StringFlag{Name: "start", Usage: "csv: start of the first interval where the file has no usable times, e.g. 2022-01-01T00:00:00Z"},
		&cli.DurationFlag{Name: "interval", Usage: "csv: length of an interval, e.g. 30m or 1h (default: found out)"},
		&cli.StringFlag{Name: "unit", Value: "kwh", Usage: "csv: unit of the values: kwh, wh, mwh, or w for average power"},
	}
}

// csvFlags say what the other formats say themselves.
var csvFlags = []string{
	"layout", "meter-column", "time-column", "value-column", "export-column", "quality-column", "meter-columns", "start", "interval", "unit",
}

// readIntervals reads the file that the flags describe.
func readIntervals(c *cli.Context, path string, limit intervals.Limit) (intervals.File, error) {
	format, err := meterdata.ParseFormat(c.String("format"))
	if err != nil {
		return intervals.File{}, usage("--format: %v", err)
	}
	options := intervals.Options{Limit: limit, Strict: c.Bool("strict")}
	if format == meterdata.CSV {
		err = csvOptions(c, &options)
	} else {
		err = noCSVOptions(c, format)
	}
	if err != nil {
		return intervals.File{}, err
	}
	file, err := meterdata.ReadFile(path, format, options)
	if err != nil {
		if s := file.Summary; s.Skipped > 1 || s.Skipped == 1 && !errors.Is(err, s.Errors[0]) { // Some errors name the first.
			tellProblems(c, file.Summary)
		}
		return file, fmt.Errorf("%s: %w", path, err)
	}
	tellProblems(c, file.Summary)
	return file, nil
}

// maxTold is how many problems are told to people; import's --json has the rest.
const maxTold = 20

// tellProblems names what the file has that could not be used.
func tellProblems(c *cli.Context, s intervals.Summary) {
	for _, e := range s.Errors[:min(len(s.Errors), maxTold)] {
		tell(c, "not used: %s\n", e)
	}
	if more := s.Skipped - maxTold; more > 0 {
		tell(c, "not used: %d more\n", more)
	}
	for _, i := range s.Ignored[:min(len(s.Ignored), maxTold)] {
		tell(c, "not energy: %s: %s (%d values)\n", i.Name, i.Why, i.Values)
	}
}

// csvOptions turns the flags into options.
func csvOptions(c *cli.Context, o *intervals.Options) error {
	o.Layout = intervals.Layout(c.String("layout"))
	o.MeterColumn, o.TimeColumn, o.ValueColumn = c.String("meter-column"), c.String("time-column"), c.String("value-column")
	o.ExportColumn, o.QualityColumn = c.String("export-column"), c.String("quality-column")
	o.Interval, o.Unit = c.Duration("interval"), intervals.Unit(strings.ToLower(c.String("unit")))
	if list := c.String("meter-columns"); list != "" {
		o.MeterColumns = strings.Split(list, ",")
	}
	var err error
	if tz := c.String("tz"); tz != "" {
		if o.TZ, err = intervals.ParseZone(tz); err != nil {
			return usage("--tz: %v", err)
		}
	}
	if start := c.String("start"); start != "" {
		if o.Start, err = intervals.ParseTime(start, o.TZ); err != nil {
			return usage("--start: %v", err)
		}
	}
	return nil
}

// noCSVOptions refuses flags that would say something else than the file.
func noCSVOptions(c *cli.Context, f meterdata.Format) error {
	for _, name := range csvFlags {
		if c.IsSet(name) {
			return usage("--%s is for csv files; %s says it itself", name, f)
		}
	}
	if c.IsSet("tz") {
		tell(c, "--tz is not needed: the times of %s are in a zone of its own.\n", f)
	}
	return nil
}
