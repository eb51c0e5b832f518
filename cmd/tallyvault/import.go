package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/tallyvault/tallyvault/cmd/internal/intake"
	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func importCommand(market string) *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "send what a file of interval values says, as readings of cumulative registers",
		ArgsUsage: "FILE",
		Description: fmt.Sprintf(`Reads a file of half-hourly, quarter-hourly or other interval values and sends a
reading for the end of each interval. Formats are csv, nem12 (AEMO's NEM12 and NEM13)
and greenbutton (ESPI), each packed in a zip archive or not. Registers go on from the meter's newest
register in the cluster, so the same or an overlapping file can be taken in again,
after a crash or on another machine: nothing is counted twice. Where the cluster
has too many open readings of a meter, import waits until some are closed.

A name in the file becomes a meter's id: 10006414 is m-10006414, channel E1 of a NEM12
file's N1 is n1-e1, and --meter gives another one. Import from the grid and export
into it are two meters. --dry-run shows meters, sums and gaps and sends nothing; with --genesis
it also asks the cluster what there is already.

   tallyvault %[1]s import meters.csv --tz Australia/Sydney --dry-run
   tallyvault %[1]s import NEM12#site.zip --format nem12 --dry-run
   tallyvault %[1]s import meters.csv --tz Australia/Sydney \
      --meter 10006414=roof-7 --key sunny.key --genesis genesis.json

A row that cannot be used is named and the rest goes on; --strict stops there.
Exit status 0 says that all readings are in, 1 that some were refused or not sent,
3 that outcomes are not known: run it again, which is always safe.`, market),
		Flags: append(append(append([]cli.Flag{
			&cli.StringFlag{Name: "market", Value: market, Hidden: true, Usage: "`ID` of the market", EnvVars: env("READING_MARKET")},
		}, formatFlags()...),
			&cli.StringSliceFlag{Name: "meter", Usage: "`NAME[=ID]` of a meter in the file, and its id in the cluster; repeatable (default: all meters)"},
			&cli.BoolFlag{Name: "strict", Usage: "stop at the first row that cannot be used"},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be sent, and send nothing"},
			&cli.StringFlag{Name: "meters-out", Usage: "with --dry-run: write the `FILE` that meter register --file takes, for --provider and --payer"},
			&cli.StringFlag{Name: "provider", Usage: "with --meters-out: `NAME` of who submits the readings and is paid"},
			&cli.StringFlag{Name: "payer", Usage: "with --meters-out: `NAME` of who pays"},
			&cli.BoolFlag{Name: "rebase-time", Usage: "move all times by whole days to just before the cluster's founding, where genesis says the profile demo"},
			&cli.StringFlag{Name: "rebase-until", Usage: "with --rebase-time, the `TIME` that becomes the day of the founding, for files that overlap (default: the file's last)"},
			&cli.StringFlag{Name: "clock-sync", Value: "unstated", Usage: "what the readings say of the meters' clocks"},
			&cli.StringFlag{Name: "meter-status", Value: "unstated", Usage: "what the readings say of the meter where the file says nothing"},
			&cli.DurationFlag{Name: "room", Value: 10 * time.Minute, Usage: "how long to wait for the cluster to close readings, where it takes no more"},
			keyFlag("the provider"), jsonFlag(), waitFinalFlag(),
		), clusterFlags()...),
		Action: importFile,
	}
}

func importFile(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	if !c.Bool("dry-run") {
		if err := demand(c, "key", "genesis"); err != nil {
			return err
		}
	}
	if c.IsSet("meters-out") {
		if !c.Bool("dry-run") {
			return usage("--meters-out is for --dry-run")
		}
		if err := demand(c, "provider", "payer"); err != nil {
			return err
		}
	}
	for _, name := range []string{"clock-sync", "meter-status"} {
		if intervals.QualityWord(c.String(name)) != c.String(name) {
			return usage("--%s %q: want up to 32 lower-case letters, digits, - _ and ., a letter first", name, c.String(name))
		}
	}
	file, err := readIntervals(c, c.Args().First(), intervals.Limit{})
	if err != nil {
		return err
	}
	named, err := chosen(c, file)
	if err != nil {
		return err
	}
	g, err := optionalGenesis(c)
	if err != nil {
		return err
	}
	if err := rebase(c, g, &file); err != nil {
		return err
	}
	if c.IsSet("meters-out") {
		if err := writeMeters(c, named, file); err != nil {
			return err
		}
	}
	if g == nil {
		return showPlan(c, newImported(file, named, nil))
	}
	ctx, node, done, err := dialForLong(c)
	if err != nil {
		return err
	}
	defer done()
	d, err := ask(ctx, c, node, file, named)
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return showPlan(c, d.imported)
	}
	return d.send(ctx, c, node, g)
}

// dialForLong dials without a bound for the whole; --timeout bounds each request.
func dialForLong(c *cli.Context) (context.Context, *client.Client, func(), error) {
	_, node, done, err := reach(c)
	return c.Context, node, done, err
}

// delivery is what is known before anything is sent.
type delivery struct {
	imported
	market api.Market
	meters map[string]api.Meter
	plans  []intake.Plan
}

