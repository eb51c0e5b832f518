package words

import (
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/treasury"
)

// saysTreasury is the switch over the commands of the treasury.
func saysTreasury(body any) ([]string, error) {
	switch b := body.(type) {
	case *fsm.Propose:
		return append([]string{"Proposes a disbursement, as a draft:"}, disbursement(b.DisbursementBody)...), nil
	case *fsm.Amend:
		return append([]string{about("Replaces the whole draft", b.Disbursement) + " by:"}, disbursement(b.DisbursementBody)...), nil
	case *fsm.Open:
		return []string{about("Opens the vote about", b.Disbursement) + "; it cannot be amended any more, and houses and weights are frozen."}, nil
	case *fsm.Cancel:
		return []string{about("Cancels the draft", b.Disbursement) + " for ever."}, nil
	case *fsm.Vote:
		verb := map[string]string{fsm.VerdictApprove: "Votes FOR", fsm.VerdictReject: "Votes AGAINST"}[b.Verdict]
		if verb == "" {
			verb = "Votes " + name(b.Verdict) + ", which is no verdict, about"
		}
		return []string{
			about(verb, b.Disbursement) + ". The vote is final.",
			fmt.Sprintf("It counts only for the text and amount with the content %x.", b.Content),
		}, nil
	case *fsm.Queue:
		return []string{about("Tries at once to count, fund and timelock", b.Disbursement) + "; no window is skipped."}, nil
	case *fsm.Execute:
		return []string{about("Tries at once to execute", b.Disbursement) + ", and confirms it where four eyes count; no window is skipped."}, nil
	case *fsm.Veto:
		return []string{about("Ends", b.Disbursement) + " for ever, before it is paid.", fmt.Sprintf("Reason: %+q.", b.Reason)}, nil
	case *fsm.Pause:
		return []string{scopeWords("Stops", b.Scope), fmt.Sprintf("Reason: %+q. Only the admin threshold can let it go on.", b.Reason)}, nil
	case *fsm.Withdraw:
		return []string{fmt.Sprintf("Asks that %s minor units of the signer's own account leave for %+q. They are held from now on.", Grouped(b.Amount.String()), b.Payee)}, nil
	case *fsm.CancelWithdrawal:
		return []string{fmt.Sprintf("Takes withdrawal %x back, unless it is on its way.", b.Withdrawal)}, nil
	}
	return saysTreasuryGoverned(body)
}

// saysTreasuryGoverned is the switch over what takes the admin threshold.
func saysTreasuryGoverned(body any) ([]string, error) {
	switch b := body.(type) {
	case *fsm.Rollback:
		return []string{
			about("Takes back", b.Disbursement) + ", which was executed: its amount returns from the destination to the treasury.",
			fmt.Sprintf("What depends on it is cancelled. Reason: %+q.", b.Reason),
		}, nil
	case *fsm.Unpause:
		return []string{scopeWords("Lets go on:", b.Scope)}, nil
	case *fsm.SetHouse:
		return house(b.House), nil
	case *fsm.SetTreasury:
		return append([]string{"Replaces all rules of the treasury; what is open keeps its terms."}, Treasury(b.Treasury)...), nil
	case *fsm.Payout:
		return []string{
			fmt.Sprintf("Says that the committee pays withdrawal %x outside, under the reference %+q.", b.Withdrawal, b.Reference),
			"A reference counts once for ever.",
		}, nil
	case *fsm.RecordPayout:
		ended := map[string]string{
			"paid": "arrived: the money leaves the ledger", "failed": "did not arrive: it can be paid again, or taken back by its owner",
			"unknown": "is in doubt: nobody can pay it again or take it back until that is resolved",
		}[b.Result]
		if ended == "" {
			ended = "ended as " + name(b.Result) + ", which is no result"
		}
		return []string{fmt.Sprintf("Says that the payment of withdrawal %x under the reference %+q %s.", b.Withdrawal, b.Reference, ended)}, nil
	}
	return nil, ErrNoWords
}

func about(verb string, id [32]byte) string { return fmt.Sprintf("%s disbursement %x", verb, id) }

func scopeWords(verb, scope string) string {
	switch scope {
	case treasury.ScopeTreasury:
		return verb + " all disbursements; the treasury's windows stand still while it is paused."
	case treasury.ScopeAll:
		return verb + " all disbursements, withdrawals and payouts; the treasury's windows stand still while it is paused."
	}
	return verb + " scope " + name(scope) + ", which does not exist."
}

// Disbursement says what a disbursement is about.
func Disbursement(b fsm.DisbursementBody) string {
	return "The disbursement, as the node shows it:\n" + strings.Join(disbursement(b), "\n")
}

