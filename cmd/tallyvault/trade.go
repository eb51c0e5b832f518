package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
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

// tradeCommand is the noun that a market's id makes.
func tradeCommand(market string) *cli.Command {
	return &cli.Command{
		Name:        market,
		Usage:       "trade in market " + market,
		Hidden:      true,
		Subcommands: []*cli.Command{submitReadingCommand(market), importCommand(market)},
	}
}

func submitReadingCommand(market string) *cli.Command {
	return &cli.Command{
		Name:  "submit-reading",
		Usage: "sign and send what a meter's register says",
		Description: fmt.Sprintf(`Asks a node for the next nonce of the meter's lane, signs the reading and sends
it. If the outcome stays unknown (exit status 3), the signed command is kept in a
file: submit that file again rather than reading anew. With --out it is kept in
any case, before it is sent.

--register is in the market's unit, as the meter shows it; --register-units is
the plain count of 10^-decimals of it, as the payload has it.

   tallyvault %s submit-reading --meter m-1 --register 1500.25 \
      --key pv-1.key --genesis genesis.json --wait-final`, market),
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "market", Value: market, Hidden: true, Usage: "`ID` of the market", EnvVars: env("READING_MARKET")},
			&cli.StringFlag{Name: "meter", Usage: "`ID` of the meter"},
			&cli.StringFlag{Name: "register", Usage: "the register in the market's unit, such as 1500.25"},
			&cli.Uint64Flag{Name: "register-units", Usage: "the register as a plain count, instead"},
			&cli.StringFlag{Name: "measured-at", Usage: "when, such as 2025-10-09T12:15:00Z (default: now)"},
			&cli.StringFlag{Name: "clock-sync", Value: "ntp", Usage: "what the meter says of its clock"},
			&cli.StringFlag{Name: "meter-status", Value: "ok", Usage: "what the meter says of itself"},
			&cli.StringFlag{Name: "supersedes", Usage: "`IDENTITY` of the pending reading whose place it takes"},
			&cli.StringFlag{Name: "lane", Usage: "lane of the nonce (default: the meter's own)"},
			keyFlag("the provider"), validForFlag(), jsonFlag(), waitFinalFlag(), outFlag("the signed command, before it is sent,"),
			&cli.BoolFlag{Name: "wait-closed", Usage: "wait until the reading is settled, rejected or expired"},
		}, clusterFlags()...),
		Action: submitReading,
	}
}

func submitReading(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "meter", "key", "genesis"); err != nil {
		return err
	}
	if c.IsSet("register") == c.IsSet("register-units") {
		return usage("give --register or --register-units, one of them")
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
	e, err := signReading(ctx, c, node, key)
	if err != nil {
		return err
	}
	if c.IsSet("out") {
		if err := createFile(c.String("out"), append(e.JSON(), '\n')); err != nil {
			return err
		}
	}
	outcome, status, err := send(ctx, c, node, e)
	if status == exitUnknown && !c.IsSet("out") {
		keepUnknown(c, e)
	}
	if err != nil {
		return err
	}
	if status != exitDone {
		return status
	}
	if !c.Bool("wait-final") && !c.Bool("wait-closed") {
		return nil
	}
	return followReading(ctx, c, node, outcome.Result["number"])
}

