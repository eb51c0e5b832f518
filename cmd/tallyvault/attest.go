package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/compose"
	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func oracleAttestCommand() *cli.Command {
	return &cli.Command{
		Name:  "attest",
		Usage: "look at readings and vote on them by hand",
		Description: `Shows the live readings from --from to --to as the node tells them, asks, and
sends one attestation that accepts all of them but those that you --reject. The
attestation names the readings by a hash, so it can count for no others.

   tallyvault oracle attest --market energy --from 7 --to 12 --reject 9 \
      --key oracle-a.key --genesis genesis.json`,
		Flags: append([]cli.Flag{
			marketFlag(),
			&cli.Uint64Flag{Name: "from", Usage: "`NUMBER` of the first reading"},
			&cli.Uint64Flag{Name: "to", Usage: "`NUMBER` of the last one"},
			&cli.Uint64SliceFlag{Name: "reject", Usage: "`NUMBER` of a reading to reject, repeatable"},
			&cli.StringFlag{Name: "lane", Value: "15", Usage: "lane of the nonce; an agent with the same key uses the lanes from 0 up"},
			keyFlag("the oracle"), yesFlag(), validForFlag(), jsonFlag(), waitFinalFlag(),
		}, clusterFlags()...),
		Action: oracleAttest,
	}
}

func oracleAttest(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "from", "to", "key", "genesis"); err != nil {
		return err
	}
	first, last := c.Uint64("from"), c.Uint64("to")
	if first < 1 || last < first {
		return usage("--from %d --to %d: readings are numbered from 1, and the range must not be empty", first, last)
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
	list, err := liveReadings(ctx, node, c.String("market"), first, last)
	if err != nil {
		return err
	}
	b, err := attestation(c.String("market"), list, c.Uint64Slice("reject"))
	if err != nil {
		return err
	}
	e, err := signAttestation(ctx, c, node, key, b, list)
	if err != nil {
		return err
	}
	_, status, err := send(ctx, c, node, e)
	if err == nil && status != exitDone {
		return status
	}
	return err
}

// attestation makes the verdicts on live readings, as few ranges as there are
// runs of numbers without a gap.
func attestation(market string, list []api.Reading, rejects []uint64) (fsm.Attest, error) {
	b := fsm.Attest{Market: market, Rejects: slices.Sorted(slices.Values(rejects))}
	if len(list) == 0 {
		return b, fmt.Errorf("none of these readings of market %s is live", market)
	}
	shown := map[uint64]bool{}
	digest := sha256.New()
	for i, r := range list {
		id, err := envelope.ParseIdentity(r.Identity)
		if err != nil {
			return b, fmt.Errorf("reading %d as the node tells it: %w", r.Number, err)
		}
		n := uint64(r.Number)
		shown[n] = true
		if i == 0 || n != b.Ranges[len(b.Ranges)-1].To+1 {
			b.Ranges = append(b.Ranges, fsm.AttestedRange{From: n})
			digest.Reset()
		}
		digest.Write(id[:])
		run := &b.Ranges[len(b.Ranges)-1]
		run.To, run.Hash = n, [32]byte(digest.Sum(nil))
	}
	for _, n := range b.Rejects {
		if !shown[n] {
			return b, usage("--reject %d: that reading is not live, or not in the range", n)
		}
	}
	return b, nil
}

func signAttestation(ctx context.Context, c *cli.Context, node *client.Client, key keyfile.Key, b fsm.Attest, list []api.Reading) (envelope.Envelope, error) {
	signer := envelope.KeyID(key.ID())
	nonce, err := node.NextNonce(ctx, signer, c.String("lane"))
	if err != nil {
		return envelope.Envelope{}, fmt.Errorf("asking for the next nonce of lane %s: %w", c.String("lane"), err)
	}
	p, err := place(c)
	if err != nil {
		return envelope.Envelope{}, err
	}
	b.Header = p.Single(c.String("lane"), nonce, &signer)
	e := compose.Unsigned("attest", b)
	g, err := readGenesis(c)
	if err != nil {
		return e, err
	}
	said, err := words.Reader{Genesis: g, Now: time.Now()}.Command(e)
	if err != nil {
		return e, err
	}
	tell(c, "%s\n%s", readingTable(list), said)
	if err := confirm(c, "Sign and send this?"); err != nil {
		return e, err
	}
	return compose.Sign(e, key.Ed25519())
}
