package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/tallyvault/tallyvault/cluster/audit"
	"github.com/tallyvault/tallyvault/cmd/internal/remote"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "re-run everything from the genesis and compare every leaf",
		Description: `Runs the state machine again over a journal's commands and demands the same
receipts, roots and balances. It names the first leaf that disagrees. The journal is
the directory of a node that was stopped in order, a copy of one (nothing in it is
changed), or the URL of a running node, whose leaves take --key unless its reads are
public.

   tallyvault audit --genesis genesis.json --journal /var/lib/tallyvault/journal
   tallyvault audit --genesis genesis.json --journal https://a.example:8443 --key auditor.key

A copy needs the file checkpoint of the node's directory beside it, or --checkpoint
names one, best from another node: without one, leaves that were left out at the end or
put in another order are not noticed. --no-checkpoint does without, and says so.

Exit status 0 says that all agrees, 1 that something does not or was not compared.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "journal", Usage: "journal `DIR|URL`"},
			&cli.StringFlag{Name: "checkpoint", Usage: "checkpoint `FILE` that the journal must agree with (default: the one beside the journal)"},
			&cli.BoolFlag{Name: "no-checkpoint", Usage: "be content with a directory's journal that is compared with no checkpoint"},
			keyFlag("whoever reads from a URL"), jsonFlag(),
			&cli.IntFlag{Name: "workers", Usage: "how many cores verify signatures (default: all)"},
		}, clusterFlags()...),
		Action: runAudit,
	}
}

func runAudit(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "genesis", "journal"); err != nil {
		return err
	}
	g, err := readGenesis(c)
	if err != nil {
		return err
	}
	config := audit.Config{Genesis: g, Workers: c.Int("workers")}
	if c.IsSet("checkpoint") {
		if config.Checkpoint, err = readEvidence(c.String("checkpoint")); err != nil {
			return err
		}
	}
	done, err := journalOf(c, &config)
	if err != nil {
		return err
	}
	defer done()
	progress := newProgress(c)
	config.Progress = progress.show
	report, err := audit.Run(c.Context, config)
	progress.end()
	if err != nil {
		return err
	}
	// Leaves that no signature binds are nobody's in particular.
	unbound := report.Checkpoint.Size == 0 && !c.Bool("no-checkpoint")
	if c.Bool("json") {
		err = printJSON(c, summaryOf(report, unbound))
	} else {
		err = printf(c, "%s", auditWords(report, unbound))
	}
	if err == nil && (!report.Clean() || unbound) {
		if unfinished(config, report) {
			tell(c, "The directory holds less than its node has published. If the node runs or was killed, that is no\ndamage: start it, and audit it by its URL, or again after it was stopped in order.\n")
		}
		return told(exitRefused)
	}
	return err
}

// unfinished says that a directory's journal ends before the checkpoint beside
// it: what a node has written since its last sync is in Raft's log only.
func unfinished(config audit.Config, r audit.Report) bool {
	m := r.FirstMismatch
	return config.Dir != "" && m != nil && m.Recorded == nil && m.Leaf == r.Leaves && r.Leaves < r.Checkpoint.Size
}

// journalOf says where the leaves come from. The caller must call done.
func journalOf(c *cli.Context, config *audit.Config) (done func(), err error) {
	where := c.String("journal")
	if !strings.HasPrefix(where, "https://") {
		// A node's directory may be named for the journal in it.
		if inner := filepath.Join(where, "journal"); isDir(inner) {
			where = inner
		}
		if !isDir(where) {
			return nil, fmt.Errorf("%s is neither the directory of a journal nor an https URL", where)
		}
		config.Dir = where
		return func() {}, nil
	}
	_, node, done, err := reachURLs(c, []string{where})
	if err != nil {
		return nil, err
	}
	source, err := remote.Open(func(path string) ([]byte, error) {
		ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
		defer cancel()
		return node.GetBytes(ctx, path, nil)
	})
	if err != nil {
		done()
		return nil, err
	}
	config.Source = source
	if config.Checkpoint == nil {
		config.Checkpoint = source.Checkpoint()
	}
	return done, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// progress draws a bar on a terminal and is silent elsewhere.
type progress struct{ bar *progressbar.ProgressBar }

func newProgress(c *cli.Context) *progress {
	if c.App.ErrWriter != os.Stderr || !term.IsTerminal(int(os.Stderr.Fd())) {
		return &progress{}
	}
	return &progress{progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("leaves"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionClearOnFinish())}
}

func (p *progress) show(done, total uint64) {
	if p.bar != nil {
		p.bar.ChangeMax64(int64(total))
		_ = p.bar.Set64(int64(done)) // a bar that cannot be drawn is no reason to stop
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// auditSummary is the report for programs.
type auditSummary struct {
	Clean      bool              `json:"clean"`
	Leaves     uint64            `json:"leaves"`
	Entries    uint64            `json:"entries"`
	Commands   uint64            `json:"commands"`
	Receipts   uint64            `json:"receipts"`
	Cuts       uint64            `json:"cuts"`
	Root       string            `json:"root"`
	Digest     string            `json:"digest"`
	Height     uint64            `json:"height"`
	Conserved  bool              `json:"conserved"`
	Checkpoint uint64            `json:"checkpoint"`
	CosignedBy []string          `json:"cosigned_by"`
	Alarms     []string          `json:"alarms"`
	Balances   map[string]string `json:"balances"`
	Books      booksSummary      `json:"books"`
	Mismatch   *auditMismatch    `json:"mismatch,omitempty"`
}

// booksSummary is what the books kept from receipts are made of.
type booksSummary struct {
	Settlements   uint64 `json:"settlements"`
	Releases      uint64 `json:"releases"`
	Deposits      uint64 `json:"deposits"`
	Disbursements uint64 `json:"disbursements"`
	Withdrawals   uint64 `json:"withdrawals"`
}

type auditMismatch struct {
	Leaf uint64 `json:"leaf"`
	What string `json:"what"`
}

func summaryOf(r audit.Report, unbound bool) auditSummary {
	s := auditSummary{
		Clean: r.Clean() && !unbound, Leaves: r.Leaves, Entries: r.Entries, Commands: r.Commands, Receipts: r.Receipts, Cuts: r.Cuts,
		Root: r.Root.String(), Digest: hex.EncodeToString(r.Digest[:]), Height: r.Height, Conserved: r.Conserved,
		Checkpoint: r.Checkpoint.Size, CosignedBy: append([]string{}, r.Cosigners...), Alarms: append([]string{}, r.Alarms...),
		Balances: map[string]string{},
		Books: booksSummary{
			r.Books.Settlements, r.Books.Releases, r.Books.Deposits, r.Books.Disbursements, r.Books.Withdrawals,
		},
	}
	for _, b := range r.Balances {
		s.Balances[string(b.Account)] = balance(b)
	}
	if m := r.FirstMismatch; m != nil {
		s.Mismatch = &auditMismatch{Leaf: m.Leaf, What: m.What}
	}
	return s
}

func balance(b audit.Balance) string {
	if b.Negative {
		return "-" + b.Amount.String()
	}
	return b.Amount.String()
}

func auditWords(r audit.Report, unbound bool) string {
	var b strings.Builder
	if m := r.FirstMismatch; m != nil {
		fmt.Fprintf(&b, "NOT CLEAN: %s\n", m)
		fmt.Fprintf(&b, "Up to there %d leaves agree.\n", r.Leaves)
		return b.String()
	}
	switch {
	case !r.Conserved:
		b.WriteString("NOT CLEAN: debits and credits differ\n")
	case unbound:
		b.WriteString("NOT SHOWN: every leaf is what re-running from the genesis gives, but there is no checkpoint to compare with:\n" +
			"leaves may have been left out or put in another order. Give --checkpoint FILE, best from another node\n" +
			"(its API serves /checkpoint), or put the node's file checkpoint beside the journal.\n")
	default:
		b.WriteString("clean: every leaf is what re-running from the genesis gives\n")
	}
	fmt.Fprintf(&b, "%d leaves of %d entries: %d commands, %d receipts, %d cuts, up to height %d\n",
		r.Leaves, r.Entries, r.Commands, r.Receipts, r.Cuts, r.Height)
	if r.Checkpoint.Size > 0 {
		fmt.Fprintf(&b, "agrees with the checkpoint of %d leaves, cosigned by %s\n", r.Checkpoint.Size, strings.Join(r.Cosigners, ", "))
		if behind := r.Leaves - r.Checkpoint.Size; behind > 0 {
			fmt.Fprintf(&b, "the last %d leaves are behind it: no cosignature covers them yet\n", behind)
		}
	} else {
		b.WriteString("no checkpoint was compared: that this is the committee's journal is not shown\n")
	}
	fmt.Fprintf(&b, "books kept from receipts alone agree: %d settlements held, %d released, %d deposits, %d disbursements, %d withdrawals\n",
		r.Books.Settlements, r.Books.Releases, r.Books.Deposits, r.Books.Disbursements, r.Books.Withdrawals)
	fmt.Fprintf(&b, "state digest %x\n", r.Digest)
	rows := [][]string{{"account", "asset", "balance"}}
	for _, a := range r.Balances {
		rows = append(rows, []string{string(a.Account), a.Asset, words.Grouped(balance(a))})
	}
	b.WriteString(words.Columns(rows))
	for _, alarm := range r.Alarms {
		fmt.Fprintf(&b, "ALARM in the replicated state: %s\n", alarm)
	}
	return b.String()
}
