package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/compose"
	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// singleFlags are those of every shortcut that makes a command of one signature.
func singleFlags() []cli.Flag {
	own := []cli.Flag{
		&cli.StringFlag{Name: "lane", Value: "14", Usage: "lane of the nonce"},
		keyFlag("whoever signs"), yesFlag(), validForFlag(), outFlag("the signed command, or with --dry-run the unsigned one,"),
		jsonFlag(), waitFinalFlag(),
	}
	return append(append(own, lookFlags()...), clusterFlags()...)
}

// single makes, says, signs and sends a command of one signature.
func single(c *cli.Context, name string, build func(h fsm.Header) (any, error)) error {
	return singleWith(c, name, func(_ context.Context, _ *client.Client, h fsm.Header) (any, error) { return build(h) })
}

// singleWith also lets build ask the node.
func singleWith(c *cli.Context, name string, build func(ctx context.Context, node *client.Client, h fsm.Header) (any, error)) error {
	if err := demand(c, "key", "genesis"); err != nil {
		return err
	}
	key, err := readKey(c, c.String("key"))
	if err != nil {
		return err
	}
	ctx, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	signer := envelope.KeyID(key.ID())
	nonce, err := node.NextNonce(ctx, signer, c.String("lane"))
	if err != nil {
		return fmt.Errorf("asking for the next nonce of lane %s: %w", c.String("lane"), err)
	}
	p, err := place(c)
	if err != nil {
		return err
	}
	payload, err := build(ctx, node, p.Single(c.String("lane"), nonce, &signer))
	if err != nil {
		return err
	}
	e := compose.Unsigned(name, payload)
	g, err := readGenesis(c)
	if err != nil {
		return err
	}
	if c.Bool("check") || c.Bool("dry-run") {
		return looked(c, e, g)
	}
	said, err := words.Reader{Genesis: g, Now: time.Now()}.Command(e)
	if err != nil {
		return err
	}
	tell(c, "%s", said)
	if err := confirm(c, "Sign and send this?"); err != nil {
		return err
	}
	if e, err = compose.Sign(e, key.Ed25519()); err != nil {
		return err
	}
	return sendKept(ctx, c, node, e)
}

// sendKept sends a command and keeps its file where the outcome is not known.
func sendKept(ctx context.Context, c *cli.Context, node *client.Client, e envelope.Envelope) error {
	if c.IsSet("out") {
		if err := createFile(c.String("out"), append(e.JSON(), '\n')); err != nil {
			return err
		}
	}
	return sendWithin(ctx, c, node, e)
}

// sendWithin is sendKept for a command whose file, where --out named one, is there.
func sendWithin(ctx context.Context, c *cli.Context, node *client.Client, e envelope.Envelope) error {
	_, status, err := send(ctx, c, node, e)
	if status == exitUnknown && !c.IsSet("out") {
		keepUnknown(c, e)
	}
	if err == nil && status != exitDone {
		return status
	}
	return err
}

// idArgument reads the id that the first argument is.
func idArgument(c *cli.Context) (id [32]byte, err error) {
	parsed, err := envelope.ParseIdentity(c.Args().First())
	if err != nil {
		return id, usage("%q is not an id: %v; tallyvault treasury list shows them", c.Args().First(), err)
	}
	return parsed, nil
}

// maxBodyFile is more than any disbursement takes.
const maxBodyFile = 64 << 10

// readFileOrInput reads a file, or standard input where the path is a dash.
func readFileOrInput(c *cli.Context, path string, most int) ([]byte, error) {
	if path == "-" {
		return smallfile.From(c.App.Reader, "standard input", most)
	}
	return smallfile.Read(path, most)
}

// treasuryVote shows what the vote is about before it asks. The content is worked out
// from what is shown, so a node cannot show one thing and have another one signed.
func treasuryVote(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	verdict := c.String("verdict")
	if verdict != fsm.VerdictApprove && verdict != fsm.VerdictReject {
		return usage("--verdict must be %s or %s, found %q", fsm.VerdictApprove, fsm.VerdictReject, verdict)
	}
	id, err := idArgument(c)
	if err != nil {
		return err
	}
	return singleWith(c, "vote", func(ctx context.Context, node *client.Client, h fsm.Header) (any, error) {
		var d api.OneDisbursement
		if err := node.Get(ctx, disbursementPath(c.Args().First()), nil, &d); err != nil {
			return nil, err
		}
		b, content, err := shownBody(d.Disbursement)
		if err != nil {
			return nil, err
		}
		tell(c, "%s\n", words.Disbursement(b))
		return fsm.Vote{Header: h, Disbursement: id, Content: content, Verdict: verdict}, nil
	})
}

func disbursementPath(id string) string { return "/v1/treasury/disbursements/" + id }