// disbursement says a whole body, one line a matter.
func disbursement(b fsm.DisbursementBody) []string {
	lines := []string{
		fmt.Sprintf("  %s minor units of %s to %s: %+q", Grouped(b.Amount.String()), treasury.Asset, name(b.Destination), b.Title),
	}
	for _, text := range []struct{ what, value string }{{"Paid outside to", b.Payee}, {"Summary", b.Summary}, {"Memo", b.Memo}} {
		if text.value != "" {
			lines = append(lines, fmt.Sprintf("  %s: %+q", text.what, text.value))
		}
	}
	for _, dep := range b.Deps {
		lines = append(lines, fmt.Sprintf("  Only after disbursement %x is finalized.", dep))
	}
	if b.ScheduledEpoch > 0 {
		lines = append(lines, fmt.Sprintf("  Not before epoch %s.", grouped(b.ScheduledEpoch)))
	}
	for _, e := range b.ExpectedReceipts {
		lines = append(lines, fmt.Sprintf("  Expects a receipt of %s for %+q.", Grouped(e.Amount.String()), e.Account))
	}
	return append(lines, "  "+terms(b.Quorum, b.VoteWindowEpochs, b.TimelockEpochs, b.RollbackWindowEpochs))
}

// terms says conditions; zero windows and houses left out are the bracket's.
func terms(quorum []genesis.Floor, vote, timelock, rollback uint64) string {
	window := func(n uint64) string {
		if n == 0 {
			return "as its bracket says"
		}
		return Plural(n, "epoch")
	}
	houses := make([]string, 0, len(quorum))
	for _, f := range quorum {
		houses = append(houses, Percent(uint64(f.Ppm))+" of house "+name(f.House))
	}
	passed := "as its bracket says"
	if len(houses) > 0 {
		passed = "at least " + strings.Join(houses, " and ")
	}
	return fmt.Sprintf("Approval: %s. Vote: %s, timelock: %s, rollback: %s.", passed, window(vote), window(timelock), window(rollback))
}

func house(h genesis.House) []string {
	if len(h.Members) == 0 {
		return []string{fmt.Sprintf("Dissolves the house of voters %s.", name(h.House))}
	}
	lines := []string{fmt.Sprintf("Sets the whole house of voters %s, from now on:", name(h.House))}
	for _, m := range h.Members {
		lines = append(lines, fmt.Sprintf("  %s with weight %s", name(m.Principal), grouped(m.Weight)))
	}
	return lines
}

// Treasury says the rules of a treasury, one line a matter.
func Treasury(t genesis.Treasury) []string {
	limit := func(v fsm.Amount) string {
		if v.IsZero() {
			return "none"
		}
		return Grouped(v.String())
	}
	lines := []string{
		fmt.Sprintf("Grace: %s. Cap of an epoch: %s; of a destination: %s. Two people must confirm above: %s.",
			Plural(t.GraceEpochs, "epoch"), limit(t.EpochCap), limit(t.DestinationCap), limit(t.FourEyesAbove)),
	}
	for _, b := range t.Brackets {
		timelock := Plural(b.TimelockEpochs, "epoch")
		houses := make([]string, 0, len(b.Quorum))
		for _, f := range b.Quorum {
			houses = append(houses, Percent(uint64(f.Ppm))+" of house "+name(f.House))
		}
		lines = append(lines, fmt.Sprintf("From %s minor units: at least %s; vote %s, timelock %s, rollback %s.", Grouped(b.FromAmount.String()),
			strings.Join(houses, " and "), Plural(b.VoteWindowEpochs, "epoch"), timelock, Plural(b.RollbackWindowEpochs, "epoch")))
	}
	return lines
}

func disbursementStep(b *fsm.DisbursementReceipt) []string {
	who := "Time"
	if b.By != "" {
		who = strings.ReplaceAll(b.By, ",", " and ")
	}
	line := fmt.Sprintf("Step %d of disbursement %s, %+q: %s (%s); it is %s", b.Step, b.Disbursement, b.Title, b.Action, who, b.Status)
	if b.From != "" && b.From != b.Status {
		line += ", and was " + b.From
	}
	lines := []string{
		line + ".",
		fmt.Sprintf("%s minor units of %s to %s, proposed by %s; content %x.", Grouped(b.Amount.String()), b.Asset, b.Destination, b.Proposer, b.Content),
		fmt.Sprintf("Treasury height %s.", grouped(b.TreasuryHeight)),
	}
	if b.Due > 0 {
		lines[2] = fmt.Sprintf("Treasury height %s; next due at %s.", grouped(b.TreasuryHeight), grouped(b.Due))
	}
	if b.Error != "" {
		lines = append(lines, "It carries the error "+b.Error+".")
	}
	var facts []string
	for _, f := range b.Facts {
		facts = append(facts, f.Name+" "+name(f.Value))
	}
	if len(facts) > 0 {
		lines = append(lines, strings.Join(facts, ", ")+".")
	}
	return append(lines, transfers(b.Legs)...)
}

func withdrawalStep(b *fsm.WithdrawalReceipt) []string {
	line := fmt.Sprintf("Withdrawal %s of %s minor units of %s from %s to %+q: it is %s", b.Withdrawal, Grouped(b.Amount.String()), b.Asset, b.Account, b.Payee, b.State)
	if b.Reference != "" {
		line += fmt.Sprintf(", under the reference %+q", b.Reference)
	}
	if b.By != "" {
		line += ", by " + strings.ReplaceAll(b.By, ",", " and ")
	}
	return append([]string{line + "."}, transfers(b.Legs)...)
}

func transfers(legs []fsm.ReceiptLeg) []string {
	lines := make([]string, 0, len(legs))
	for _, l := range legs {
		lines = append(lines, fmt.Sprintf("Moved %s from %s to %s.", Grouped(l.Amount.String()), l.From, l.To))
	}
	return lines
}
