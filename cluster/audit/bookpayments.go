package audit

import (
	"fmt"

	"github.com/tallyvault/tallyvault/fsm"
)

// transfers are those that a step of a payment must make, from and to.
type transfers [][2]string

// disbursement books a step of a disbursement: it must follow the one before, and move
// exactly what such a step moves, the whole amount each time.
func (b *Books) disbursement(r *fsm.DisbursementReceipt) error {
	p := b.disbursements[r.Disbursement]
	if p == nil {
		p = new(payment)
		b.Disbursements++
	}
	if r.Step != p.step+1 || r.From != p.status {
		return fmt.Errorf("disbursement %s: step %d from %q follows step %d, which left it %q", r.Disbursement, r.Step, r.From, p.step, p.status)
	}
	if p.status != "" && p.status != "draft" && p.amount != r.Amount {
		return fmt.Errorf("disbursement %s is of %v, and was of %v", r.Disbursement, r.Amount, p.amount)
	}
	if err := b.legs(fmt.Sprintf("disbursement %s, %s", r.Disbursement, r.Action), r.Amount, r.Legs, expected(r, p.reserved)); err != nil {
		return err
	}
	p.step, p.status, p.amount = r.Step, r.Status, r.Amount
	switch r.Action {
	case "reserve":
		p.reserved = true
	case "execute", "cancel", "veto", "expire":
		p.reserved = false
	}
	b.disbursements[r.Disbursement] = p
	if ended(r.Status) {
		delete(b.disbursements, r.Disbursement) // another receipt of it would be a step 2 that follows none
	}
	return nil
}

func ended(status string) bool {
	switch status {
	case "finalized", "rolled_back", "rejected", "cancelled", "expired":
		return true
	}
	return false
}

// expected says what a step must move.
func expected(r *fsm.DisbursementReceipt, reserved bool) transfers {
	held := r.Destination + "/held"
	switch r.Action {
	case "reserve":
		return transfers{{"treasury", "treasury/reserved"}}
	case "execute":
		return transfers{{"treasury/reserved", held}}
	case "finalize":
		if len(r.Destination) > 6 && r.Destination[:6] == "payee/" {
			return transfers{{held, r.Destination}, {r.Destination, "leaving"}}
		}
		return transfers{{held, r.Destination}}
	case "rollback":
		return transfers{{held, "treasury"}}
	case "cancel", "veto", "expire":
		if reserved {
			return transfers{{"treasury/reserved", "treasury"}}
		}
	}
	return nil
}

// withdrawal books a step of a withdrawal. What a payee is paid has moved with the
// disbursement, whose id it has.
func (b *Books) withdrawal(r *fsm.WithdrawalReceipt) error {
	p := b.withdrawals[r.Withdrawal]
	if p == nil {
		p = &payment{amount: r.Amount}
		b.Withdrawals++
	}
	if r.Step != p.step+1 || p.amount != r.Amount {
		return fmt.Errorf("withdrawal %s: step %d of %v follows step %d of %v", r.Withdrawal, r.Step, r.Amount, p.step, p.amount)
	}
	var want transfers
	switch {
	case r.Action == "withdraw" && r.By != "":
		want = transfers{{r.Account, "leaving"}}
	case r.Action == "recall":
		want = transfers{{"leaving", r.Account}}
	case r.Action == "paid":
		want = transfers{{"leaving", "external/" + r.Asset}}
	}
	if err := b.legs(fmt.Sprintf("withdrawal %s, %s", r.Withdrawal, r.Action), r.Amount, r.Legs, want); err != nil {
		return err
	}
	p.step, p.status = r.Step, r.State
	b.withdrawals[r.Withdrawal] = p
	if r.State == "paid" || r.State == "recalled" {
		delete(b.withdrawals, r.Withdrawal)
	}
	return nil
}

// legs books the transfers of a receipt, which must be the expected ones.
func (b *Books) legs(what string, amount fsm.Amount, legs []fsm.ReceiptLeg, want transfers) error {
	if len(legs) != len(want) {
		return fmt.Errorf("%s moves money %d times, want %d", what, len(legs), len(want))
	}
	for i, l := range legs {
		if l.From != want[i][0] || l.To != want[i][1] || l.Amount != amount {
			return fmt.Errorf("%s moves %v from %s to %s, want %v from %s to %s", what, l.Amount, l.From, l.To, amount, want[i][0], want[i][1])
		}
		if err := b.move(l.From, l.To, l.Amount); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}