// ask asks the cluster what it has of the meters, and arranges what to send.
func ask(ctx context.Context, c *cli.Context, node *client.Client, file intervals.File, named []namedSeries) (delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
	defer cancel()
	var d delivery
	var err error
	if d.market, err = intake.Market(ctx, node, c.String("market")); err != nil {
		return d, err
	}
	var ids []string
	for _, n := range named {
		ids = append(ids, n.id)
	}
	if d.meters, err = intake.Meters(ctx, node, d.market.Market, ids); err != nil {
		return d, err
	}
	within := intake.Within(d.market, time.Now())
	plans := map[string]intake.Plan{}
	for i, n := range named {
		m, ok := d.meters[n.id]
		switch {
		case !ok:
			named[i].wrong = fmt.Sprintf("meter %s is not registered: tallyvault meter register --meter %s", n.id, n.id)
		case m.Market != d.market.Market:
			named[i].wrong = fmt.Sprintf("meter %s belongs to market %s", n.id, m.Market)
		}
		if named[i].wrong != "" {
			continue
		}
		named[i].decimals = m.Decimals
		decimals, err := intake.Decimals(d.market.Unit, m.Decimals)
		if err != nil {
			return d, err
		}
		plan, err := intake.Arrange(n.series, n.id, decimals, intake.MarkOf(m), within)
		if err != nil {
			return d, err
		}
		plans[n.id] = plan
		d.plans = append(d.plans, plan)
	}
	d.imported = newImported(file, named, plans)
	return d, nil
}

// send sends what the plans have and says what became of it.
func (d delivery) send(ctx context.Context, c *cli.Context, node *client.Client, g *genesis.Signed) error {
	key, err := readKey(c, c.String("key"))
	if err != nil {
		return err
	}
	p, err := place(c)
	if err != nil {
		return err
	}
	bar := newSendBar(c, d.toSend())
	result, ended := intake.Send(ctx, intake.Config{
		Client: node, Signer: client.Signer{Key: key.Ed25519(), Cluster: g.Cluster, Era: p.Era}, Market: d.market,
		ClockSync: c.String("clock-sync"), MeterStatus: c.String("meter-status"),
		Timeout: c.Duration("timeout"), Room: c.Duration("room"), Progress: bar.show,
	}, d.plans, d.meters)
	bar.end()
	d.sent = &importResult{
		Accepted: result.Accepted, There: result.There, Refused: result.Refused(),
		Refusals: result.Refusals, Unsent: result.Unsent,
	}
	if c.Bool("wait-final") && result.Accepted > 0 && ended == nil {
		waiting, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
		defer cancel()
		outcome, err := node.Await(waiting, result.Last)
		if err != nil {
			ended = err
		}
		d.sent.Final = outcome.Final
	}
	if err := d.report(c); err != nil {
		return err
	}
	return d.status(ended)
}

// status is how the command ends, once everything was said.
func (d delivery) status(ended error) error {
	switch {
	case errors.Is(ended, client.ErrUnknown):
		return advise(ended, "Run the same command again: it finds out what there is and sends the rest.")
	case ended != nil:
		return advise(ended, "Everything that was accepted counts. Run the same command again to send the rest.")
	case d.sent.Refused > 0 || len(d.sent.Unsent) > 0 || len(d.wrong()) > 0:
		return told(exitRefused)
	}
	return nil
}

// sendBar draws a bar on a terminal and is silent elsewhere.
type sendBar struct{ bar *progressbar.ProgressBar }

func newSendBar(c *cli.Context, readings int) *sendBar {
	if c.App.ErrWriter != os.Stderr || !term.IsTerminal(int(os.Stderr.Fd())) || readings == 0 {
		return &sendBar{}
	}
	return &sendBar{progressbar.NewOptions(readings,
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("readings"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionClearOnFinish())}
}

func (b *sendBar) show(done int, waiting string) {
	if b.bar == nil {
		return
	}
	text := "readings"
	if waiting != "" {
		text += ", " + waiting
	}
	b.bar.Describe(text)
	_ = b.bar.Set(done) // a bar that cannot be drawn is no reason to stop
}

func (b *sendBar) end() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}

// rebase moves the times of a historical file to where a cluster for trials takes
// them. The day is a fact of the genesis, so that a file moves by the same whenever
// and wherever it is taken in.
func rebase(c *cli.Context, g *genesis.Signed, file *intervals.File) error {
	if !c.Bool("rebase-time") {
		if c.IsSet("rebase-until") {
			return usage("--rebase-until needs --rebase-time")
		}
		return nil
	}
	if g == nil {
		return usage("--rebase-time needs --genesis: times move to the founding of that cluster")
	}
	if g.Profile != genesis.ProfileDemo {
		return advise(fmt.Errorf("--rebase-time: the genesis says the profile %s, not %s", g.Profile, genesis.ProfileDemo),
			"Times of real readings are facts and stay as they are.")
	}
	until := file.Summary.To
	if text := c.String("rebase-until"); text != "" {
		at, err := intervals.ParseTime(text, time.UTC)
		if err != nil {
			return usage("--rebase-until: %v", err)
		}
		until = at.UnixMilli()
	}
	const day = 24 * 60 * 60 * 1000
	by := (g.CreatedAt - until) / day * day
	if by < 0 && (g.CreatedAt-until)%day != 0 {
		by -= day
	}
	file.Shift(by)
	tell(c, "Times are moved by %d days: the file now ends at %s.\n", by/day, words.Time(file.Summary.To))
	return nil
}
