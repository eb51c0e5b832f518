package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/tallyvault/tallyvault/cmd/internal/demo"
	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// demoCommand runs a committee of three in this process.
func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "run a committee of three on this machine, with real signatures, money and receipts",
		Description: `Starts three nodes with Raft, TLS and data directories of their own on free
loopback ports, registers providers, payers and meters, lets oracle agents
attest to readings, settles them, tries some mischief, and verifies every
receipt offline. Needs no configuration and no network.

Readings come from believable households and PV plants made from a seed, or
from a file of interval values, as CSV, NEM12 or Green Button:

   tallyvault demo
   tallyvault demo --for 60s --households 50 --pv 20 --seed 7
   tallyvault demo --input meters.csv --format csv --tz Australia/Sydney
   tallyvault demo --input wide.csv --start 2022-01-01T00:00:00Z --interval 1h
   tallyvault demo --input NEM12#site.zip --format nem12
   tallyvault demo --input usage.xml --format greenbutton

Times of a file are shifted so that its newest reading is now.`,
		Flags: append([]cli.Flag{
			&cli.DurationFlag{Name: "for", Value: 20 * time.Second, Usage: "how long providers submit readings"},
			&cli.StringFlag{Name: "dir", Usage: "directory to leave everything in, empty or absent (default: a new temporary one)"},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object on standard output at the end"},
			&cli.IntFlag{Name: "households", Value: 24, Usage: "how many households to generate"},
			&cli.IntFlag{Name: "pv", Value: 8, Usage: "how many PV plants to generate"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "what the generated data follow from"},
			&cli.StringFlag{Name: "input", Usage: "`FILE` of interval values instead of generated data"},
			&cli.IntFlag{Name: "meters", Value: 64, Usage: "most meters to take from the file"},
		}, formatFlags()...),
		Action: runDemo,
	}
}

func runDemo(c *cli.Context) error {
	if c.NArg() > 0 {
		return usage("demo takes no arguments, found %q", c.Args().First())
	}
	config := demo.Config{
		Dir: c.String("dir"), For: c.Duration("for"), Households: c.Int("households"), PV: c.Int("pv"), Seed: c.Uint64("seed"),
		Version: version(), Verify: demo.Child,
		Progress: &demo.Screen{Out: c.App.ErrWriter, Terminal: term.IsTerminal(int(os.Stderr.Fd()))},
	}
	if path := c.String("input"); path != "" {
		file, err := readIntervals(c, path, intervals.Limit{Meters: c.Int("meters")})
		if err != nil {
			return err
		}
		config.Input = &file
	}
	if config.Dir == "" {
		dir, err := os.MkdirTemp("", "tallyvault-demo-")
		if err != nil {
			return err
		}
		config.Dir = dir
	}
	summary, err := demo.Run(c.Context, config)
	if err != nil {
		return fmt.Errorf("demo in %s: %w", config.Dir, err)
	}
	summary.Tell(c.App.ErrWriter, "tallyvault")
	if c.Bool("json") {
		out, err := json.Marshal(summary)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.App.Writer, string(out)) //nolint:errcheck // standard output
	}
	if !summary.Clean() {
		return fmt.Errorf("demo in %s: not everything held, see above", config.Dir)
	}
	return nil
}
