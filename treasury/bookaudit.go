package treasury

import "fmt"

// Balanced asks of the ledger what the book's figures say: the treasury's identities
// and what is on its way out. It costs the same for any number of rows.
func (b *Book) Balanced(l *Ledger) error {
	balance := func(id AccountID) Amount {
		a, _ := l.Account(id)
		v, _ := a.Balance()
		return v
	}
	want, free, reserved := b.Balance(), balance(Treasury), balance(TreasuryReserved)
	if free.AddWrap(reserved) != want.Current {
		return fmt.Errorf("treasury has %v, its movements come to %v", free.AddWrap(reserved), want.Current)
	}
	if reserved != want.Reserved {
		return fmt.Errorf("account %s has %v, reservations come to %v", TreasuryReserved, reserved, want.Reserved)
	}
	if leaving := balance(Leaving); leaving != want.Leaving {
		return fmt.Errorf("account %s has %v, withdrawals come to %v", Leaving, leaving, want.Leaving)
	}
	return nil
}

// EachHeld yields what each held account must hold for executed disbursements whose
// rollback window is open.
func (b *Book) EachHeld(yield func(held AccountID, amount Amount)) {
	b.byStatus.Ascend(statusKey(Executed, 0), func(key string, _ struct{}) bool {
		if key[0] != byte(Executed) {
			return false
		}
		d := b.at(key)
		yield(d.Body.Destination.Held(), d.Body.Amount)
		return true
	})
}

// Consistent walks the whole book and reports the first thing found wrong between
// its tables. It is for the end of a load, not for every call.
func (b *Book) Consistent(l *Ledger) error {
	if r := b.params.Validate(); r != nil {
		return r
	}
	if b.rolls.Len() == 0 {
		return fmt.Errorf("there is no roll of houses")
	}
	if r := b.checkBrackets(b.params); r != nil {
		return r
	}
	// A withdrawal that is missing would be missed in leaving, or by its reference.
	if uint64(b.rows.Len()) != b.sequence || uint64(b.withdrawals.Len()) > b.withdrawn || b.history.Len() > keptFlows {
		return fmt.Errorf("%d disbursements of %d, %d withdrawals of %d", b.rows.Len(), b.sequence, b.withdrawals.Len(), b.withdrawn)
	}
	if err := b.consistentVotes(); err != nil {
		return err
	}
	var wrong error
	b.rows.Scan(func(_ uint64, d *Disbursement) bool {
		wrong = b.consistentRow(l, d)
		return wrong == nil
	})
	if wrong != nil {
		return wrong
	}
	if err := b.consistentRest(); err != nil {
		return err
	}
	for _, f := range [...]struct{ figure, sum Amount }{
		{b.facts.accrued, credits(l, Treasury)},
		{b.facts.compensated, credits(l, Treasury)},
		{b.facts.executed, credits(l, TreasuryReserved)},
		{b.spent.total, b.facts.executed},
	} {
		if f.figure.Cmp(f.sum) > 0 {
			return fmt.Errorf("a figure of the treasury is %v, more than the %v that ever moved", f.figure, f.sum)
		}
	}
	return b.Balanced(l)
}

func credits(l *Ledger, id AccountID) Amount {
	a, _ := l.Account(id)
	return a.Credits
}

// consistentRow asks of one disbursement what its status promises.
func (b *Book) consistentRow(l *Ledger, d *Disbursement) error {
	if d.Content != d.Body.Content() {
		return fmt.Errorf("disbursement %s has another content than its body", d.ID)
	}
	if d.Status.Live() != (d.Ending == "") || d.Status == Timelocked && !d.Reserved {
		return fmt.Errorf("disbursement %s is %s, ended by %q, reserved %v", d.ID, d.Status, d.Ending, d.Reserved)
	}
	if (d.Status == Voting) != (d.roll != 0) {
		return fmt.Errorf("disbursement %s is %s with roll %d", d.ID, d.Status, d.roll)
	}
	if d.Status == Timelocked && b.unfinished(d) != nil {
		return fmt.Errorf("disbursement %s is timelocked before its dependencies are finalized", d.ID)
	}
	if d.Status != Executed {
		return nil
	}
	for _, id := range []AccountID{d.Body.Destination, d.Body.Destination.Held()} {
		if a, open := l.Account(id); !open || a.Asset != Asset {
			return fmt.Errorf("disbursement %s is executed to an account that does not exist: %s", d.ID, id)
		}
	}
	return nil
}

