package words

import (
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
)

// Leaf says what a journal leaf states: a receipt, or a command or entry header
// that somebody proved.
func (r Reader) Leaf(leaf []byte) (string, error) {
	switch {
	case len(leaf) == 0:
		return "", fmt.Errorf("the leaf is empty")
	case leaf[0] == fsm.LeafHeader:
		return "the header of a log entry: its number, its time, who stated clocks\n", nil
	case leaf[0] == fsm.LeafUndecodable:
		return "the trace of a log entry that could not be decoded\n", nil
	case leaf[0] == fsm.LeafCommand:
		c, err := fsm.ParseFrame(leaf[1:])
		if err != nil {
			return "", fmt.Errorf("the leaf should be a command: %w", err)
		}
		text, err := r.Command(c.Envelope())
		return "the signed command " + text, err
	}
	kind, body, err := fsm.ParseReceipt(leaf)
	if err != nil {
		return "", fmt.Errorf("the leaf should be a receipt: %w", err)
	}
	said, head := states(body)
	return fmt.Sprintf("%s receipt, from log entry %d at height %d, %s\n  %s\n",
		kind, head.Entry, head.Height, Time(head.At), strings.Join(said, "\n  ")), nil
}

// states is the one switch over receipts.
func states(body any) ([]string, fsm.ReceiptHead) {
	switch b := body.(type) {
	case *fsm.SettlementReceipt:
		return settlement(b), b.ReceiptHead
	case *fsm.ReleaseReceipt:
		return release(b), b.ReceiptHead
	case *fsm.ReadingReceipt:
		return reading(b), b.ReceiptHead
	case *fsm.ThresholdReceipt:
		var about []string
		for _, f := range b.Facts {
			about = append(about, f.Name+" "+name(f.Value))
		}
		return []string{
			fmt.Sprintf("%s was executed: %s.", b.Command, strings.Join(about, ", ")),
			fmt.Sprintf("Signed by %s. Identity %s.", strings.Join(names(b.Signers), ", "), b.Identity),
		}, b.ReceiptHead
	case *fsm.EvidenceReceipt:
		return []string{
			fmt.Sprintf("Oracle %s said two different things about reading %d of market %s: %+q, then %+q.", b.Oracle, b.Number, b.Market, b.First, b.Second),
		}, b.ReceiptHead
	case *fsm.CutReceipt:
		return cut(b), b.ReceiptHead
	case *fsm.PolicyReceipt:
		return policyChange(b), b.ReceiptHead
	case *fsm.DisbursementReceipt:
		return disbursementStep(b), b.ReceiptHead
	case *fsm.WithdrawalReceipt:
		return withdrawalStep(b), b.ReceiptHead
	case *fsm.PauseReceipt:
		return []string{fmt.Sprintf("%s stopped all outflows of scope %s: %s.", b.By, b.Scope, name(b.Reason))}, b.ReceiptHead
	}
	panic(fmt.Sprintf("words: no words for receipt %T", body))
}

func settlement(b *fsm.SettlementReceipt) []string {
	where := "waits for the payer's money"
	switch b.Status {
	case fsm.StatusHeld:
		where = fmt.Sprintf("held until height %s", grouped(b.ReleaseHeight))
	case fsm.StatusRehearsal:
		where = "a rehearsal: no money moves"
	}
	return []string{
		fmt.Sprintf("Settlement %d of market %s: payer %s owes for %s units of meter %s of provider %s.",
			b.Settlement, b.Market, b.Payer, Register(b.Delta, b.Decimals), b.Meter, b.Provider),
		fmt.Sprintf("Register %s on %s to %s on %s.", Register(b.FromRegister, b.Decimals), Time(b.FromMeasuredAt),
			Register(b.ToRegister, b.Decimals), Time(b.ToMeasuredAt)),
		fmt.Sprintf("Gross %s minor units of %s at %s a unit; fee %s (%s), net %s: %s.", Grouped(b.Gross.String()), b.Asset,
			grouped(b.UnitPrice), Grouped(b.Fee.String()), Percent(uint64(b.FeeBps)*100), Grouped(b.Net.String()), where),
		fmt.Sprintf("Cites %s, number %d to %d, by the root %s.", Plural(b.Readings.Count, "reading"), b.Readings.From, b.Readings.To, b.Readings.Root),
	}
}

func release(b *fsm.ReleaseReceipt) []string {
	if b.Rehearsal {
		return []string{fmt.Sprintf("Settlement %d of market %s, a rehearsal, is closed; no money moved.", b.Settlement, b.Market)}
	}
	return []string{fmt.Sprintf("Settlement %d of market %s is past its dispute window: %s minor units of %s are available to provider %s, %s went to the treasury as fee.",
		b.Settlement, b.Market, Grouped(b.Net.String()), b.Asset, b.Provider, Grouped(b.Fee.String()))}
}

func reading(b *fsm.ReadingReceipt) []string {
	ended := map[string]string{
		"baseline":      "became the meter's first base; it credits nothing",
		"rejected":      "was rejected",
		"quorum_failed": "expired without quorum",
		"superseded":    "was superseded by another reading",
	}[b.Status]
	if ended == "" {
		ended = "closed as " + name(b.Status)
	}
	if b.Reason != "" {
		ended += " (" + b.Reason + ")"
	}
	if b.Required > 0 {
		ended += fmt.Sprintf(": weight %s of the required %s", grouped(b.Actual), grouped(b.Required))
	}
	return []string{
		fmt.Sprintf("Reading %d of market %s %s.", b.Number, b.Market, ended),
		fmt.Sprintf("Meter %s at %s register units on %s. Identity %s.", b.Meter, grouped(b.Register), Time(b.MeasuredAt), b.Identity),
	}
}

func cut(b *fsm.CutReceipt) []string {
	lines := []string{
		fmt.Sprintf("Cut %d: the journal had %s leaves and root %s.", b.Cut, grouped(b.Size), b.Root),
		fmt.Sprintf("Chain over all outcomes: %x.", b.OutcomeChain),
	}
	if b.Digest != nil {
		lines = append(lines, fmt.Sprintf("Digest of the whole state at cut %d: %x.", b.Digest.Cut, b.Digest.Value))
	}
	return lines
}
