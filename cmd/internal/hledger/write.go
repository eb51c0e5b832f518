package hledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cluster/audit"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Kinds are the receipts that can move money.
func Kinds() []string {
	return []string{fsm.KindSettlement, fsm.KindRelease, fsm.KindThreshold, fsm.KindDisbursement, fsm.KindWithdrawal}
}

// Writer turns receipts, in the order of their leaves, into a journal.
type Writer struct {
	export api.TreasuryExport
	assets map[string]string // account → asset
	books  *audit.Books
	legs   []leg
	sums   map[string]*sums
	moved  *big.Int // everything posted so far
	whole  *big.Int // everything that the export says was ever posted
	body   bytes.Buffer
}

type leg struct {
	from, to string
	amount   *big.Int
}

// sums are what an account ever gave and got.
type sums struct{ debits, credits big.Int }

// New prepares the journal that leads to an export's balances.
func New(e api.TreasuryExport) (*Writer, error) {
	w := &Writer{export: e, assets: map[string]string{}, books: audit.NewBooks(), sums: map[string]*sums{}, moved: new(big.Int), whole: new(big.Int)}
	w.books.Posted = func(from, to string, amount *big.Int) { w.legs = append(w.legs, leg{from, to, amount}) }
	for _, a := range e.Accounts {
		credits, ok := new(big.Int).SetString(a.Credits, 10)
		if !ok {
			return nil, fmt.Errorf("account %s has credits of %q, which is no number", a.Account, a.Credits)
		}
		w.assets[a.Account] = a.Asset
		w.whole.Add(w.whole, credits)
	}
	return w, nil
}

// Complete reports whether all that the export knows of has been taken.
func (w *Writer) Complete() bool { return w.moved.Cmp(w.whole) >= 0 }

// Take writes the transaction of a receipt, if it moved money. Receipts behind the
// export are left out.
func (w *Writer) Take(leaf uint64, receipt []byte) error {
	if leaf >= uint64(w.export.Leaves) {
		return nil
	}
	kind, body, err := fsm.ParseReceipt(receipt)
	if err != nil {
		return fmt.Errorf("receipt in leaf %d: %w", leaf, err)
	}
	w.legs = w.legs[:0]
	if err := w.books.Take(body); err != nil {
		return fmt.Errorf("receipt in leaf %d: %w", leaf, err)
	}
	if len(w.legs) == 0 {
		return nil
	}
	var head struct {
		At    int64      `json:"at"`
		Entry api.Uint64 `json:"entry"`
	}
	if err := json.Unmarshal(receipt, &head); err != nil {
		return fmt.Errorf("receipt in leaf %d: %w", leaf, err)
	}
	said, err := words.Reader{}.Leaf(receipt)
	if err != nil {
		return err
	}
	fmt.Fprintf(&w.body, "\n%s * (%d) %s\n    ; kind:%s, entry:%d\n", day(head.At), leaf, title(said), kind, uint64(head.Entry))
	for _, l := range w.legs {
		w.moved.Add(w.moved, l.amount)
		w.of(l.from).debits.Add(&w.of(l.from).debits, l.amount)
		w.of(l.to).credits.Add(&w.of(l.to).credits, l.amount)
		unit := commodity(w.assets[l.to])
		fmt.Fprintf(&w.body, "    %s  %v %s\n    %s  -%v %s\n", l.to, l.amount, unit, l.from, l.amount, unit)
	}
	return nil
}

func (w *Writer) of(account string) *sums {
	if w.sums[account] == nil {
		w.sums[account] = new(sums)
	}
	return w.sums[account]
}

// agrees compares what was taken with what the export says of each account.
func (w *Writer) agrees() error {
	for _, a := range w.export.Accounts {
		have := w.of(a.Account)
		if have.debits.String() != a.Debits || have.credits.String() != a.Credits {
			return fmt.Errorf("the receipts of account %s come to %v out and %v in, the export says %s and %s: run tallyvault audit", a.Account, &have.debits, &have.credits, a.Debits, a.Credits)
		}
	}
	if len(w.sums) != len(w.export.Accounts) {
		return fmt.Errorf("the receipts name %d accounts, the export has %d: run tallyvault audit", len(w.sums), len(w.export.Accounts))
	}
	return nil
}

// Finish writes the whole journal. It fails where the receipts and the export differ.
func (w *Writer) Finish(out io.Writer) error {
	if err := w.agrees(); err != nil {
		return err
	}
	var head bytes.Buffer
	e := w.export
	fmt.Fprintf(&head, "; The ledger of cluster %s after log entry %d, height %d, %s.\n", e.Cluster, uint64(e.Index), uint64(e.Height), words.Time(e.Now))
	head.WriteString("; Amounts are minor units; the code of a transaction is the journal leaf of its receipt.\n\n")
	seen := map[string]bool{}
	for _, a := range e.Accounts {
		if !seen[a.Asset] {
			seen[a.Asset] = true
			fmt.Fprintf(&head, "commodity 1000. %s\n", commodity(a.Asset))
		}
	}
	for _, a := range e.Accounts {
		fmt.Fprintf(&head, "account %s\n", a.Account)
	}
	if len(e.Accounts) > 0 {
		fmt.Fprintf(&w.body, "\n%s * Balances as the cluster's export states them\n", day(e.Now))
	}
	for _, a := range e.Accounts {
		unit := commodity(a.Asset)
		fmt.Fprintf(&w.body, "    %s  0 %s = %s %s\n", a.Account, unit, a.Balance, unit)
	}
	_, err := out.Write(append(head.Bytes(), w.body.Bytes()...))
	return err
}

func day(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateOnly) }

// commodity quotes the name of an asset that is not of letters alone.
func commodity(asset string) string {
	if strings.Trim(asset, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return `"` + asset + `"`
	}
	return asset
}

// title is the first sentence of a receipt's words, without what hledger reads as the
// beginning of a comment or of a note.
func title(said string) string {
	lines := strings.Split(said, "\n")
	line := strings.TrimSpace(lines[min(1, len(lines)-1)])
	return strings.NewReplacer(";", ",", "|", "/").Replace(line)
}
