package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/compose"
	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func oracleCommand() *cli.Command {
	return &cli.Command{
		Name:  "oracle",
		Usage: "attest to readings, and let oracles in",
		Subcommands: []*cli.Command{
			oracleAttestCommand(), oracleAgentCommand(), oracleReadingsCommand(), registerCommand("oracle"), oracleWeightCommand(),
		},
	}
}

func oracleWeightCommand() *cli.Command {
	return &cli.Command{
		Name:  "weight",
		Usage: "make the command that sets an oracle's weight in a market",
		Description: `The weight counts from the next epoch on; 0 takes the vote away.

   tallyvault oracle weight --market energy --oracle oracle-d --weight 1 \
      --genesis genesis.json --out weight.json` + howThreshold,
		Flags: thresholdFlags(
			marketFlag(),
			&cli.StringFlag{Name: "oracle", Usage: "`NAME` of the oracle"},
			&cli.Uint64Flag{Name: "weight", Usage: "its weight"},
		),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			if err := demand(c, "oracle", "weight"); err != nil {
				return err
			}
			return propose(c, "set_oracle_weight", func(h fsm.ThresholdHeader) (any, error) {
				return fsm.SetOracleWeight{ThresholdHeader: h, OracleWeight: genesis.OracleWeight{
					Market: c.String("market"), Oracle: c.String("oracle"), Weight: c.Uint64("weight"),
				}}, nil
			})
		},
	}
}

func oracleReadingsCommand() *cli.Command {
	return &cli.Command{
		Name:  "readings",
		Usage: "list the readings that wait for votes",
		Description: `Readings that are closed are left out.

   tallyvault oracle readings --market energy --key oracle-a.key --genesis genesis.json`,
		Flags: append([]cli.Flag{marketFlag(), keyFlag("whoever reads, unless reads are public"), jsonFlag()}, clusterFlags()...),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			ctx, node, done, err := reach(c)
			if err != nil {
				return err
			}
			defer done()
			list, err := liveReadings(ctx, node, c.String("market"), 1, 1<<64-1)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return printJSON(c, list)
			}
			return printf(c, "%s", readingTable(list))
		},
	}
}

// liveReadings fetches the live readings with numbers from first to last.
func liveReadings(ctx context.Context, node *client.Client, market string, first, last uint64) ([]api.Reading, error) {
	query := url.Values{"market": {market}, "after": {strconv.FormatUint(first-1, 10)}, "limit": {"1000"}}
	list := []api.Reading{}
	for {
		var page api.Readings
		if err := node.Get(ctx, "/v1/readings", query, &page); err != nil {
			return nil, fmt.Errorf("asking for readings: %w", err)
		}
		for _, r := range page.Readings {
			if uint64(r.Number) > last {
				return list, nil
			}
			list = append(list, r)
		}
		if page.Next == "" {
			return list, nil
		}
		query.Set("after", page.Next)
	}
}

func readingTable(list []api.Reading) string {
	rows := [][]string{{"number", "meter", "register", "since base", "measured", "status", "accept", "reject", "required"}}
	for _, r := range list {
		row := []string{fmt.Sprint(uint64(r.Number)), r.Meter, "", "", words.Time(r.MeasuredAt), r.Status, "", "", ""}
		if r.Register != nil {
			row[2] = fmt.Sprint(uint64(*r.Register))
			if r.Base != nil { // a step back shows as negative
				row[3] = words.Grouped(strconv.FormatInt(int64(*r.Register-r.Base.Register), 10))
			}
		}
		if r.Tally != nil {
			row[6], row[7], row[8] = fmt.Sprint(uint64(r.Tally.Accept)), fmt.Sprint(uint64(r.Tally.Reject)), fmt.Sprint(uint64(r.Tally.Required))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

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
	if err := confirm(c, "Sign and send this?", false); err != nil {
		return e, err
	}
	return compose.Sign(e, key.Ed25519())
}

func oracleAgentCommand() *cli.Command {
	return &cli.Command{
		Name:  "agent",
		Usage: "attest to readings by a policy until stopped",
		Description: `Judges every new reading of the markets that the policy names by its limits, and
votes. Without a policy it attests nothing. Each rejection is said with its
reason. The policy is one JSON object:

   {"default": "abstain", "rules": [
     {"market": "energy", "meter": "pv-*", "max_delta_per_hour": "6000",
      "night": {"from": "22:00", "to": "04:00", "utc_offset": "+00:00", "max_delta": "0"}},
     {"market": "energy", "meter": "*", "max_delta_per_hour": "15000"}]}

   tallyvault oracle agent --policy policy.json --key oracle-a.key --genesis genesis.json`,
		Flags:  append(append([]cli.Flag{&cli.StringFlag{Name: "policy", Usage: "policy `FILE`"}, keyFlag("the oracle")}, logFlags()...), clusterFlags()...),
		Action: oracleAgent,
	}
}

func oracleAgent(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if !c.IsSet("policy") {
		return usage("--policy must be given: without a policy this agent attests nothing")
	}
	if err := demand(c, "key", "genesis"); err != nil {
		return err
	}
	policy, err := agent.ReadPolicy(c.String("policy"))
	if err != nil {
		return err
	}
	key, err := readKey(c, c.String("key"))
	if err != nil {
		return err
	}
	node, err := dial(c, &key)
	if err != nil {
		return err
	}
	defer node.Close()
	p, err := place(c)
	if err != nil {
		return err
	}
	log, err := logger(c)
	if err != nil {
		return err
	}
	a, err := agent.New(agent.Config{Client: node, Key: key.Ed25519(), Cluster: p.Cluster, Era: p.Era, Policy: policy, Logger: log})
	if err != nil {
		return err
	}
	tell(c, "Attesting in %s as %s until stopped.\n", strings.Join(policy.Markets(), ", "), key)
	return a.Run(c.Context)
}
