package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// dryRunFlags say what a dry run is about.
func dryRunFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "judge readings of the past, count the verdicts by meter and reason, and send nothing"},
		&cli.IntFlag{Name: "readings", Value: 10_000, Usage: "with --dry-run: how many of each market's newest readings to judge"},
		&cli.StringFlag{Name: "input", Usage: "with --dry-run: a `FILE` of interval values instead of the cluster's readings"},
		&cli.StringFlag{Name: "market", Usage: "with --input: the market that the file's meters are judged as in (default: the policy's, if it is one)"},
		&cli.StringSliceFlag{Name: "meter", Usage: "with --input: `NAME[=ID]` of a meter in the file and the id to judge it by, repeatable (default: all meters)"},
		&cli.IntFlag{Name: "decimals", Value: 3, Usage: "with --input: registers count 10^-N kWh"},
		jsonFlag(),
	}, formatFlags()...)
}

// oracleDryRun judges the past by a policy.
func oracleDryRun(c *cli.Context, policy agent.Policy) error {
	log, err := logger(c)
	if err != nil {
		return err
	}
	library := agent.NewLibrary(policy, log)
	if err := library.Load(c.Context); err != nil {
		tell(c, "Not every reference can be read: %v\n", err)
	}
	run := agent.NewDryRun(policy, library.Books())
	if c.IsSet("input") {
		err = dryRunFile(c, policy, run)
	} else {
		err = dryRunCluster(c, policy, run)
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, map[string]any{"meters": append([]agent.Count{}, run.Counts()...)})
	}
	return printf(c, "%s", dryRunWords(run.Counts()))
}

// dryRunFile judges a file as if its meters had been read at the end of each
// interval.
func dryRunFile(c *cli.Context, policy agent.Policy, run *agent.DryRun) error {
	market := c.String("market")
	if markets := policy.Markets(); market == "" && len(markets) == 1 {
		market = markets[0]
	}
	if market == "" {
		return usage("--market must be given: the policy has rules for %s", strings.Join(policy.Markets(), ", "))
	}
	file, err := readIntervals(c, c.String("input"), intervals.Limit{})
	if err != nil {
		return err
	}
	tellProblems(c, file.Summary)
	named, err := chosen(c, file)
	if err != nil {
		return err
	}
	for _, n := range named {
		points, err := n.series.Points(c.Int("decimals"))
		if err != nil {
			return err
		}
		for _, p := range points {
			run.Take(agent.Claim{Market: market, Meter: n.id, Register: agent.Register{Value: p.Register, MeasuredAt: p.MeasuredAt}}, agent.NoFate)
		}
	}
	return nil
}

// dryRunCluster judges what the cluster has taken in.
func dryRunCluster(c *cli.Context, policy agent.Policy, run *agent.DryRun) error {
	if c.Int("readings") < 1 {
		return usage("--readings %d: want 1 at least", c.Int("readings"))
	}
	_, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	ctx := c.Context
	for _, market := range policy.Markets() {
		known := map[string]bool{}
		if policy.RejectUnknownMeters {
			if known, err = metersOf(ctx, node, market); err != nil {
				return err
			}
		}
		readings, err := pastReadings(ctx, c, node, market, uint64(c.Int("readings")))
		if err != nil {
			return err
		}
		tell(c, "Judging %d readings of market %s.\n", len(readings), market)
		bases := map[string]*agent.Register{}
		for _, r := range readings {
			mine := agent.Register{Value: uint64(*r.Register), MeasuredAt: r.MeasuredAt}
			run.Take(agent.Claim{
				Market: market, Meter: r.Meter, Register: mine, AcceptedAt: r.AcceptedAt, Base: bases[r.Meter],
				Unknown: policy.RejectUnknownMeters && !known[r.Meter],
			}, fateOf(r.Status))
			if fateOf(r.Status) == agent.Taken {
				bases[r.Meter] = &mine
			}
		}
	}
	return nil
}

