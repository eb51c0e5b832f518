package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/agent"
)

func oracleExplainCommand() *cli.Command {
	return &cli.Command{
		Name:  "explain",
		Usage: "say how and why an agent decided, from its decision log",
		Description: `Reads the log that an agent keeps with --decision-log, also while it runs, and
tells the verdicts that match, oldest first: the vote, the reason, what was found,
the limit, and the number of the rule in the policy.

   tallyvault oracle explain --decision-log decisions --number 12
   tallyvault oracle explain --decision-log decisions --meter roof-1 --vote reject --last 10
   tallyvault oracle explain --reasons`,
		Flags: []cli.Flag{
			decisionLogFlag(),
			&cli.StringFlag{Name: "market", Usage: "only of this market (`ID`)"},
			&cli.Uint64Flag{Name: "number", Usage: "only the reading with this `NUMBER`"},
			&cli.StringFlag{Name: "meter", Usage: "only readings of this meter (`ID`)"},
			&cli.StringFlag{Name: "vote", Usage: "only accept, reject or abstain"},
			&cli.StringFlag{Name: "reason", Usage: "only with this reason"},
			&cli.IntFlag{Name: "last", Usage: "only the newest so many that match"},
			&cli.BoolFlag{Name: "reasons", Usage: "list the reasons and what they mean"},
			jsonFlag(),
		},
		Action: oracleExplain,
	}
}

func oracleExplain(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if c.Bool("reasons") {
		return listReasons(c)
	}
	if err := demand(c, "decision-log"); err != nil {
		return err
	}
	wanted, err := decisionsWanted(c)
	if err != nil {
		return err
	}
	last := c.Int("last")
	var found []agent.Decision
	err = agent.ReadDecisions(c.String("decision-log"), func(d agent.Decision) error {
		if !wanted(d) {
			return nil
		}
		if last == 0 {
			return tellDecision(c, d)
		}
		if found = append(found, d); len(found) > last {
			found = found[1:]
		}
		return nil
	})
	if errors.Is(err, agent.ErrNoDecisions) {
		return advise(err, "An agent begins one when it is started with --decision-log FILE.")
	}
	if err != nil {
		return err
	}
	for _, d := range found {
		if err := tellDecision(c, d); err != nil {
			return err
		}
	}
	return nil
}

// decisionsWanted is what the flags ask for.
func decisionsWanted(c *cli.Context) (func(agent.Decision) bool, error) {
	vote, reason := agent.Vote(c.String("vote")), agent.Reason(c.String("reason"))
	if vote != "" && vote != agent.Accept && vote != agent.Reject && vote != agent.Abstain {
		return nil, usage("--vote %s: want accept, reject or abstain", vote)
	}
	known := reason == ""
	for _, r := range agent.Reasons() {
		known = known || r.Reason == reason
	}
	if !known {
		return nil, usage("--reason %s is not known: tallyvault oracle explain --reasons lists them", reason)
	}
	if c.Int("last") < 0 {
		return nil, usage("--last %d is negative", c.Int("last"))
	}
	return func(d agent.Decision) bool {
		return (!c.IsSet("market") || d.Market == c.String("market")) &&
			(!c.IsSet("number") || uint64(d.Number) == c.Uint64("number")) &&
			(!c.IsSet("meter") || d.Meter == c.String("meter")) &&
			(vote == "" || d.Vote == vote) && (reason == "" || d.Reason == reason)
	}, nil
}

func tellDecision(c *cli.Context, d agent.Decision) error {
	if c.Bool("json") {
		line, err := json.Marshal(d)
		if err != nil {
			return err
		}
		return printf(c, "%s\n", line)
	}
	return printf(c, "%s", decisionWords(d))
}

func decisionWords(d agent.Decision) string {
	var b strings.Builder
	by := "the policy's default"
	if d.Rule > 0 {
		by = fmt.Sprintf("rule %d", d.Rule)
	}
	if d.Reason == agent.UnknownMeter {
		by = "reject_unknown_meters"
	}
	fmt.Fprintf(&b, "%s: %s reading %d of market %s by %s (%s): %s\n", words.Time(d.At), d.Vote, d.Number, d.Market, by, d.Reason, d.Words)
	fmt.Fprintf(&b, "   meter %s, register %d, measured %s", d.Meter, d.Register, words.Time(d.MeasuredAt))
	if d.Earlier != nil {
		fmt.Fprintf(&b, "; before it %d at %s", d.Earlier.Register, words.Time(d.Earlier.MeasuredAt))
	}
	if d.Observed != nil {
		fmt.Fprintf(&b, "; observed %d", *d.Observed)
	}
	b.WriteString("\n")
	if d.Limit != "" {
		fmt.Fprintf(&b, "   found %s, limit %s\n", d.Value, d.Limit)
	}
	return b.String()
}

func listReasons(c *cli.Context) error {
	if c.Bool("json") {
		meanings := map[string]string{}
		for _, r := range agent.Reasons() {
			meanings[string(r.Reason)] = r.Means
		}
		return printJSON(c, meanings)
	}
	rows := [][]string{{"reason", "what decides"}}
	for _, r := range agent.Reasons() {
		rows = append(rows, []string{string(r.Reason), r.Means})
	}
	return printf(c, "%s", table(rows))
}
