package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/statement"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// principalCommand is the noun of a role that is let in by a threshold command.
func principalCommand(role string) *cli.Command {
	noun := &cli.Command{
		Name:        role,
		Usage:       fmt.Sprintf("let %s in", article(role)),
		Subcommands: []*cli.Command{registerCommand(role)},
	}
	if role == genesis.RoleProvider {
		noun.Usage += ", and show what one earned"
		noun.Subcommands = append(noun.Subcommands, providerStatementCommand())
	}
	return noun
}

func article(role string) string {
	if role[0] == 'a' || role[0] == 'o' {
		return "an " + role
	}
	return "a " + role
}

func registerCommand(role string) *cli.Command {
	return &cli.Command{
		Name:      "register",
		Usage:     fmt.Sprintf("make the command that registers %s and its key", article(role)),
		ArgsUsage: "STATEMENT",
		Description: fmt.Sprintf(`STATEMENT is the public file that "tallyvault key new --genesis" wrote on the
principal's own machine. Compare the key id with its owner before you sign.

   tallyvault %s register statement.json --genesis genesis.json --out register.json`, role) + howThreshold,
		Flags:  thresholdFlags(),
		Action: func(c *cli.Context) error { return register(c, role) },
	}
}

func register(c *cli.Context, role string) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	s, err := statement.ReadFile(c.Args().First())
	if err != nil {
		return err
	}
	if s.Role != role {
		return fmt.Errorf("%s is the statement of %s, not of %s", c.Args().First(), article(s.Role), article(role))
	}
	return propose(c, "register_principal", func(h fsm.ThresholdHeader) (any, error) {
		return fsm.RegisterPrincipal{ThresholdHeader: h, Principal: s.Principal, Role: s.Role, PublicKey: s.PublicKey, Proof: s.Proof}, s.For(h.Cluster)
	})
}