func fateOf(status string) agent.Fate {
	switch status {
	case "settled", "baseline":
		return agent.Taken
	case "rejected":
		return agent.Refused
	}
	return agent.NoFate
}

func metersOf(ctx context.Context, node *client.Client, market string) (map[string]bool, error) {
	known := map[string]bool{}
	query := url.Values{"market": {market}, "limit": {"1000"}}
	for {
		var page api.Meters
		if err := node.Get(ctx, "/v1/meters", query, &page); err != nil {
			return nil, fmt.Errorf("asking for the meters: %w", err)
		}
		for _, m := range page.Meters {
			known[m.Meter] = true
		}
		if page.Next == "" {
			return known, nil
		}
		query.Set("after", page.Next)
	}
}

// askedAtOnce is how many closed readings are asked for side by side.
const askedAtOnce = 8

// pastReadings are the newest readings of a market, open or closed, in order of
// measuring.
func pastReadings(ctx context.Context, c *cli.Context, node *client.Client, market string, most uint64) ([]api.Reading, error) {
	var page api.Readings
	query := url.Values{"market": {market}, "after": {strconv.FormatUint(1<<64-1, 10)}, "limit": {"1"}}
	if err := node.Get(ctx, "/v1/readings", query, &page); err != nil {
		return nil, fmt.Errorf("asking for the readings of market %s: %w", market, err)
	}
	last := uint64(page.Last)
	first := last - min(last, most) + 1
	readings := make([]api.Reading, last-first+1)
	bar := newSendBar(c, len(readings))
	defer bar.end()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askedAtOnce)
	for i := range readings {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			var one api.OneReading
			err := node.Get(ctx, fmt.Sprintf("/v1/readings/%s/%d", market, first+uint64(i)), url.Values{"consistency": {"stale"}}, &one)
			if err != nil && !client.IsCode(err, "NotFound") {
				return fmt.Errorf("asking for reading %d of market %s: %w", first+uint64(i), market, err)
			}
			readings[i] = one.Reading
			return nil
		})
		bar.show(i+1, "")
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	readings = slices.DeleteFunc(readings, func(r api.Reading) bool { return r.Register == nil })
	slices.SortStableFunc(readings, func(a, b api.Reading) int { return cmp.Compare(a.MeasuredAt, b.MeasuredAt) })
	return readings, nil
}

// dryRunWords shows the counts as a table, with a first rejection for each meter.
func dryRunWords(counts []agent.Count) string {
	rows := [][]string{{"market", "meter", "rule", "readings", "accept", "reject", "abstain", "why"}}
	var notes strings.Builder
	var readings, accept, reject, abstain, against, despite int
	for _, n := range counts {
		var why []string
		for _, r := range agent.Reasons() {
			if number := n.Reasons[r.Reason]; number > 0 && r.Reason != agent.Plausible {
				why = append(why, fmt.Sprintf("%s %d", r.Reason, number))
			}
		}
		rows = append(rows, []string{n.Market, n.Meter, strconv.Itoa(n.Rule), strconv.Itoa(n.Readings), strconv.Itoa(n.Accept), strconv.Itoa(n.Reject), strconv.Itoa(n.Abstain), strings.Join(why, ", ")})
		if n.FirstWords != "" {
			fmt.Fprintf(&notes, "%s: first rejected what was measured %s: %s\n", n.Meter, words.Time(n.FirstMeasuredAt), n.FirstWords)
		}
		readings, accept, reject, abstain = readings+n.Readings, accept+n.Accept, reject+n.Reject, abstain+n.Abstain
		against, despite = against+n.WouldReject, despite+n.WouldAccept
	}
	text := table(rows) + notes.String()
	text += fmt.Sprintf("%d readings of %d meters: %d accepted, %d rejected, %d left to others. Nothing was sent.\n", readings, len(counts), accept, reject, abstain)
	if against+despite > 0 {
		text += fmt.Sprintf("The committee had taken %d of those rejected here, and refused %d of those accepted.\n", against, despite)
	}
	return text
}
