package main

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/compose"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
)

func commandCommand() *cli.Command {
	return &cli.Command{
		Name:  "command",
		Usage: "write commands that have no shortcut",
		Description: `A command changes the cluster's state. It is a JSON payload that is signed and
submitted:

   tallyvault command template rotate_key --genesis genesis.json --out draft.json
   (edit draft.json)
   tallyvault sign draft.json --key pv-1.key --genesis genesis.json --out signed.json
   tallyvault submit signed.json --genesis genesis.json`,
		Subcommands: []*cli.Command{commandListCommand(), commandTemplateCommand()},
	}
}

func commandListCommand() *cli.Command {
	return &cli.Command{
		Name:        "list",
		Usage:       "list all commands",
		Description: "One name a line; the names are those that template takes.\n\n   tallyvault command list",
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			return printf(c, "%s\n", strings.Join(fsm.CommandNames(), "\n"))
		},
	}
}

func commandTemplateCommand() *cli.Command {
	return &cli.Command{
		Name:      "template",
		Usage:     "print a command to fill in, with its header ready",
		ArgsUsage: "NAME",
		Description: `The draft names cluster and era, when it was made and how long it is good for.
Fill in the rest; 64-bit numbers stay strings, times are unix milliseconds.

   tallyvault command template deposit --genesis genesis.json > draft.json`,
		Flags: []cli.Flag{
			genesisFlag("for which the command is"), validForFlag(), outFlag("the draft"), passphraseFlag(),
			&cli.StringFlag{Name: "lane", Value: "0", Usage: "lane of a command with one signature: 0 to 15, or m/METER"},
			&cli.Uint64Flag{Name: "nonce", Value: 1, Usage: "its nonce, above the last one of the key's lane"},
			&cli.StringFlag{Name: "signer", Usage: "`FILE` of the key that will sign it, private or public; others then cannot"},
		},
		Action: commandTemplate,
	}
}

func validForFlag() cli.Flag {
	return &cli.DurationFlag{Name: "valid-for", Usage: "how long the command may be executed (default: 1h with one signature, at most 24h; 168h with several, at most 720h)"}
}

// place is where and when commands made now count.
func place(c *cli.Context) (compose.Place, error) {
	if err := demand(c, "genesis"); err != nil {
		return compose.Place{}, err
	}
	g, err := readGenesis(c)
	if err != nil {
		return compose.Place{}, err
	}
	p, err := compose.In(g, time.Now())
	p.Life = c.Duration("valid-for")
	if p.Life < 0 {
		return p, usage("--valid-for %s is negative", p.Life)
	}
	return p, err
}

func commandTemplate(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	p, err := place(c)
	if err != nil {
		return err
	}
	var signer *envelope.KeyID
	if c.IsSet("signer") {
		k, err := lookAtKey(c, c.String("signer"))
		if err != nil {
			return err
		}
		id, err := envelope.ParseKeyID(k.KeyID)
		if err != nil {
			return err
		}
		signer = &id
	}
	text, optional, err := compose.Template(c.Args().First(), p, c.String("lane"), c.Uint64("nonce"), signer)
	if err != nil {
		return usage("%v", err)
	}
	if len(optional) > 0 {
		tell(c, "May be added to the payload: %s.\n", strings.Join(optional, ", "))
	}
	return deliver(c, text)
}
