package main

import (
	"crypto/rand"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/nodedir"
	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

func nodeReplaceCommand() *cli.Command {
	return &cli.Command{
		Name:      "replace",
		Usage:     "make the command that puts a new node in the place of another",
		ArgsUsage: "STATEMENT",
		Description: `STATEMENT is the new node's node.json. Run this where a present node lives: it hands
the journal's log key on, which it opens with the sealing key in DIR and seals to the
new node. Compare the new node's keys with its operator before you sign.

   tallyvault node replace node-d.json --old node-c --dir /var/lib/tallyvault \
      --genesis genesis.json --out replace.json

The old node counts until the new one has caught up and enough nodes of both
committees have cosigned the same checkpoint, and never again afterwards. The new
node starts with the signed command: tallyvault serve --join.` + howThreshold,
		Flags: thresholdFlags(
			&cli.StringFlag{Name: "old", Usage: "`NAME` of the node that is replaced"},
			&cli.StringFlag{Name: "dir", Usage: "`DIR` of a present node on this machine; it may be running"},
		),
		Action: nodeReplace,
	}
}

func nodeReplace(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	if err := demand(c, "old", "dir", "genesis"); err != nil {
		return err
	}
	path := c.Args().First()
	file, err := readEvidence(path)
	if err != nil {
		return err
	}
	statement, n, err := genesis.ReadNodeStatement(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, smallfile.Other(err, file))
	}
	if n.Name == c.String("old") {
		return usage("%s is the statement of %s itself: a replacement has a new name and new keys", path, n.Name)
	}
	sealed, err := sealLogKey(c, n)
	if err != nil {
		return err
	}
	return propose(c, "replace_node", func(h fsm.ThresholdHeader) (any, error) {
		return fsm.ReplaceNode{ThresholdHeader: h, Old: c.String("old"), Node: statement, SealedLogKey: sealed}, nil
	})
}

// sealLogKey opens the log key with a present node's sealing key and seals it to a new
// node. It is in memory only in between.
func sealLogKey(c *cli.Context, n genesis.Node) (genesis.SealedKey, error) {
	g, err := readGenesis(c)
	if err != nil {
		return genesis.SealedKey{}, err
	}
	dir, err := nodedir.Open(c.String("dir"), passphrases(c).Ask)
	if err != nil {
		return genesis.SealedKey{}, err
	}
	if err := dir.AdoptJoin(""); err != nil {
		return genesis.SealedKey{}, err
	}
	logKey, err := dir.LogKey(g)
	if err != nil {
		return genesis.SealedKey{}, err
	}
	return genesis.SealLogKey(rand.Reader, logKey, n)
}

func nodeCancelCommand() *cli.Command {
	return &cli.Command{
		Name:  "cancel-replacement",
		Usage: "make the command that gives up the joining of a new node",
		Description: `The committee stays as it is; the new node's name and keys are spent. Possible until
the new node counts.

   tallyvault node cancel-replacement --new node-d --genesis genesis.json --out cancel.json` + howThreshold,
		Flags:  thresholdFlags(&cli.StringFlag{Name: "new", Usage: "`NAME` of the node that was to join"}),
		Action: nodeCancel,
	}
}

func nodeCancel(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "new"); err != nil {
		return err
	}
	return propose(c, "cancel_replacement", func(h fsm.ThresholdHeader) (any, error) {
		return fsm.CancelReplacement{ThresholdHeader: h, Node: c.String("new")}, nil
	})
}
