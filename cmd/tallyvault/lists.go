package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// listing is the command of a list that a node serves in pages.
func listing[T any](name, what, example string, flags []cli.Flag, fetch func(ctx context.Context, c *cli.Context, node *client.Client) ([]T, error), head []string, row func(T) []string) *cli.Command {
	return &cli.Command{
		Name:        name,
		Usage:       "list " + what,
		Description: fmt.Sprintf("Lists %s as the cluster has them now.\n\n   %s --key auditor.key --genesis genesis.json", what, example),
		Flags:       append(append(flags, keyFlag("whoever reads, unless reads are public"), jsonFlag()), clusterFlags()...),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			ctx, node, done, err := reach(c)
			if err != nil {
				return err
			}
			defer done()
			list, err := fetch(ctx, c, node)
			if err != nil {
				return fmt.Errorf("asking for %s: %w", what, err)
			}
			if c.Bool("json") {
				return printJSON(c, list)
			}
			rows := [][]string{head}
			for _, item := range list {
				rows = append(rows, row(item))
			}
			return printf(c, "%s", words.Columns(rows))
		},
	}
}

// pages collects a list over all its pages.
func pages[P, T any](ctx context.Context, node *client.Client, path string, query url.Values, items func(*P) ([]T, string)) ([]T, error) {
	query.Set("limit", "1000")
	list := []T{}
	for {
		var page P
		if err := node.Get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		got, next := items(&page)
		list = append(list, got...)
		if next == "" {
			return list, nil
		}
		query.Set("after", next)
	}
}

func accountsCommand() *cli.Command {
	return listing("accounts", "the ledger's accounts", "tallyvault accounts", nil,
		func(ctx context.Context, _ *cli.Context, node *client.Client) ([]api.Account, error) {
			return pages(ctx, node, "/v1/accounts", url.Values{}, func(p *api.Accounts) ([]api.Account, string) { return p.Accounts, p.Next })
		},
		[]string{"account", "asset", "balance", "came in", "went out"},
		func(a api.Account) []string {
			return []string{a.Account, a.Asset, words.Grouped(a.Balance), words.Grouped(a.Credits), words.Grouped(a.Debits)}
		})
}

func settlementsCommand() *cli.Command {
	return listing("settlements", "the settlements of a market that are not released", "tallyvault settlements --market energy",
		[]cli.Flag{marketFlag()},
		func(ctx context.Context, c *cli.Context, node *client.Client) ([]api.Settlement, error) {
			query := url.Values{"market": {c.String("market")}}
			return pages(ctx, node, "/v1/settlements", query, func(p *api.Settlements) ([]api.Settlement, string) { return p.Settlements, p.Next })
		},
		[]string{"number", "meter", "provider", "payer", "gross", "fee", "net", "status"},
		func(s api.Settlement) []string {
			return []string{
				fmt.Sprint(uint64(s.Number)), s.Meter, s.Provider, s.Payer,
				words.Grouped(s.Gross), words.Grouped(s.Fee), words.Grouped(s.Net), s.Status,
			}
		})
}

func meterListCommand() *cli.Command {
	return listing("list", "the registered meters", "tallyvault meter list --market energy",
		[]cli.Flag{marketFlag()},
		func(ctx context.Context, c *cli.Context, node *client.Client) ([]api.Meter, error) {
			query := url.Values{"market": {c.String("market")}}
			return pages(ctx, node, "/v1/meters", query, func(p *api.Meters) ([]api.Meter, string) { return p.Meters, p.Next })
		},
		[]string{"meter", "provider", "payer", "settled up to", "measured", "pending"},
		func(m api.Meter) []string {
			row := []string{m.Meter, m.Provider, m.Payer, "-", "-", fmt.Sprint(m.Pending)}
			if m.Base != nil {
				row[3], row[4] = words.Register(uint64(m.Base.Register), m.Decimals), words.Time(m.Base.MeasuredAt)
			}
			return row
		})
}

func marketListCommand() *cli.Command {
	return listing("list", "the markets", "tallyvault market list", nil,
		func(ctx context.Context, _ *cli.Context, node *client.Client) ([]api.Market, error) {
			return fetchMarkets(ctx, node)
		},
		[]string{"market", "unit", "price", "fee", "quorum", "stage", "readings"},
		func(m api.Market) []string {
			return []string{
				m.Market, m.Unit, fmt.Sprintf("%d %s", m.UnitPrice, m.Asset), words.Percent(uint64(m.FeeBps) * 100),
				words.Percent(uint64(m.QuorumThresholdPpm)), m.Stage, fmt.Sprint(uint64(m.LastReading)),
			}
		})
}

func fetchMarkets(ctx context.Context, node *client.Client) ([]api.Market, error) {
	return pages(ctx, node, "/v1/markets", url.Values{}, func(p *api.Markets) ([]api.Market, string) { return p.Markets, p.Next })
}

// table lines up columns of text.
func table(rows [][]string) string { return words.Columns(rows) }
