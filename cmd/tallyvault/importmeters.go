package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// writeMeters writes what meter register takes, so that nobody has to type the
// meters of a file. Capacity is twice the highest power that the file has, which is
// for people to look at.
func writeMeters(c *cli.Context, named []namedSeries, file intervals.File) error {
	told := map[string]intervals.Meter{}
	for _, m := range file.Summary.Meters {
		told[m.ID] = m
	}
	var text bytes.Buffer
	out := csv.NewWriter(&text)
	_ = out.Write(meterColumns) // a buffer takes everything
	for _, n := range named {
		m := told[n.series.ID]
		interval := cmp.Or(file.Summary.Interval, time.Duration(m.To-m.From)*time.Millisecond)
		_ = out.Write([]string{
			n.id, c.String("provider"), c.String("payer"), capacityFor(m.PeakW), interval.String(), strconv.Itoa(decimalsOf(m.KWh)),
		})
	}
	out.Flush()
	if err := createFile(c.String("meters-out"), text.Bytes()); err != nil {
		return err
	}
	tell(c, "Wrote %s: look at the capacities, then tallyvault meter register --file %s.\n", c.String("meters-out"), c.String("meters-out"))
	return nil
}

// capacityFor is twice a power, in kW with three decimals, a watt at least.
func capacityFor(peakW uint64) string {
	watts := max(1, 2*min(peakW, 1<<50))
	return fmt.Sprintf("%d.%03d", watts/1000, watts%1000)
}

// decimalsOf is how many decimals a register needs for a sum, at least watt-hours
// and at most what a register may have.
func decimalsOf(kwh string) int {
	_, fraction, _ := strings.Cut(kwh, ".")
	return min(max(len(strings.TrimSuffix(fraction, "…")), intervals.DefaultDecimals), intervals.MaxDecimals)
}
