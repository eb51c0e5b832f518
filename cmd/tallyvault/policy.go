package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func policyCommand() *cli.Command {
	return &cli.Command{
		Name:        "policy",
		Usage:       "get the rule by which receipts are judged",
		Subcommands: []*cli.Command{policyGetCommand()},
	}
}

func policyGetCommand() *cli.Command {
	return &cli.Command{
		Name:  "get",
		Usage: "fetch the policy in force, or the chain that leads to it",
		Description: `The policy names the journal's key, the nodes' cosigner keys and how many of them
must have signed. Get it from somebody you trust, or get the chain and check it
against the genesis hash:

   tallyvault policy get --genesis genesis.json --out policy
   tallyvault policy get --chain --genesis genesis.json --out chain.json`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "chain", Usage: "the chain from genesis on, as JSON, instead of the policy"}, outFlag("it"),
		}, clusterFlags()...),
		Action: policyGet,
	}
}

func policyGet(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	ctx, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	var text []byte
	if c.Bool("chain") {
		text, err = node.GetBytes(ctx, "/v1/policy", nil)
	} else {
		text, err = node.Policy(ctx)
	}
	if err != nil {
		return fmt.Errorf("fetching the policy: %w", err)
	}
	return deliver(c, text)
}
