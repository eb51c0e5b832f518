package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func receiptCommand() *cli.Command {
	return &cli.Command{
		Name:        "receipt",
		Usage:       "get receipts, and verify them without a network",
		Subcommands: []*cli.Command{receiptGetCommand(), receiptVerifyCommand()},
	}
}

func receiptGetCommand() *cli.Command {
	return &cli.Command{
		Name:      "get",
		Usage:     "fetch the proof of a receipt",
		ArgsUsage: "[LEAF]",
		Description: `Fetches the receipt at a journal leaf, or the newest one about a reading or a
settlement, as a C2SP tlog-proof file. Waits until a cosigned checkpoint covers it.

   tallyvault receipt get 4711 --genesis genesis.json --out r.tlog-proof
   tallyvault receipt get --settlement 12 --market energy \
      --key pv-1.key --genesis genesis.json --out r.tlog-proof`,
		Flags: append([]cli.Flag{
			&cli.Uint64Flag{Name: "reading", Usage: "`NUMBER` of the reading instead of a leaf"},
			&cli.Uint64Flag{Name: "settlement", Usage: "`NUMBER` of the settlement instead of a leaf"},
			marketFlag(), outFlag("the proof"), keyFlag("whoever reads, for numbers and commands"),
		}, clusterFlags()...),
		Action: receiptGet,
	}
}

func receiptGet(c *cli.Context) error {
	if err := arguments(c, 0, 1); err != nil {
		return err
	}
	ways := 0
	for _, given := range []bool{c.NArg() == 1, c.IsSet("reading"), c.IsSet("settlement")} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return usage("give a leaf, --reading or --settlement, one of them")
	}
	ctx, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	leaf, err := leafOf(ctx, c, node)
	if err != nil {
		return err
	}
	file, err := node.Receipt(ctx, leaf)
	if err != nil {
		return fmt.Errorf("fetching the receipt at leaf %d: %w", leaf, err)
	}
	return deliver(c, file)
}

// leafOf finds the journal leaf that is asked for.
func leafOf(ctx context.Context, c *cli.Context, node *client.Client) (uint64, error) {
	market := url.PathEscape(c.String("market"))
	switch {
	case c.IsSet("reading"):
		var r api.OneReading
		n := c.Uint64("reading")
		if err := node.Get(ctx, fmt.Sprintf("/v1/readings/%s/%d", market, n), nil, &r); err != nil {
			return 0, fmt.Errorf("asking for reading %d: %w", n, err)
		}
		if r.Receipt == nil {
			return 0, fmt.Errorf("reading %d is %s and has no receipt yet", n, r.Status)
		}
		return uint64(r.Receipt.Leaf), nil
	case c.IsSet("settlement"):
		var s api.OneSettlement
		n := c.Uint64("settlement")
		if err := node.Get(ctx, fmt.Sprintf("/v1/settlements/%s/%d", market, n), nil, &s); err != nil {
			return 0, fmt.Errorf("asking for settlement %d: %w", n, err)
		}
		if len(s.Receipts) == 0 {
			return 0, fmt.Errorf("settlement %d has no receipt yet", n)
		}
		return uint64(s.Receipts[len(s.Receipts)-1].Leaf), nil
	}
	leaf, err := strconv.ParseUint(c.Args().First(), 10, 64)
	if err != nil {
		return 0, usage("%q is not the number of a leaf", c.Args().First())
	}
	return leaf, nil
}
