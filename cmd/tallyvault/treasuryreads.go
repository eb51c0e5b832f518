package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
	"github.com/tallyvault/tallyvault/treasury"
)

func treasuryReads() []*cli.Command {
	return []*cli.Command{
		treasuryRead("status", "say what a disbursement waits for, who can act, and the dates ahead", "ID", disbursementStatus),
		treasuryRead("show", "print a disbursement as the API has it", "ID", func(ctx context.Context, c *cli.Context, node *client.Client) error {
			return showAnswer(ctx, c, node, "/v1/treasury/disbursements/"+c.Args().First(), nil)
		}),
		treasuryTimelineCommand(), treasuryExportCommand(),
		treasuryRead("balance", "print the treasury's money", "", treasuryBalance),
		treasuryRead("summary", "print counts, balance and the executor's health", "", func(ctx context.Context, c *cli.Context, node *client.Client) error {
			return showAnswer(ctx, c, node, "/v1/treasury/summary", nil)
		}),
		treasuryRead("rules", "print the rules and houses as they are now", "", func(ctx context.Context, c *cli.Context, node *client.Client) error {
			return showAnswer(ctx, c, node, "/v1/treasury/rules", nil)
		}),
		listing("list", "disbursements, the newest proposal first", "tallyvault treasury list --status voting,queued",
			listFilters(),
			listDisbursements, []string{"DISBURSEMENT", "STATUS", "AMOUNT", "TO", "TITLE", "WAITS FOR"},
			func(d api.Disbursement) []string {
				waits := "-"
				if d.Waits != nil {
					waits = d.Waits.For
				}
				return []string{d.ID, d.Status, words.Grouped(d.Amount), d.Destination, fmt.Sprintf("%+q", d.Title), waits}
			}),
		listing("withdrawals", "withdrawals", "tallyvault treasury withdrawals", nil, listWithdrawals,
			[]string{"WITHDRAWAL", "STATE", "AMOUNT", "FROM", "TO", "REFERENCE"},
			func(w api.Withdrawal) []string {
				return []string{w.ID, w.State, words.Grouped(w.Amount), w.Account, fmt.Sprintf("%+q", w.Payee), fmt.Sprintf("%+q", w.Reference)}
			}),
	}
}

func treasuryRead(name, what, args string, read func(ctx context.Context, c *cli.Context, node *client.Client) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: what, ArgsUsage: args,
		Description: strings.TrimRight("   tallyvault treasury "+name+" "+args, " ") + " --key auditor.key --genesis genesis.json",
		Flags:       append([]cli.Flag{keyFlag("whoever reads, unless reads are public"), jsonFlag()}, clusterFlags()...),
		Action: func(c *cli.Context) error {
			n := len(strings.Fields(args))
			if err := arguments(c, n, n); err != nil {
				return err
			}
			if n > 0 {
				if _, err := idArgument(c); err != nil {
					return err
				}
			}
			ctx, node, done, err := reach(c)
			if err != nil {
				return err
			}
			defer done()
			return read(ctx, c, node)
		},
	}
}

// showAnswer prints what a node answers as it came, indented.
func showAnswer(ctx context.Context, c *cli.Context, node *client.Client, path string, query url.Values) error {
	var raw json.RawMessage
	if err := node.Get(ctx, path, query, &raw); err != nil {
		return err
	}
	return printJSON(c, raw)
}

// listFilters are the filters of the list, by the names of the API.
func listFilters() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "status", Usage: "`STATUS`, or several divided by commas"},
		&cli.StringFlag{Name: "destination", Usage: "`ACCOUNT` that is paid"},
		&cli.StringFlag{Name: "min-amount", Usage: "`AMOUNT` or more, in minor units"},
		&cli.StringFlag{Name: "max-amount", Usage: "`AMOUNT` or less, in minor units"},
		&cli.StringFlag{Name: "from-epoch", Usage: "executed in this `EPOCH` or later"},
		&cli.StringFlag{Name: "to-epoch", Usage: "executed in this `EPOCH` or earlier"},
		&cli.StringFlag{Name: "since", Usage: "proposed at this `TIME` or later, such as 2025-10-09T12:15:00Z"},
		&cli.StringFlag{Name: "until", Usage: "proposed before this `TIME`"},
	}
}

