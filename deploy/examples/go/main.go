// Command go is a gateway in Go, to read and to take parts of. It reads measurements
// from its standard input, one "meter,register,time" a line, keeps them in an outbox
// until they are paid for, and prints each step as a line of JSON:
//
//	go run ./deploy/examples/go --genesis genesis.json --key sunny.key --provider sunny \
//	    --outbox sunny.outbox < measurements.csv
//
// The register is a whole number of the meter's smallest unit, the time is RFC 3339.
// A line that is wrong is named and left out; one that cannot be kept, because the disk
// or the outbox is full, ends the program. It may be killed at any time, and started
// again with the same or with more input: nothing is lost, and nothing counts twice.
// With --wait it ends once nothing more is to come of what is in the outbox.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/client"
	"github.com/tallyvault/tallyvault/transport/client/outbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// settings are what the flags say.
type settings struct {
	genesis, key, provider, market, outbox string
	wait                                   bool
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.genesis, "genesis", "genesis.json", "genesis `file` of the cluster; nodes are reached as it says")
	flags.StringVar(&s.key, "key", "", "private key `file` of the provider")
	flags.StringVar(&s.provider, "provider", "", "`name` of the provider")
	flags.StringVar(&s.market, "market", "energy", "`id` of the market")
	flags.StringVar(&s.outbox, "outbox", "gateway.outbox", "`file` of the outbox")
	flags.BoolVar(&s.wait, "wait", false, "end when nothing more is to come")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if s.key == "" || s.provider == "" || flags.NArg() > 0 {
		return s, errors.New("want --key FILE and --provider NAME, and measurements on the standard input")
	}
	return s, nil
}

func run(ctx context.Context, args []string, in io.Reader, out, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(s.genesis)
	if err != nil {
		return err
	}
	g, err := genesis.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.genesis, err)
	}
	key, err := client.ReadKey(s.key)
	if err != nil {
		return err
	}
	config := client.Config{Genesis: g, Key: key}
	for _, node := range g.Nodes {
		config.URLs = append(config.URLs, node.APIAddress)
	}
	c, err := client.Dial(config)
	if err != nil {
		return err
	}
	defer c.Close()
	lines := json.NewEncoder(out)
	box, err := outbox.Open(outbox.Config{
		Path: s.outbox, Cluster: c, Signer: client.Signer{Key: key, Cluster: g.Cluster}, Provider: s.provider,
		Changed: func(f outbox.Fate) { _ = lines.Encode(f) }, // nobody may be listening
		Logger:  slog.New(slog.NewTextHandler(stderr, nil)),
	})
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, box, s, in, stderr), box.Close())
}

// serve stores what comes in and lets the outbox run beside it.
func serve(ctx context.Context, box *outbox.Outbox, s settings, in io.Reader, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()
	stored := make(chan error, 1)
	go func() { stored <- store(box, s.market, in, stderr) }()
	var err error
	select {
	case err = <-stored:
	case failed := <-ended: // or ctx is over; the input may never end
		return failed
	}
	for s.wait && err == nil && ctx.Err() == nil {
		var open bool
		if open, err = unfinished(box); !open {
			break
		}
		select {
		case <-time.After(time.Second):
		case failed := <-ended:
			return failed
		}
	}
	if err != nil || s.wait {
		cancel()
	}
	return errors.Join(err, <-ended)
}

// store puts the lines of the input into the outbox.
func store(box *outbox.Outbox, market string, in io.Reader, stderr io.Writer) error {
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m, wrong := measurement(market, line)
		if wrong == nil {
			err := box.Store(m)
			if _, other := errors.AsType[*outbox.ConflictError](err); err != nil && !other && !errors.Is(err, outbox.ErrMeasurement) {
				return fmt.Errorf("line %d and what follows is not kept: %w", n, err)
			}
			wrong = err
		}
		if wrong != nil {
			_, _ = fmt.Fprintf(stderr, "line %d is left out: %v\n", n, wrong)
		}
	}
	return lines.Err()
}

func measurement(market, line string) (outbox.Measurement, error) {
	fields := strings.Split(line, ",")
	if len(fields) != 3 {
		return outbox.Measurement{}, fmt.Errorf("%d fields, want meter,register,time", len(fields))
	}
	register, err := strconv.ParseUint(strings.TrimSpace(fields[1]), 10, 64)
	if err != nil {
		return outbox.Measurement{}, fmt.Errorf("register %q is no whole number", fields[1])
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(fields[2]))
	if err != nil {
		return outbox.Measurement{}, fmt.Errorf("time %q is not RFC 3339, like 2026-01-31T12:30:00Z", fields[2])
	}
	return outbox.Measurement{Market: market, Meter: strings.TrimSpace(fields[0]), Register: register, MeasuredAt: at}, nil
}

// unfinished says whether something in the outbox has not come to its end.
func unfinished(box *outbox.Outbox) (bool, error) {
	for fate, err := range box.Fates("", time.Time{}) {
		if err != nil {
			return false, err
		}
		if !fate.Over() {
			return true, nil
		}
	}
	return false, nil
}
