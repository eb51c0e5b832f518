package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func providerStatementCommand() *cli.Command {
	return &cli.Command{
		Name:      "statement",
		Usage:     "show what a provider earned and where that is",
		ArgsUsage: "PROVIDER",
		Description: `Credited, released, held until when, receivable from payers without money, and
available; the totals are those of the ledger's accounts. --lines adds the
settlements that are not released, one a line.

   tallyvault provider statement sunny --key sunny.key --genesis genesis.json
   tallyvault provider statement sunny --lines --key sunny.key --genesis genesis.json`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "lines", Usage: "list the settlements that are held or receivable"},
			keyFlag("whoever reads, unless reads are public"), jsonFlag(),
		}, clusterFlags()...),
		Action: providerStatement,
	}
}

func providerStatement(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	ctx, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	s, err := fetchStatement(ctx, node, c.Args().First(), c.Bool("lines") || c.Bool("json"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, s)
	}
	return printf(c, "%s", statementWords(s, c.Bool("lines")))
}

// fetchStatement reads a statement with all its lines, or with its first page alone. Pages come
// from states a moment apart; totals are the last page's, which is the newest.
func fetchStatement(ctx context.Context, node *client.Client, provider string, all bool) (api.Statement, error) {
	query := url.Values{"limit": {"1000"}}
	if !all {
		query.Set("limit", "1")
	}
	var lines []api.Settlement
	for {
		var page api.Statement
		if err := node.Get(ctx, "/v1/providers/"+url.PathEscape(provider)+"/statement", query, &page); err != nil {
			return page, err
		}
		lines = append(lines, page.Lines...)
		if page.Next == "" || !all {
			page.Lines = lines
			return page, nil
		}
		query.Set("after", page.Next)
	}
}

func statementWords(s api.Statement, lines bool) string {
	var b strings.Builder
	standing := ""
	if !s.Active {
		standing = ", inactive"
	}
	fmt.Fprintf(&b, "Provider %s%s, at height %d, %s. Amounts in minor units of %s.\n\n", s.Provider, standing, s.Height, words.Time(s.Now), s.Asset)
	t := s.Totals
	b.WriteString(words.Columns([][]string{
		{"credited", words.Grouped(t.Credited), "all that was settled and paid for"},
		{"  released", words.Grouped(t.Released), "past its dispute window"},
		{"    available", words.Grouped(t.Available), ""},
		{"    paid out", words.Grouped(t.PaidOut), ""},
		{"  held", words.Grouped(t.Held), "until its dispute windows end"},
		{"receivable", words.Grouped(t.Receivable), "settled; waits for its payer's money"},
	}, 1))
	for _, m := range s.Markets {
		fmt.Fprintf(&b, "\nMarket %s: %s held, %s receivable, %s open", m.Market, words.Grouped(m.Held), words.Grouped(m.Receivable), words.Plural(uint64(m.Settlements), "settlement"))
		if m.Rehearsals > 0 {
			fmt.Fprintf(&b, ", %s without money", words.Plural(uint64(m.Rehearsals), "rehearsal"))
		}
		b.WriteString("\n")
		if len(m.Due) == 0 {
			continue
		}
		rows := [][]string{{"  available on", "amount", "settlements", "by height", "about"}}
		for _, d := range m.Due {
			rows = append(rows, []string{"  " + d.Date, words.Grouped(d.Amount), words.Grouped(num(d.Settlements)), num(d.UntilHeight), words.Time(d.At - d.At%1000)})
		}
		b.WriteString(words.Columns(rows, 1, 2, 3))
	}
	if lines && len(s.Lines) > 0 {
		rows := [][]string{{"settlement", "meter", "payer", "net", "status", "until height"}}
		for _, l := range s.Lines {
			until := "-"
			if l.ReleaseHeight != nil {
				until = num(*l.ReleaseHeight)
			}
			rows = append(rows, []string{fmt.Sprintf("%s/%d", l.Market, l.Number), l.Meter, l.Payer, words.Grouped(l.Net), l.Status, until})
		}
		b.WriteString("\n" + words.Columns(rows, 3, 5))
	}
	return b.String()
}
