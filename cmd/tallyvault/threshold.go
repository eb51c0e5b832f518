package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/compose"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// thresholdFlags are those of every shortcut that makes a threshold command.
func thresholdFlags(own ...cli.Flag) []cli.Flag {
	own = append(own,
		validForFlag(), keysFlag("an admin who signs at once"), yesFlag(), outFlag("the command, signed so far or not,"),
		&cli.BoolFlag{Name: "submit", Usage: "send the signed command at once"}, jsonFlag(), waitFinalFlag(),
	)
	return append(append(own, lookFlags()...), clusterFlags()...)
}

// howThreshold ends the help of such a shortcut.
const howThreshold = `

Without --key it only writes the command, for admins to sign:

   tallyvault sign FILE --key alice.key --genesis genesis.json --out FILE1
   tallyvault sign FILE1 --key bob.key --genesis genesis.json --out FILE2
   tallyvault submit FILE2 --genesis genesis.json

With --key (repeatable) it signs after asking, and with --submit it sends. Whatever
else is given, --check only says the command in words, and --dry-run also prints it
unsigned.`

// lookFlags are those with which a shortcut neither signs nor sends.
func lookFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "check", Usage: "only say in words what would be signed"},
		&cli.BoolFlag{Name: "dry-run", Usage: "say it, and print the very command that would be signed, for tallyvault sign"},
	}
}

// looked says a command in words and prints it unsigned, or does not print it where the
// flags ask for words alone.
func looked(c *cli.Context, e envelope.Envelope, g *genesis.Signed) error {
	said, err := words.Reader{Genesis: g, Now: time.Now()}.Command(e)
	if err != nil {
		return err
	}
	tell(c, "%s", said)
	if c.Bool("check") {
		return nil
	}
	return deliver(c, append(e.JSON(), '\n'))
}

// propose makes a threshold command, and signs and sends it as far as the flags
// ask for that.
func propose(c *cli.Context, name string, build func(h fsm.ThresholdHeader) (any, error)) error {
	if c.Bool("submit") && !c.IsSet("key") {
		return usage("--submit needs --key: an unsigned command cannot be sent")
	}
	p, err := place(c)
	if err != nil {
		return err
	}
	header, err := p.Threshold()
	if err != nil {
		return err
	}
	payload, err := build(header)
	if err != nil {
		return err
	}
	e := compose.Unsigned(name, payload)
	g, err := readGenesis(c)
	if err != nil {
		return err
	}
	if c.Bool("check") || c.Bool("dry-run") || !c.IsSet("key") {
		return looked(c, e, g)
	}
	if e, err = signAfterAsking(c, e, g); err != nil {
		return err
	}
	if !c.Bool("submit") || c.IsSet("out") {
		if err := deliver(c, append(e.JSON(), '\n')); err != nil || !c.Bool("submit") {
			return err
		}
	}
	return sendOne(c, e)
}

// sendOne submits one command as its own author, without a token.
func sendOne(c *cli.Context, e envelope.Envelope) error {
	node, err := dial(c, nil)
	if err != nil {
		return err
	}
	defer node.Close()
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	return sendWithin(ctx, c, node, e)
}
