package fsm

import (
	"fmt"

	"github.com/tallyvault/tallyvault/treasury"
)

// maxTreasuryItems is the part of an Apply's due items that the treasury may use
// before anything else is looked at, so that neither queue starves the other.
const maxTreasuryItems = MaxDueItems / 2

// took sees to what an operation of the treasury did, and says where its object
// stands now.
func (a *apply) took(effects []treasury.Effect, refused *treasury.Refusal) ([]Field, *Refusal) {
	if refused != nil {
		return nil, fromTreasury(refused)
	}
	a.handleTreasury(effects)
	switch last := effects[len(effects)-1].(type) {
	case treasury.Step:
		return []Field{{"disbursement", last.ID.String()}, {"status", last.Status.String()}}, nil
	case treasury.Moved:
		return []Field{{"withdrawal", last.ID.String()}, {"state", last.State.String()}}, nil
	}
	return nil, nil
}

// tried is took for what may find nothing to do: then it says what is waited for.
func (a *apply) tried(id [32]byte, effects []treasury.Effect, refused *treasury.Refusal) ([]Field, *Refusal) {
	if refused != nil || len(effects) > 0 {
		return a.took(effects, refused)
	}
	d, _ := a.s.book.Get(id)
	return []Field{{"disbursement", d.ID.String()}, {"status", d.Status.String()}, {"waits_for", a.s.book.Waits(d).For}}, nil
}

// handleTreasury writes a receipt of every step. Its money has moved already.
func (a *apply) handleTreasury(effects []treasury.Effect) {
	for _, effect := range effects {
		switch f := effect.(type) {
		case treasury.Step:
			a.touch(f.Legs)
			a.receipt(KindDisbursement, a.stepReceipt(f))
		case treasury.Moved:
			a.touch(f.Legs)
			a.receipt(KindWithdrawal, a.movedReceipt(f))
		default:
			panic(fmt.Sprintf("fsm: no rule for effect %T", effect))
		}
	}
}

// touch sees to what every transfer asks for, whoever posted it: the accounts are
// looked at after Apply, and a payer that got money goes on paying what it owes.
func (a *apply) touch(legs []treasury.Leg) {
	for _, l := range legs {
		a.touched = append(a.touched, l.From, l.To)
		a.s.wakePayer(l.To)
	}
}

func (a *apply) stepReceipt(f treasury.Step) *DisbursementReceipt {
	r := &DisbursementReceipt{
		ReceiptHead: a.head(KindDisbursement), Disbursement: Identity(f.ID), Step: f.Number, Action: string(f.Action),
		From: f.From.String(), Status: f.Status.String(), By: f.By, Proposer: f.Proposer, Title: f.Body.Title, Content: f.Content,
		Destination: string(f.Body.Destination), Asset: treasury.Asset, Amount: f.Body.Amount,
		TreasuryHeight: a.s.book.Height(), Due: f.Due, Ending: f.Ending, Legs: receiptLegs(f.Legs), Facts: receiptFacts(f.Facts),
	}
	if f.Failure.Code != "" {
		r.Error = string(f.Failure.Code)
	}
	return r
}

func (a *apply) movedReceipt(f treasury.Moved) *WithdrawalReceipt {
	return &WithdrawalReceipt{
		ReceiptHead: a.head(KindWithdrawal), Withdrawal: Identity(f.ID), Step: f.Number, Action: string(f.Action), State: f.State.String(),
		By: f.By, Account: string(f.Account), Asset: treasury.Asset, Amount: f.Amount, Payee: f.Payee, Reference: f.Reference,
		Legs: receiptLegs(f.Legs),
	}
}

func receiptLegs(legs []treasury.Leg) (out []ReceiptLeg) {
	for _, l := range legs {
		out = append(out, ReceiptLeg{string(l.From), string(l.To), l.Amount})
	}
	return out
}

func receiptFacts(facts []treasury.Field) (out []Field) {
	for _, f := range facts {
		out = append(out, Field(f))
	}
	return out
}

// takeTreasuryDue lets the treasury's executor work, and says how many items it took.
func (a *apply) takeTreasuryDue() int {
	effects, used := a.s.book.Tick(a.s.ledger, treasuryClock(a.s), maxTreasuryItems)
	a.handleTreasury(effects)
	return used
}

// checkTreasury looks, after every Apply, whether book and ledger agree.
func (a *apply) checkTreasury() {
	if a.s.book.Balanced(a.s.ledger) != nil {
		a.s.raise(AlarmConservation)
	}
}
