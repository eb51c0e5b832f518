package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/hledger"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func treasuryExportCommand() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write everything about the treasury, as JSON or as a journal of hledger",
		Description: `As JSON it is what /v1/treasury/export answers, byte for byte: the same from every node
at the same index. /v1/schemas/TreasuryExport documents each field.

As a journal for hledger, every receipt that moved money is a transaction, and a last
one asserts all balances of the same export, so that hledger check compares them. All
receipts are read again, and the command fails where they do not lead to the balances.

   tallyvault treasury export --json --out treasury.json --key auditor.key --genesis genesis.json
   tallyvault treasury export --format hledger --out treasury.journal --key auditor.key --genesis genesis.json`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "format", Value: formatJSON, Usage: "`FORMAT`: json or hledger"},
			outFlag("it"), keyFlag("whoever reads, unless reads are public"), jsonFlag(),
		}, clusterFlags()...),
		Action: treasuryExport,
	}
}

// The formats of exports and timelines.
const (
	formatJSON    = "json"
	formatHledger = "hledger"
)

func treasuryExport(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	format := c.String("format")
	if c.Bool("json") {
		if c.IsSet("format") && format != formatJSON {
			return usage("--json and --format %s exclude each other", format)
		}
		format = formatJSON
	}
	if format != formatJSON && format != formatHledger {
		return usage("--format %q: want json or hledger", format)
	}
	ctx, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	export, err := node.Open(ctx, "/v1/treasury/export", nil)
	if err != nil {
		return err
	}
	defer export.Close()
	if format == formatJSON {
		return deliverFrom(c, export)
	}
	journal, err := hledgerJournal(ctx, node, export)
	if err != nil {
		return err
	}
	return deliver(c, journal)
}

// hledgerJournal reads all receipts that an export rests on.
func hledgerJournal(ctx context.Context, node *client.Client, export io.Reader) ([]byte, error) {
	e, err := hledger.Read(export)
	if err != nil {
		return nil, fmt.Errorf("reading the export: %w", err)
	}
	w, err := hledger.New(e)
	if err != nil {
		return nil, err
	}
	// Checkpoints are asked for as well: they end the wait for receipts that are missing.
	filter := client.EventFilter{Kinds: slices.Concat(hledger.Kinds(), []string{api.EventCheckpoint})}
	if !w.Complete() {
		for event, err := range node.Follow(ctx, filter, 0) {
			if err != nil {
				return nil, fmt.Errorf("reading the receipts: %w", err)
			}
			if event.Kind != api.EventCheckpoint {
				if err := w.Take(uint64(event.Leaf), event.Receipt); err != nil {
					return nil, err
				}
			}
			if w.Complete() || event.Leaf >= e.Leaves {
				break
			}
		}
	}
	var out bytes.Buffer
	if err := w.Finish(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
