package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func marketCommand() *cli.Command {
	return &cli.Command{
		Name:        "market",
		Usage:       "look at and change the rows of market parameters",
		Subcommands: []*cli.Command{marketSetCommand(), marketListCommand()},
	}
}

func marketSetCommand() *cli.Command {
	return &cli.Command{
		Name:  "set",
		Usage: "make the command that adds a market or replaces its row",
		Description: `A row is replaced as a whole. It starts from the cluster's row if --api is given
(reading takes the first --key unless reads are public), else from the row in the
genesis; the flags change single values. A market that exists takes the new row up with the activation epoch,
which must be to come; a new one opens at once.

   tallyvault market set --market energy --unit-price 27 --activation-epoch 120 \
      --genesis genesis.json --out set-market.json` + howThreshold,
		Flags: thresholdFlags(append([]cli.Flag{
			marketFlag(),
			&cli.Uint64Flag{Name: "activation-epoch", Usage: "epoch from which the row counts (0 for a new market)"},
		}, rowFlags()...)...),
		Action: marketSet,
	}
}

func marketFlag() cli.Flag {
	return &cli.StringFlag{Name: "market", Value: "energy", Usage: "`ID` of the market"}
}

func marketSet(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "genesis"); err != nil {
		return err
	}
	row, err := currentRow(c)
	if err != nil {
		return err
	}
	shape(c, &row)
	return propose(c, "set_market", func(h fsm.ThresholdHeader) (any, error) {
		return fsm.SetMarket{ThresholdHeader: h, Market: row, ActivationEpoch: c.Uint64("activation-epoch")}, nil
	})
}

// currentRow is the row that a new one starts from.
func currentRow(c *cli.Context) (genesis.Market, error) {
	id := c.String("market")
	if !c.IsSet("api") {
		g, err := readGenesis(c)
		if err != nil {
			return genesis.Market{}, err
		}
		for _, m := range g.Markets {
			if m.Market == id {
				tell(c, "Starting from the row in the genesis, which may have been changed since; give --api to start from the cluster's.\n")
				return m, nil
			}
		}
		return newRow(c, id)
	}
	node, err := dialFirstKey(c)
	if err != nil {
		return genesis.Market{}, err
	}
	defer node.Close()
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	rows, err := fetchMarkets(ctx, node)
	if err != nil {
		return genesis.Market{}, err
	}
	for _, m := range rows {
		if m.Market == id {
			return rowOf(m), nil
		}
	}
	return newRow(c, id)
}

// newRow is where a market begins that does not exist yet.
func newRow(c *cli.Context, id string) (genesis.Market, error) {
	preset, err := genesis.Preset(genesis.ProfileCustom)
	if err != nil {
		return genesis.Market{}, err
	}
	if err := demand(c, "noun", "unit", "unit-price"); err != nil {
		return genesis.Market{}, fmt.Errorf("market %s does not exist yet: %w", id, err)
	}
	row := preset.Markets[0]
	row.Market = id
	return row, nil
}

// dialFirstKey dials as the first of several keys, if there is one.
func dialFirstKey(c *cli.Context) (*client.Client, error) {
	paths := c.StringSlice("key")
	if len(paths) == 0 {
		return dial(c, nil)
	}
	key, err := readKey(c, paths[0])
	if err != nil {
		return nil, err
	}
	return dial(c, &key)
}

func rowOf(m api.Market) genesis.Market {
	return genesis.Market{
		Market: m.Market, Noun: m.Noun, Unit: m.Unit, Asset: m.Asset, UnitPrice: uint64(m.UnitPrice), FeeBps: m.FeeBps,
		SkewMs: m.SkewMs, MaxReadingAgeMs: m.MaxReadingAgeMs, DeviationPpm: m.DeviationPpm, QuorumThresholdPpm: m.QuorumThresholdPpm,
		ExpiryBlocks: uint64(m.ExpiryBlocks), DisputeWindowBlocks: uint64(m.DisputeWindowBlocks),
		MaxPendingPerMeter: m.MaxPendingPerMeter, MaxLiveReadings: m.MaxLiveReadings, Mode: m.Mode, Stage: m.Stage,
	}
}
