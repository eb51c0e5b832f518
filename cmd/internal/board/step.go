package board

import (
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// actions say the steps of disbursements and withdrawals for people. One that is not
// here is shown by its own name.
var actions = map[string]string{
	"propose": "Proposed, as a draft", "amend": "The draft was replaced", "open": "The vote was opened; houses and terms are frozen",
	"vote": "A vote was cast", "count": "The votes were counted", "reserve": "The money was reserved", "timelock": "The timelock began",
	"confirm": "The execution was confirmed", "execute": "Executed: the money is held for the recipient", "finalize": "Final: the rollback window is over",
	"rollback": "Taken back by the committee", "cancel": "Cancelled", "veto": "Vetoed", "expire": "Expired", "extend": "More time to wait for what it depends on",
	"fail":     "Tried, and not possible yet",
	"withdraw": "The payment outside was asked for", "recall": "The payment outside was taken back", "payout": "The payment outside is on its way",
	"paid": "The payment outside arrived", "failed": "The payment outside failed", "unknown": "Nobody knows how the payment outside ended",
}

// stepOf words a receipt.
func stepOf(e api.TreasuryEvent, node string) (step, error) {
	_, body, err := fsm.ParseReceipt(e.Body)
	if err != nil {
		return step{}, fmt.Errorf("receipt in leaf %d: %w", uint64(e.Leaf), err)
	}
	s := step{Leaf: uint64(e.Leaf), Final: e.Final, Proof: node + e.Proof, Receipt: string(e.Body)}
	switch r := body.(type) {
	case *fsm.DisbursementReceipt:
		s.Time, s.Title = words.Time(r.At), titled(r.Action, r.By)
		s.Lines = disbursementLines(r)
	case *fsm.WithdrawalReceipt:
		s.Time, s.Title = words.Time(r.At), titled(r.Action, r.By)
		if r.Reference != "" {
			s.Lines = append(s.Lines, "Under the reference "+r.Reference+".")
		}
		s.Lines = append(s.Lines, moved(r.Legs, r.Asset)...)
	default:
		return step{}, fmt.Errorf("the receipt in leaf %d is no step of a payment but of kind %s", uint64(e.Leaf), e.Kind)
	}
	return s, nil
}

func titled(action, by string) string {
	title := actions[action]
	if title == "" {
		title = action
	}
	if by == "" {
		return title
	}
	return title + ", by " + strings.ReplaceAll(by, ",", " and ")
}

func disbursementLines(r *fsm.DisbursementReceipt) []string {
	var lines []string
	if r.From != r.Status {
		lines = append(lines, "It is "+strings.ReplaceAll(r.Status, "_", " ")+".")
	}
	facts := make([]string, 0, len(r.Facts))
	for _, f := range r.Facts {
		facts = append(facts, strings.ReplaceAll(f.Name, "_", " ")+" "+f.Value)
	}
	if len(facts) > 0 {
		lines = append(lines, strings.Join(facts, ", ")+".")
	}
	if r.Error != "" {
		lines = append(lines, "Error: "+r.Error+".")
	}
	return append(lines, moved(r.Legs, r.Asset)...)
}

func moved(legs []fsm.ReceiptLeg, asset string) []string {
	lines := make([]string, 0, len(legs))
	for _, l := range legs {
		lines = append(lines, fmt.Sprintf("%s %s moved from %s to %s.", words.Grouped(l.Amount.String()), asset, l.From, l.To))
	}
	return lines
}
