package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
)

func meterCommand() *cli.Command {
	return &cli.Command{
		Name:        "meter",
		Usage:       "register and list meters",
		Subcommands: []*cli.Command{meterRegisterCommand(), meterListCommand()},
	}
}

func meterRegisterCommand() *cli.Command {
	return &cli.Command{
		Name:  "register",
		Usage: "make the command that registers meters",
		Description: `One meter by flags, or up to 256 from a CSV file with the columns meter,
provider, payer, capacity, interval, decimals in its first line. Capacity is what
the meter can count in an hour, in the market's unit; interval is how often it is
read; decimals says that its register counts in steps of 10^-decimals.

   tallyvault meter register --meter m-1 --provider pv-1 --payer grid \
      --capacity 6.0 --interval 15m --decimals 3 --genesis genesis.json --out meters.json
   tallyvault meter register --file meters.csv --genesis genesis.json --out meters.json

   meters.csv:
      meter,provider,payer,capacity,interval,decimals
      m-1,pv-1,grid,6.0,15m,3` + howThreshold,
		Flags: thresholdFlags(
			marketFlag(),
			&cli.StringFlag{Name: "file", Usage: "CSV `FILE` of meters"},
			&cli.StringFlag{Name: "meter", Usage: "`ID` of the meter"},
			&cli.StringFlag{Name: "provider", Usage: "`NAME` of who submits its readings and is paid"},
			&cli.StringFlag{Name: "payer", Usage: "`NAME` of who pays"},
			&cli.StringFlag{Name: "capacity", Usage: "most that it can count in an hour, in the market's unit"},
			&cli.StringFlag{Name: "interval", Usage: "how often it is read, such as 15m"},
			&cli.StringFlag{Name: "decimals", Value: "3", Usage: "its register counts 10^-decimals of the market's unit"},
		),
		Action: meterRegister,
	}
}

// meterColumns are the columns of a file of meters, and the flags for one.
var meterColumns = []string{"meter", "provider", "payer", "capacity", "interval", "decimals"}

func meterRegister(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	rows, err := meterRows(c)
	if err != nil {
		return err
	}
	return propose(c, "register_meters", func(h fsm.ThresholdHeader) (any, error) {
		return fsm.RegisterMeters{ThresholdHeader: h, Market: c.String("market"), Meters: rows}, nil
	})
}

// maxMetersFile is more than a command's meters take.
const maxMetersFile = 4 << 20

func meterRows(c *cli.Context) ([]fsm.MeterRow, error) {
	if c.IsSet("file") {
		text, err := smallfile.Read(c.String("file"), maxMetersFile)
		if err != nil {
			return nil, fmt.Errorf("reading the meters: %w", err)
		}
		rows, err := readMeters(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.String("file"), err)
		}
		return rows, nil
	}
	if err := demand(c, meterColumns[:5]...); err != nil {
		return nil, err
	}
	var fields []string
	for _, name := range meterColumns {
		fields = append(fields, c.String(name))
	}
	row, err := meterRow(fields)
	if err != nil {
		return nil, usage("%v", err)
	}
	return []fsm.MeterRow{row}, nil
}

// readMeters reads a CSV file with the columns in any order.
func readMeters(in io.Reader) ([]fsm.MeterRow, error) {
	reader := csv.NewReader(in)
	head, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("reading its first line: %w", err)
	}
	places := map[string]int{}
	for i, name := range head {
		places[name] = i
	}
	for _, name := range meterColumns {
		if _, ok := places[name]; !ok || len(places) != len(meterColumns) {
			return nil, fmt.Errorf("its first line must name the columns %v and no others", meterColumns)
		}
	}
	var rows []fsm.MeterRow
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, enoughMeters(len(rows))
		}
		if err != nil {
			return nil, err
		}
		fields := make([]string, 0, len(meterColumns))
		for _, name := range meterColumns {
			fields = append(fields, record[places[name]])
		}
		row, err := meterRow(fields)
		if err != nil {
			line, _ := reader.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		rows = append(rows, row)
	}
}

func enoughMeters(n int) error {
	switch {
	case n == 0:
		return errors.New("it names no meters")
	case n > fsm.MaxMetersPerCommand:
		return fmt.Errorf("it names %d meters and one command takes %d: split it", n, fsm.MaxMetersPerCommand)
	}
	return nil
}

// meterRow reads the fields of one meter, in the order of meterColumns.
func meterRow(fields []string) (row fsm.MeterRow, err error) {
	decimals, err := strconv.ParseUint(fields[5], 10, 8)
	if err != nil || decimals > 9 {
		return row, fmt.Errorf("decimals %q: want 0 to 9", fields[5])
	}
	interval, err := time.ParseDuration(fields[4])
	if err != nil || interval < time.Millisecond {
		return row, fmt.Errorf("interval %q: want a length of time such as 15m or 1h", fields[4])
	}
	capacity, err := words.ParseRegister(fields[3], uint8(decimals))
	if err != nil {
		return row, fmt.Errorf("capacity: %w", err)
	}
	return fsm.MeterRow{
		Meter: fields[0], Provider: fields[1], Payer: fields[2],
		Capacity: capacity, IntervalMs: interval.Milliseconds(), Decimals: uint8(decimals),
	}, nil
}