// consistentVotes counts the open votes again.
func (b *Book) consistentVotes() error {
	counted := map[ID][]Tally{}
	var wrong error
	b.votes.Scan(func(key string, approve bool) bool {
		if len(key) < len(ID{}) {
			wrong = fmt.Errorf("a vote is about nothing")
			return false
		}
		id := ID([]byte(key[:len(ID{})]))
		d, known := b.Get(id)
		if !known || d.Status != Voting {
			wrong = fmt.Errorf("a vote is about disbursement %s, which is not voted on", id)
			return false
		}
		if _, rolled := b.rolls.Get(d.roll); !rolled {
			wrong = fmt.Errorf("disbursement %s has no roll", id)
			return false
		}
		blank := *d
		if blank.Tallies = counted[id]; blank.Tallies == nil {
			blank.Tallies = uncounted(d.Tallies)
		}
		counted[id], _ = b.cast(&blank, key[len(ID{}):], approve)
		return true
	})
	if wrong != nil {
		return wrong
	}
	b.rows.Scan(func(_ uint64, d *Disbursement) bool {
		if d.Status != Voting {
			return true
		}
		r, rolled := b.rolls.Get(d.roll)
		want := counted[d.ID]
		if want == nil {
			want = uncounted(d.Tallies)
		}
		for i, t := range d.Tallies {
			if !rolled || t != want[i] {
				wrong = fmt.Errorf("disbursement %s counts %v of house %s", d.ID, t, t.House)
				break
			}
			if h, _ := r.house(t.House); h.Total() != t.Total {
				wrong = fmt.Errorf("disbursement %s counts on weight %d of house %s", d.ID, t.Total, t.House)
			}
		}
		return wrong == nil
	})
	return wrong
}

func uncounted(tallies []Tally) []Tally {
	out := append([]Tally{}, tallies...)
	for i := range out {
		out[i].Approve, out[i].Reject = 0, 0
	}
	return out
}

// consistentRest asks of errands, caps and references whether they are about
// something.
func (b *Book) consistentRest() error {
	var wrong error
	b.errands.Scan(func(key string, e errand) bool {
		d, known := b.Get(e.id)
		if !known || key != statusKey(Status(key[0]), d.Sequence) || key[0] != errandCascade && key[0] != errandWake {
			wrong = fmt.Errorf("an errand is about nothing")
		} else if ended := d.Status == Finalized; ended != (key[0] == errandWake) || d.Status.Live() {
			wrong = fmt.Errorf("an errand is about disbursement %s, which is %s", d.ID, d.Status)
		}
		return wrong == nil
	})
	var sum Amount
	b.spent.destinations.Scan(func(_ AccountID, used Amount) bool {
		sum = sum.AddWrap(used)
		return true
	})
	if wrong == nil && sum != b.spent.total {
		wrong = fmt.Errorf("epoch %d spent %v, to all destinations %v", b.spent.epoch, b.spent.total, sum)
	}
	if wrong != nil {
		return wrong
	}
	b.references.Scan(func(reference string, id ID) bool {
		if w, known := b.Withdrawal(id); !known || w.Payouts == 0 {
			wrong = fmt.Errorf("reference %q is of no payout", reference)
		}
		return wrong == nil
	})
	if wrong != nil {
		return wrong
	}
	b.withdrawals.Scan(func(_ string, w *Withdrawal) bool {
		if at, used := b.references.Get(w.Reference); w.Reference != "" && (!used || at != w.ID) {
			wrong = fmt.Errorf("withdrawal %s is paid under a reference of another", w.ID)
		}
		return wrong == nil
	})
	return wrong
}