func listDisbursements(ctx context.Context, c *cli.Context, node *client.Client) ([]api.Disbursement, error) {
	list := []api.Disbursement{}
	query := url.Values{"limit": {"200"}}
	for _, f := range listFilters() {
		if name := f.Names()[0]; c.IsSet(name) {
			query.Set(strings.ReplaceAll(name, "-", "_"), c.String(name))
		}
	}
	for _, name := range []string{"since", "until"} {
		if !query.Has(name) {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, query.Get(name))
		if err != nil {
			return nil, usage("--%s %q: want a time with its zone, such as 2025-10-09T12:15:00Z", name, query.Get(name))
		}
		query.Set(name, strconv.FormatInt(at.UnixMilli(), 10))
	}
	for {
		var page api.Disbursements
		if err := node.Get(ctx, "/v1/treasury/disbursements", query, &page); err != nil {
			return nil, err
		}
		list = append(list, page.Disbursements...)
		if page.Next == "" {
			return list, nil
		}
		query.Set("before", page.Next)
	}
}

func listWithdrawals(ctx context.Context, _ *cli.Context, node *client.Client) ([]api.Withdrawal, error) {
	return pages(ctx, node, "/v1/treasury/withdrawals", url.Values{}, func(p *api.Withdrawals) ([]api.Withdrawal, string) { return p.Withdrawals, p.Next })
}

// disbursementStatus says in its first line what is waited for and who can act.
func disbursementStatus(ctx context.Context, c *cli.Context, node *client.Client) error {
	var d api.OneDisbursement
	if err := node.Get(ctx, disbursementPath(c.Args().First()), nil, &d); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, d)
	}
	lines := []string{statusSentence(d.Disbursement) + datesAhead(d)}
	lines = append(lines, fmt.Sprintf("  %s minor units of %s to %s: %+q, proposed by %s", words.Grouped(d.Amount), d.Asset, d.Destination, d.Title, d.Proposer))
	for _, t := range d.Tallies {
		lines = append(lines, fmt.Sprintf("  house %s: %d for, %d against, of %d; %d are needed", t.House, uint64(t.Approve), uint64(t.Reject), uint64(t.Weight), uint64(t.Required)))
	}
	if f := d.Failure; f != nil {
		lines = append(lines, fmt.Sprintf("  %s (%s), %s since %s, last %s; %s must act: %s", f.Code, f.Detail,
			words.Plural(uint64(f.Attempts), "attempt"), words.Time(f.First), words.Time(f.Last), f.Who, f.Recovery))
	}
	chain, err := chainAhead(ctx, node, d.Disbursement)
	if err != nil {
		return err
	}
	return printf(c, "%s\n", strings.Join(append(lines, chain...), "\n"))
}

// endings say how a disbursement came to its end.
var endings = map[string]string{
	treasury.EndProposer:  "its proposer cancelled it",
	treasury.EndVeto:      "an admin ended it with a veto",
	treasury.EndFloor:     "a house did not reach its floor in the vote",
	treasury.EndUnopened:  "nobody opened its vote within grace",
	treasury.EndGrace:     "it could not be executed within grace",
	treasury.EndError:     "an error ended it",
	treasury.EndWindow:    "it was paid, and the window in which it could be rolled back is over",
	treasury.EndCommittee: "the committee rolled it back and the money returned",
}

func statusSentence(d api.Disbursement) string {
	if d.Waits == nil {
		return fmt.Sprintf("%s: %s. Nothing can change it any more.", d.Status, endings[d.Ending])
	}
	said := fmt.Sprintf("%s: %s Who can act: %s", d.Status, d.Waits.Sentence, d.Waits.Who)
	if u := d.Waits.Until; u != nil && u.At > 0 {
		said += fmt.Sprintf("; time goes on with it at %s at the earliest", words.Time(u.At))
	}
	return said + "."
}

