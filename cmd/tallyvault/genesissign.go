package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/founding"
	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/nodedir"
	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

func genesisSignCommand() *cli.Command {
	return &cli.Command{
		Name:      "sign",
		Usage:     "read a genesis in words, and sign it as a node",
		ArgsUsage: "FILE",
		Description: `Shows what the genesis means, asks, and adds your node's signature to FILE. Do
not sign before you have compared the short hash with the other operators.

   tallyvault genesis sign genesis.json --dir /var/lib/tallyvault

Operators may sign copies at the same time and bring them together with merge.`,
		Flags: []cli.Flag{
			dirFlag(), keyFlag("the node instead of its directory"), yesFlag(), passphraseFlag(),
			outFlag("the signed genesis, instead of changing the given file,"),
		},
		Action: genesisSign,
	}
}

func genesisSign(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	key, err := nodeSigningKey(c)
	if err != nil {
		return err
	}
	path := c.Args().First()
	s, err := readGenesisFile(path)
	if err != nil {
		return err
	}
	if err := founding.Try(s); err != nil {
		return err
	}
	signed, err := founding.Sign(s, key.Ed25519())
	if errors.Is(err, founding.ErrSigned) {
		tell(c, "Nothing to do: %v.\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	tell(c, "%s\n", s.Words())
	if err := confirm(c, fmt.Sprintf("Is the short hash %s the one that the others have, and do you agree to all of it?", s.ShortHash())); err != nil {
		return err
	}
	text := append(signed.Envelope.JSON(), '\n')
	if c.IsSet("out") {
		err = deliver(c, text)
	} else {
		err = smallfile.Replace(path, bytes.NewReader(text))
	}
	if err == nil {
		i, _ := s.NodeIndex(key.Public)
		tell(c, "Signed by %s; still missing: %s.\n", s.Nodes[i].Name, orNobody(signed.Missing()))
	}
	return err
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// nodeSigningKey is the node key of --dir, or the key in --key.
func nodeSigningKey(c *cli.Context) (keyfile.Key, error) {
	if c.IsSet("dir") == c.IsSet("key") {
		return keyfile.Key{}, usage("give --dir (the node's directory) or --key (its node key), one of them")
	}
	if c.IsSet("key") {
		return readKey(c, c.String("key"))
	}
	dir, err := nodedir.Open(c.String("dir"), passphrases(c).Ask)
	if err != nil {
		return keyfile.Key{}, err
	}
	return dir.Node, nil
}

func genesisMergeCommand() *cli.Command {
	return &cli.Command{
		Name:      "merge",
		Usage:     "bring together the signatures under copies of one genesis",
		ArgsUsage: "FILE...",
		Description: `All files must be the same genesis, and every signature must verify.

   tallyvault genesis merge from-a.json from-b.json from-c.json --out genesis.json`,
		Flags:  []cli.Flag{outFlag("the merged genesis")},
		Action: genesisMerge,
	}
}

func genesisMerge(c *cli.Context) error {
	if err := arguments(c, 1, -1); err != nil {
		return err
	}
	paths := c.Args().Slice()
	var copies []*genesis.Signed
	for _, path := range paths {
		s, err := readGenesisFile(path)
		if err != nil {
			return err
		}
		copies = append(copies, s)
	}
	merged, part, err := founding.Merge(copies...)
	if err != nil {
		return fmt.Errorf("%s: %w", paths[part], err)
	}
	tell(c, "Merged genesis %s; still missing: %s.\n", merged.ShortHash(), orNobody(merged.Missing()))
	return deliver(c, append(merged.Envelope.JSON(), '\n'))
}
