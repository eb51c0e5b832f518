package main

import (
	"fmt"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/compose"
	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// maxCommandFile bounds what is read as a command: an envelope is at most 96
// KiB, a draft is indented.
const maxCommandFile = 512 << 10

func signCommand() *cli.Command {
	return &cli.Command{
		Name:      "sign",
		Usage:     "read a command in words, and sign it",
		ArgsUsage: "FILE|-",
		Description: `FILE holds a draft (from command template or a shortcut) or an envelope that
others have signed already; - is standard input. The command is shown in words,
made from the very bytes that are signed: who, what, how much, until when. Then
you are asked. The envelope with your signature goes to standard output or --out.

   tallyvault sign deposit.json --key alice.key --genesis genesis.json --out deposit-1.json
   tallyvault sign deposit-1.json --key bob.key --genesis genesis.json --out deposit-2.json`,
		Flags: []cli.Flag{
			keysFlag("whoever signs"), genesisFlag("names for keys and cluster, and a check that the command is for it"),
			yesFlag(), passphraseFlag(), outFlag("the signed envelope"),
		},
		Action: sign,
	}
}

func keysFlag(whose string) cli.Flag {
	return &cli.StringSliceFlag{Name: "key", Usage: "private key `FILE` of " + whose + ", repeatable"}
}

func sign(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	if err := demand(c, "key"); err != nil {
		return err
	}
	g, err := optionalGenesis(c)
	if err != nil {
		return err
	}
	e, err := readCommand(c, c.Args().First())
	if err != nil {
		return err
	}
	if e, err = signAfterAsking(c, e, g); err != nil {
		return err
	}
	return deliver(c, append(e.JSON(), '\n'))
}

// readCommand reads a draft or an envelope from a file or standard input.
func readCommand(c *cli.Context, path string) (envelope.Envelope, error) {
	data, err := readFileOrInput(c, path, maxCommandFile)
	if err != nil {
		return envelope.Envelope{}, fmt.Errorf("reading a command: %w", err)
	}
	e, err := compose.Read(data)
	if err != nil {
		return e, fmt.Errorf("%s: %w", path, smallfile.Other(err, data))
	}
	return e, nil
}

// signAfterAsking shows a command, asks, and adds the signatures of --key.
func signAfterAsking(c *cli.Context, e envelope.Envelope, g *genesis.Signed) (envelope.Envelope, error) {
	said, err := words.Reader{Genesis: g, Now: time.Now()}.Command(e)
	if err != nil {
		return e, err
	}
	if err := isFor(e, g); err != nil {
		return e, err
	}
	var keys []ed25519.PrivateKey
	who := ""
	for _, path := range c.StringSlice("key") {
		key, err := readKey(c, path)
		if err != nil {
			return e, err
		}
		keys = append(keys, key.Ed25519())
		who += fmt.Sprintf("  you sign as  %s\n", words.Reader{Genesis: g}.Signer(envelope.KeyID(key.ID())))
	}
	signed, err := compose.Sign(e, keys...)
	if err != nil {
		return e, err
	}
	tell(c, "%s%s", said, who)
	return signed, confirm(c, "Sign this?")
}

// isFor refuses a command of another cluster than the given genesis.
func isFor(e envelope.Envelope, g *genesis.Signed) error {
	if g == nil {
		return nil
	}
	command, err := words.Parse(e)
	if err != nil {
		return err
	}
	var cluster [16]byte
	if h := command.Single(); h != nil {
		cluster = h.Cluster
	} else {
		cluster = command.Threshold().Cluster
	}
	if cluster != g.Cluster {
		return fmt.Errorf("the command is for cluster %x, the given genesis is of cluster %s", cluster, g.ClusterID())
	}
	return nil
}