// datesAhead are the earliest dates along the chain of dependencies.
func datesAhead(d api.OneDisbursement) string {
	switch at := d.Earliest; {
	case at == nil || at.Finalized.At == 0:
		return ""
	case d.Executed != nil:
		return fmt.Sprintf(" Final at %s at the earliest.", words.Time(at.Finalized.At))
	default:
		return fmt.Sprintf(" Paid at %s and final at %s at the earliest, behind all that it depends on.", words.Time(at.Executed.At), words.Time(at.Finalized.At))
	}
}

// maxChain bounds how many dependencies a status looks at.
const maxChain = 100

// chainAhead tells the earliest dates of what is waited for, directly and indirectly.
func chainAhead(ctx context.Context, node *client.Client, d api.Disbursement) (lines []string, err error) {
	if d.Waits == nil {
		return nil, nil
	}
	seen := map[string]bool{}
	for todo := d.Waits.On; len(todo) > 0 && len(seen) < maxChain; todo = todo[1:] {
		id := todo[0]
		if seen[id] {
			continue
		}
		seen[id] = true
		var dep api.OneDisbursement
		if err := node.Get(ctx, disbursementPath(id), nil, &dep); client.IsCode(err, string(fsm.NotFound)) {
			lines = append(lines, "  waits for "+id+", which nobody has proposed")
			continue
		} else if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("  waits for %s, %+q, %s", id, dep.Title, statusSentence(dep.Disbursement)))
		if dep.Waits != nil {
			todo = append(todo, dep.Waits.On...)
		}
	}
	return lines, nil
}

func treasuryBalance(ctx context.Context, c *cli.Context, node *client.Client) error {
	var b api.TreasuryBalance
	if err := node.Get(ctx, "/v1/treasury/balance", nil, &b); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, b)
	}
	return printf(c, "%s", words.Columns([][]string{
		{"initial", words.Grouped(b.Initial), ""},
		{"accrued", words.Grouped(b.Accrued), "deposits and fees that ever came in"},
		{"executed", words.Grouped(b.Executed), "ever paid out"},
		{"compensated", words.Grouped(b.Compensated), "ever taken back"},
		{"current", words.Grouped(b.Current), "initial + accrued - executed + compensated"},
		{"reserved", words.Grouped(b.Reserved), "promised"},
		{"free", words.Grouped(b.Free), "current - reserved"},
		{"held", words.Grouped(b.Held), "with destinations, can still be taken back"},
		{"leaving", words.Grouped(b.Leaving), "withdrawals that are not paid out"},
	}))
}

// shownBody is the body that a node shows, and the hash of it, which must be the one
// that the node says.
func shownBody(d api.Disbursement) (b fsm.DisbursementBody, content [32]byte, err error) {
	if b.Amount, err = strict.ParseAmount(d.Amount); err != nil {
		return b, content, err
	}
	b.Title, b.Summary, b.Destination, b.Payee, b.Memo, b.ScheduledEpoch = d.Title, d.Summary, d.Destination, d.Payee, d.Memo, uint64(d.ScheduledEpoch)
	for _, dep := range d.Deps {
		var id [32]byte
		if n, err := hex.Decode(id[:], []byte(dep)); err != nil || n != len(id) {
			return b, content, fmt.Errorf("the node names the dependency %q, which is no id", dep)
		}
		b.Deps = append(b.Deps, id)
	}
	for _, e := range d.ExpectedReceipts {
		amount, err := strict.ParseAmount(e.Amount)
		if err != nil {
			return b, content, err
		}
		b.ExpectedReceipts = append(b.ExpectedReceipts, fsm.ExpectedReceipt{Account: e.Account, Amount: amount})
	}
	for _, f := range d.Asked.Quorum {
		b.Quorum = append(b.Quorum, genesis.Floor(f))
	}
	b.VoteWindowEpochs, b.TimelockEpochs, b.RollbackWindowEpochs = uint64(d.Asked.VoteWindowEpochs), uint64(d.Asked.TimelockEpochs), uint64(d.Asked.RollbackWindowEpochs)
	content, refusal := b.Content()
	if refusal != nil {
		return b, content, refusal
	}
	if hex.EncodeToString(content[:]) != d.Content {
		return b, content, fmt.Errorf("the node says that the content is %s, but what it shows has %x: do not vote, and ask another node", d.Content, content)
	}
	return b, content, nil
}
