package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/tallyvault/tallyvault/cmd/internal/bench"
	"github.com/tallyvault/tallyvault/cmd/internal/demo"
)

// benchCommand measures a cluster.
func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure how many readings a second a cluster takes in and settles",
		Description: `Founds a cluster in --dir, runs its nodes as processes of this program, and
drives it with readings that were signed before the clock starts: first without
oracles, then with three agents that attest. The directory must be empty and on
a disk; one in memory is refused. Nothing runs any more at the end; the
directory is left as it is.

   tallyvault bench --dir /var/tmp/bench
   tallyvault bench --dir /var/tmp/bench --batch 1 --clients 256 --json

With --vs-etcd an etcd cluster that is running somewhere gets the same: blocks of
readings here and of puts there take turns, as many, as large, from as many clients,
a put for --batch 1 and else a transaction of as many puts as a batch has readings
(etcd takes 128 unless it is told otherwise):

   tallyvault bench --dir /var/tmp/bench --vs-etcd http://127.0.0.1:2379 --json

--pending shows the memory that so many open readings take, --leaves whether a long
journal makes anything slower, and with --hold a state that has grown with it.

With --target it drives a running cluster instead, where it registers a provider,
a payer and meters with the keys of as many admins as the threshold asks for:

   tallyvault bench --target https://node-a:8443 --genesis genesis.json \
       --market energy --key ann.key --key ben.key

Only a cluster for trials should be driven: what is registered stays, and so does
the sum of invented money that is paid in for the payer. Of what its processes use
nothing is measured, and nothing is settled unless oracles of its own attest. Nodes
limit what one address may ask of them (serve --checks-per-second); a figure that
this bounds shows RateLimited under "resent".

Exits with 1 if readings were lost or refused.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "empty or absent `DIR` for the cluster, on a disk"},
			&cli.IntFlag{Name: "nodes", Value: 3, Usage: "size of the committee: 3, 5 or 7"},
			&cli.IntFlag{Name: "batch", Value: 128, Usage: "readings in a request; 1 sends each by itself"},
			&cli.IntFlag{Name: "clients", Usage: "requests under way at a time (default: 16, with --batch 1 256)"},
			&cli.IntFlag{Name: "meters", Value: 10_000, Usage: "meters that send readings"},
			&cli.DurationFlag{Name: "for", Value: 15 * time.Second, Usage: "how long each phase sends readings"},
			&cli.StringFlag{Name: "profiles", Usage: "`DIR` for profiles of processor and memory of the nodes, and of this process"},
			&cli.StringSliceFlag{Name: "vs-etcd", Usage: "client `URL` of an etcd cluster that gets as many puts of the same bytes, in turns; repeatable"},
			&cli.IntFlag{Name: "pending", Usage: "let the first phase go on until so many readings are open, instead of --for"},
			&cli.IntFlag{Name: "leaves", Usage: "then settle until the journal has so many leaves, release it all, and measure the first phase again"},
			&cli.BoolFlag{Name: "hold", Usage: "with --leaves: close and release nothing before that"},
			jsonFlag(),
			&cli.StringSliceFlag{Name: "target", Usage: "`URL` of the API of a running cluster's node, repeatable"},
			genesisFlag("its target's, with --target"),
			&cli.StringSliceFlag{Name: "key", Usage: "private key `FILE` of an admin of the target, repeatable"},
			&cli.StringFlag{Name: "market", Value: "energy", Usage: "market of the target that the readings go to"},
			passphraseFlag(),
		},
		Action: runBench,
	}
}

func runBench(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	config := bench.Config{
		Dir: c.String("dir"), Nodes: c.Int("nodes"), Batch: c.Int("batch"), Clients: c.Int("clients"),
		Meters: c.Int("meters"), For: c.Duration("for"), Profiles: c.String("profiles"),
		VsEtcd: c.StringSlice("vs-etcd"), Pending: c.Int("pending"), Leaves: c.Int("leaves"), Hold: c.Bool("hold"),
		Version: version(), Progress: benchProgress(c),
	}
	if targets := c.StringSlice("target"); len(targets) > 0 {
		if err := targetOf(c, targets, &config); err != nil {
			return err
		}
	} else {
		if err := demand(c, "dir"); err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("finding this program: %w", err)
		}
		config.Program = self
	}
	summary, err := bench.Run(c.Context, config)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if c.Bool("json") {
		err = printJSON(c, summary)
	} else {
		summary.Tell(c.App.Writer)
	}
	if err == nil && !summary.Clean() {
		err = fmt.Errorf("bench: %d readings lost, refused %v: the figures do not count", summary.Lost, summary.Refused)
	}
	return err
}

// targetOf reads what it takes to drive somebody else's cluster.
func targetOf(c *cli.Context, urls []string, config *bench.Config) error {
	for _, flag := range []string{"dir", "nodes", "pending", "leaves", "hold"} {
		if c.IsSet(flag) {
			return usage("--%s is for a cluster of the bench's own; with --target there is none", flag)
		}
	}
	if err := demand(c, "genesis", "key"); err != nil {
		return err
	}
	g, err := readGenesis(c)
	if err != nil {
		return err
	}
	if err := g.CheckSigned(); err != nil {
		return err
	}
	config.Target, config.Genesis, config.Market = urls, g, c.String("market")
	for _, path := range c.StringSlice("key") {
		key, err := readKey(c, path)
		if err != nil {
			return err
		}
		config.Admins = append(config.Admins, key.Ed25519())
	}
	return nil
}

// benchProgress is for people only; a log of figures would help nobody.
func benchProgress(c *cli.Context) bench.Progress {
	if terminal := term.IsTerminal(int(os.Stderr.Fd())); terminal {
		return &demo.Screen{Out: c.App.ErrWriter, Terminal: true}
	}
	return &demo.Screen{Out: io.Discard}
}
