package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/nodedir"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

func nodeCommand() *cli.Command {
	return &cli.Command{
		Name:        "node",
		Usage:       "prepare a machine to be a node of a committee, and replace one",
		Subcommands: []*cli.Command{nodeInitCommand(), nodeShowCommand(), nodeReplaceCommand(), nodeCancelCommand(), nodeDoctorCommand()},
	}
}

func nodeInitCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "make a node's keys and its public statement, node.json",
		Description: `Makes three keys in DIR/keys: the node key (signs genesis, clocks and
certificates), the cosigner key (signs checkpoints) and the sealing key (opens
the log key). Writes DIR/node.json, signed by the first two. Send node.json to
whoever assembles the genesis, or to an admin if the node replaces another; the keys
stay here.

   tallyvault node init --name node-a --dir /var/lib/tallyvault \
      --peer-address a.example:7443 --api-address https://a.example:8443

The addresses are how other machines reach this node; they go into the genesis.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the node: a lower-case letter, then letters, digits, '-', '_' or '.'"},
			dirFlag(),
			&cli.StringFlag{Name: "peer-address", Usage: "`HOST:PORT` where the other nodes reach this one"},
			&cli.StringFlag{Name: "api-address", Usage: "`URL` (https://) of this node's API"},
			&cli.BoolFlag{Name: "encrypt", Aliases: []string{"passphrase"}, Usage: "encrypt the keys with a passphrase, which serve will then need"},
			passphraseFlag(),
		},
		Action: nodeInit,
	}
}

func dirFlag() cli.Flag {
	return &cli.StringFlag{Name: "dir", Usage: "the node's directory, `DIR`"}
}

func nodeInit(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "name", "dir", "peer-address", "api-address"); err != nil {
		return err
	}
	dir := c.String("dir")
	passphrase, err := newPassphrase(c, "Passphrase for the keys in "+dir)
	if err != nil {
		return err
	}
	seat := nodedir.Seat{Name: c.String("name"), PeerAddress: c.String("peer-address"), APIAddress: c.String("api-address")}
	n, err := nodedir.Init(dir, seat, passphrase, rand.Reader)
	if err != nil {
		return err
	}
	tell(c, "Made node %s.\n  private  %s  keep this directory\n  public   %s  send it to whoever assembles the genesis\n",
		n.Name, filepath.Join(dir, "keys"), filepath.Join(dir, "node.json"))
	return printf(c, "%s", aboutNode(n))
}

func aboutNode(n genesis.Node) string {
	return fmt.Sprintf("node          %s\nnode key      %x (id %s)\ncosigner key  %x\nsealing key   %x\npeer address  %s\nAPI address   %s\n",
		n.Name, n.NodeKey, n.KeyID(), n.CosignerKey, n.SealingKey, n.PeerAddress, n.APIAddress)
}

func nodeShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "check a node statement and say what is in it",
		ArgsUsage: "FILE",
		Description: `Verifies both signatures of a node.json. Compare the key id with its operator
by telephone before you put it into a genesis.

   tallyvault node show node-a.json`,
		Flags:  []cli.Flag{jsonFlag()},
		Action: nodeShow,
	}
}

func nodeShow(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	n, err := nodedir.ReadStatement(c.Args().First())
	if err != nil {
		return fmt.Errorf("reading a node statement: %w", err)
	}
	if c.Bool("json") {
		return printJSON(c, map[string]string{
			"name": n.Name, "key_id": n.KeyID().String(), "node_key": hex.EncodeToString(n.NodeKey[:]),
			"cosigner_key": hex.EncodeToString(n.CosignerKey[:]), "sealing_key": hex.EncodeToString(n.SealingKey[:]),
			"peer_address": n.PeerAddress, "api_address": n.APIAddress,
		})
	}
	return printf(c, "%s", aboutNode(n))
}
