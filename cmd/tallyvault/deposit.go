package main

import (
	"github.com/urfave/cli/v2"
	"lukechampine.com/uint128"

	"github.com/tallyvault/tallyvault/fsm"
)

func depositCommand() *cli.Command {
	return &cli.Command{
		Name:  "deposit",
		Usage: "make the command that books money which came in from outside",
		Description: `The reference names the payment outside (a bank statement's line, say) and counts
once for ever, so entering it twice pays in once.

   tallyvault deposit --account payer/grid --amount 1500000 --reference "bank 2025-17" \
      --genesis genesis.json --out deposit.json` + howThreshold,
		Flags: thresholdFlags(
			&cli.StringFlag{Name: "account", Usage: "`ACCOUNT` that gets it, such as payer/grid"},
			&cli.StringFlag{Name: "amount", Usage: "how much, in minor units"},
			&cli.StringFlag{Name: "asset", Value: "BLOCK", Usage: "of which asset"},
			&cli.StringFlag{Name: "reference", Usage: "`TEXT` that names the payment outside"},
		),
		Action: deposit,
	}
}

func deposit(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "account", "amount", "reference"); err != nil {
		return err
	}
	amount, err := uint128.FromString(c.String("amount"))
	if err != nil || amount.IsZero() || amount.String() != c.String("amount") {
		return usage("--amount %q: want a whole number of minor units above zero, in plain digits", c.String("amount"))
	}
	return propose(c, "deposit", func(h fsm.ThresholdHeader) (any, error) {
		return fsm.Deposit{
			ThresholdHeader: h, Account: c.String("account"), Asset: c.String("asset"), Amount: amount, Reference: c.String("reference"),
		}, nil
	})
}
