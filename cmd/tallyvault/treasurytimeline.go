package main

import (
	"bytes"
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/board"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

const (
	formatText = "text"
	formatHTML = "html"
)

func treasuryTimelineCommand() *cli.Command {
	return &cli.Command{
		Name: "timeline", Usage: "tell the whole story of a disbursement, receipt for receipt", ArgsUsage: "ID",
		Description: `As text, as the API's JSON, or as one HTML page for a board, which needs no network and
no other file. Its links lead to the proofs at a node.

   tallyvault treasury timeline ID --key auditor.key --genesis genesis.json
   tallyvault treasury timeline ID --format html --out payment.html --key auditor.key --genesis genesis.json`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "format", Value: formatText, Usage: "`FORMAT`: text, json or html"},
			outFlag("it"), keyFlag("whoever reads, unless reads are public"), jsonFlag(),
		}, clusterFlags()...),
		Action: treasuryTimeline,
	}
}

func treasuryTimeline(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	if _, err := idArgument(c); err != nil {
		return err
	}
	format := c.String("format")
	if c.Bool("json") {
		if c.IsSet("format") && format != formatJSON {
			return usage("--json and --format %s exclude each other", format)
		}
		format = formatJSON
	}
	draw, known := map[string]func(context.Context, *cli.Context, *client.Client) ([]byte, error){
		formatText: timelineText, formatJSON: timelineJSON, formatHTML: timelinePage,
	}[format]
	if !known {
		return usage("--format %q: want text, json or html", format)
	}
	ctx, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	text, err := draw(ctx, c, node)
	if err != nil {
		return err
	}
	return deliver(c, text)
}

const timelinePath = "/v1/treasury/timeline"

func timelineQuery(c *cli.Context) url.Values {
	return url.Values{"disbursement": {c.Args().First()}}
}

func timelineJSON(ctx context.Context, c *cli.Context, node *client.Client) ([]byte, error) {
	return node.GetBytes(ctx, timelinePath, timelineQuery(c))
}

func timelineText(ctx context.Context, c *cli.Context, node *client.Client) ([]byte, error) {
	var t api.Timeline
	if err := node.Get(ctx, timelinePath, timelineQuery(c), &t); err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, e := range t.Events {
		said, err := words.Reader{}.Leaf(e.Body)
		if err != nil {
			return nil, err
		}
		b.WriteString(said + "  proof: " + e.Proof + "\n")
	}
	return []byte(b.String()), nil
}

// timelinePage asks for all that the page for a board shows.
func timelinePage(ctx context.Context, c *cli.Context, node *client.Client) ([]byte, error) {
	s := board.Story{Made: time.Now()}
	g, err := optionalGenesis(c)
	if err != nil {
		return nil, err
	}
	if g != nil {
		s.Cluster, s.Node = g.Name, g.Nodes[0].APIAddress
	}
	if urls := c.StringSlice("api"); len(urls) > 0 {
		s.Node = strings.TrimRight(urls[0], "/")
	}
	status, err := node.Status(ctx)
	if err != nil {
		return nil, err
	}
	s.ID = status.Cluster
	// The disbursement first: the story then knows at least what it rests on.
	if err := node.Get(ctx, disbursementPath(c.Args().First()), nil, &s.Disbursement); err != nil {
		return nil, err
	}
	if err := node.Get(ctx, timelinePath, timelineQuery(c), &s.Timeline); err != nil {
		return nil, err
	}
	s.Status = statusSentence(s.Disbursement.Disbursement) + datesAhead(s.Disbursement)
	chain, err := chainAhead(ctx, node, s.Disbursement.Disbursement)
	if err != nil {
		return nil, err
	}
	for _, line := range chain {
		s.Chain = append(s.Chain, strings.TrimPrefix(strings.TrimSpace(line), "waits for "))
	}
	var page bytes.Buffer
	err = board.Write(&page, s)
	return page.Bytes(), err
}
