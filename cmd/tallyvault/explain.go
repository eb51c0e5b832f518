package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/api"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say what something is, what it waits for and who can act",
		ArgsUsage: "ID",
		Description: `ID is one of

   energy/17             reading 17 of the market energy
   tally/energy/17       the votes on it
   settlement/energy/3   where the money of settlement 3 is
   disbursement/ID       what a payment of the treasury waits for, and who can act
   roof-1, meter/roof-1  a meter
   sunny, provider/sunny a provider
   9c56...               the identity of a command, 64 hex digits

   tallyvault explain energy/17 --key auditor.key --genesis genesis.json`,
		Flags:  append([]cli.Flag{keyFlag("whoever reads, unless reads are public"), jsonFlag()}, clusterFlags()...),
		Action: explain,
	}
}

func explain(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	ctx, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	e, err := node.Explain(ctx, c.Args().First())
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, e)
	}
	return printf(c, "%s", explanation(e))
}

// explanation is an answer for people: the sentence, what is waited for, one line
// each, and where to go on.
func explanation(e api.Explanation) string {
	var b strings.Builder
	b.WriteString(words.Wrapped(e.Sentence, 100, ""))
	if len(e.Waits) > 0 {
		b.WriteString("\n")
		rows := [][]string{{"waits for", "have", "need", "ends by itself", "who can act"}}
		for _, w := range e.Waits {
			rows = append(rows, waitRow(w))
		}
		b.WriteString(words.Columns(rows))
	}
	if e.Tally != nil {
		rows := [][]string{{"oracle", "weight", "vote"}}
		for _, m := range e.Tally.Members {
			vote := m.Vote
			if m.Silent != "" {
				vote += ", " + m.Silent
			}
			if m.Twice {
				vote += ", contradicted later"
			}
			rows = append(rows, []string{m.Oracle, words.Grouped(num(m.Weight)), vote})
		}
		b.WriteString("\n" + words.Columns(rows))
	}
	if len(e.Alarms) > 0 {
		fmt.Fprintf(&b, "\nALARM: %s (runbooks/alarms.md)\n", strings.Join(e.Alarms, "; "))
	}
	if len(e.Related) > 0 {
		fmt.Fprintf(&b, "\nSee also: %s\n", strings.Join(e.Related, ", "))
	}
	if e.Runbook != "" {
		fmt.Fprintf(&b, "Runbook: %s\n", e.Runbook)
	}
	return b.String()
}

func waitRow(w api.Wait) []string {
	row := []string{strings.ReplaceAll(w.For, "_", " "), "-", "-", "-", "nobody has to"}
	if w.Have != "" {
		row[1] = words.Grouped(w.Have)
	}
	if w.Need != "" {
		row[2] = words.Grouped(w.Need) + " " + w.Unit
	}
	if w.Until != nil {
		row[3] = fmt.Sprintf("height %d, %s", *w.Until, "in about "+words.Span(time.Duration(*w.AboutMs)*time.Millisecond))
	}
	if len(w.Who) > 0 {
		row[4] = strings.Join(w.Who, ", ")
	}
	return row
}
