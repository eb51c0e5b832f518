package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func oracleCommand() *cli.Command {
	return &cli.Command{
		Name:  "oracle",
		Usage: "attest to readings, and let oracles in",
		Subcommands: []*cli.Command{
			oracleAttestCommand(), oracleAgentCommand(), oracleExplainCommand(), oraclePolicyCommand(),
			oracleReadingsCommand(), registerCommand("oracle"), oracleWeightCommand(),
		},
	}
}

func oracleWeightCommand() *cli.Command {
	return &cli.Command{
		Name:  "weight",
		Usage: "make the command that sets an oracle's weight in a market",
		Description: `The weight counts from the next epoch on; 0 takes the vote away.

   tallyvault oracle weight --market energy --oracle oracle-d --weight 1 \
      --genesis genesis.json --out weight.json` + howThreshold,
		Flags: thresholdFlags(
			marketFlag(),
			&cli.StringFlag{Name: "oracle", Usage: "`NAME` of the oracle"},
			&cli.Uint64Flag{Name: "weight", Usage: "its weight"},
		),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			if err := demand(c, "oracle", "weight"); err != nil {
				return err
			}
			return propose(c, "set_oracle_weight", func(h fsm.ThresholdHeader) (any, error) {
				return fsm.SetOracleWeight{ThresholdHeader: h, OracleWeight: genesis.OracleWeight{
					Market: c.String("market"), Oracle: c.String("oracle"), Weight: c.Uint64("weight"),
				}}, nil
			})
		},
	}
}

func oracleReadingsCommand() *cli.Command {
	return &cli.Command{
		Name:  "readings",
		Usage: "list the readings that wait for votes",
		Description: `Readings that are closed are left out.

   tallyvault oracle readings --market energy --key oracle-a.key --genesis genesis.json`,
		Flags: append([]cli.Flag{marketFlag(), keyFlag("whoever reads, unless reads are public"), jsonFlag()}, clusterFlags()...),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			ctx, node, done, err := reach(c)
			if err != nil {
				return err
			}
			defer done()
			list, err := liveReadings(ctx, node, c.String("market"), 1, 1<<64-1)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return printJSON(c, list)
			}
			return printf(c, "%s", readingTable(list))
		},
	}
}

// liveReadings fetches the live readings with numbers from first to last.
func liveReadings(ctx context.Context, node *client.Client, market string, first, last uint64) ([]api.Reading, error) {
	query := url.Values{"market": {market}, "after": {strconv.FormatUint(first-1, 10)}, "limit": {"1000"}}
	list := []api.Reading{}
	for {
		var page api.Readings
		if err := node.Get(ctx, "/v1/readings", query, &page); err != nil {
			return nil, fmt.Errorf("asking for readings: %w", err)
		}
		for _, r := range page.Readings {
			if uint64(r.Number) > last {
				return list, nil
			}
			list = append(list, r)
		}
		if page.Next == "" {
			return list, nil
		}
		query.Set("after", page.Next)
	}
}

func readingTable(list []api.Reading) string {
	rows := [][]string{{"number", "meter", "register", "since base", "measured", "status", "accept", "reject", "required"}}
	for _, r := range list {
		row := []string{fmt.Sprint(uint64(r.Number)), r.Meter, "", "", words.Time(r.MeasuredAt), r.Status, "", "", ""}
		if r.Register != nil {
			row[2] = fmt.Sprint(uint64(*r.Register))
			if r.Base != nil { // a step back shows as negative
				row[3] = words.Grouped(strconv.FormatInt(int64(*r.Register-r.Base.Register), 10))
			}
		}
		if r.Tally != nil {
			row[6], row[7], row[8] = fmt.Sprint(uint64(r.Tally.Accept)), fmt.Sprint(uint64(r.Tally.Reject)), fmt.Sprint(uint64(r.Tally.Required))
		}
		rows = append(rows, row)
	}
	return words.Columns(rows)
}