// signReading fills in and signs a reading.
func signReading(ctx context.Context, c *cli.Context, node *client.Client, key keyfile.Key) (envelope.Envelope, error) {
	b := fsm.SubmitReading{
		Market: c.String("market"), Meter: c.String("meter"), MeasuredAt: time.Now().UnixMilli(),
		Quality: fsm.Quality{ClockSync: c.String("clock-sync"), MeterStatus: c.String("meter-status")},
	}
	if c.IsSet("measured-at") {
		at, err := time.Parse(time.RFC3339Nano, c.String("measured-at"))
		if err != nil {
			return envelope.Envelope{}, usage("--measured-at %q: want a time with its zone, such as 2025-10-09T12:15:00Z", c.String("measured-at"))
		}
		b.MeasuredAt = at.UnixMilli()
	}
	if c.IsSet("supersedes") {
		id, err := envelope.ParseIdentity(c.String("supersedes"))
		if err != nil {
			return envelope.Envelope{}, usage("--supersedes: %v", err)
		}
		b.Supersedes = (*[32]byte)(&id)
	}
	var err error
	if b.Register, err = register64(ctx, c, node); err != nil {
		return envelope.Envelope{}, err
	}
	lane := c.String("lane")
	if lane == "" {
		lane = "m/" + b.Meter
	}
	signer := envelope.KeyID(key.ID())
	nonce, err := node.NextNonce(ctx, signer, lane)
	if err != nil {
		return envelope.Envelope{}, fmt.Errorf("asking for the next nonce of lane %s: %w", lane, err)
	}
	p, err := place(c)
	if err != nil {
		return envelope.Envelope{}, err
	}
	b.Header = p.Single(lane, nonce, &signer)
	return compose.Sign(compose.Unsigned("submit_reading", b), key.Ed25519())
}

// register64 is the register in the meter's units. A decimal number needs the
// meter's row to know what a unit is.
func register64(ctx context.Context, c *cli.Context, node *client.Client) (uint64, error) {
	if c.IsSet("register-units") {
		return c.Uint64("register-units"), nil
	}
	var list api.Meters
	if err := node.Get(ctx, "/v1/meters", url.Values{"meter": {c.String("meter")}}, &list); err != nil {
		return 0, fmt.Errorf("asking for the decimals of meter %s: %w", c.String("meter"), err)
	}
	if len(list.Meters) != 1 {
		return 0, fmt.Errorf("the node knows %d meters called %s", len(list.Meters), c.String("meter"))
	}
	n, err := words.ParseRegister(c.String("register"), list.Meters[0].Decimals)
	if err != nil {
		return 0, usage("%v", err)
	}
	return n, nil
}

// keepUnknown saves a command whose outcome is not known, so that the very same
// bytes can be sent again.
func keepUnknown(c *cli.Context, e envelope.Envelope) {
	path := fmt.Sprintf("%s-%s.json", commandName(e), e.Identity().String()[:16])
	if err := createFile(path, append(e.JSON(), '\n')); err != nil {
		tell(c, "The signed command could not be kept (%v); it is:\n%s\n", err, e.JSON())
		return
	}
	tell(c, "The signed command is in %s: send it again with tallyvault submit %s.\n", path, path)
}

// betweenLooks is the pause between two looks at a reading.
const betweenLooks = 250 * time.Millisecond

// followReading says what became of a reading; with --wait-closed, in the end.
func followReading(ctx context.Context, c *cli.Context, node *client.Client, number string) error {
	path := "/v1/readings/" + c.String("market") + "/" + number
	for {
		var r api.OneReading
		if err := node.Get(ctx, path, nil, &r); err != nil {
			return fmt.Errorf("asking for reading %s: %w", number, err)
		}
		open := r.Status == "pending" || r.Status == "accepted"
		if !open || !c.Bool("wait-closed") {
			return sayReading(c, r, open)
		}
		select {
		case <-ctx.Done():
			if err := sayReading(c, r, true); err != nil {
				return err
			}
			return told(exitUnknown)
		case <-time.After(betweenLooks):
		}
	}
}

func sayReading(c *cli.Context, r api.OneReading, open bool) error {
	var err error
	if c.Bool("json") {
		err = printJSON(c, r)
	} else {
		text := fmt.Sprintf("reading %d of market %s: %s", r.Number, r.Market, r.Status)
		if r.Reason != "" {
			text += " (" + r.Reason + ")"
		}
		if open && r.Tally != nil {
			text += fmt.Sprintf("; weight %d of the required %d accepts it", r.Tally.Accept, r.Tally.Required)
		}
		if r.Receipt != nil {
			text += "; receipt at leaf " + strconv.FormatUint(uint64(r.Receipt.Leaf), 10)
		}
		err = printf(c, "%s\n", text)
	}
	if err == nil && (r.Status == "rejected" || r.Status == "quorum_failed") {
		return told(exitRefused)
	}
	return err
}
