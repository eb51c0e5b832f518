package treasury

import "fmt"

// Total is the sum over all accounts of one asset.
type Total struct {
	Asset           string
	Debits, Credits Sum
}

// Sum is Over x 2^128 + Amount: the sums of all accounts together may be more than an
// amount holds.
type Sum struct {
	Amount
	Over uint32
}

func (s *Sum) add(v Amount) {
	s.Amount = s.AddWrap(v)
	if s.Cmp(v) < 0 {
		s.Over++
	}
}

// Totals adds up every account, per asset in order of asset. It walks the whole
// ledger: a cached sum would agree with itself and prove nothing.
func (l *Ledger) Totals() []Total {
	var totals []Total
	l.accounts.Scan(func(_ AccountID, a Account) bool {
		i := 0
		for i < len(totals) && totals[i].Asset < a.Asset {
			i++
		}
		if i == len(totals) || totals[i].Asset != a.Asset {
			totals = append(totals, Total{})
			copy(totals[i+1:], totals[i:])
			totals[i] = Total{Asset: a.Asset}
		}
		t := &totals[i]
		t.Debits.add(a.Debits)
		t.Credits.add(a.Credits)
		return true
	})
	return totals
}

// Conserved walks the whole ledger and reports the first thing found wrong:
// an account that cannot be, or an asset whose debits and credits differ.
func (l *Ledger) Conserved() error {
	var wrong error
	l.accounts.Scan(func(id AccountID, a Account) bool {
		wrong = a.sound(id)
		return wrong == nil
	})
	if wrong != nil {
		return wrong
	}
	for _, t := range l.Totals() {
		if t.Debits != t.Credits {
			return fmt.Errorf("asset %s is not conserved: debits %v, credits %v", t.Asset, t.Debits, t.Credits)
		}
	}
	return nil
}

// Touched looks at the named accounts only and reports the first that cannot
// be. It is cheap enough to run after every posting.
func (l *Ledger) Touched(ids []AccountID) error {
	for _, id := range ids {
		a, ok := l.accounts.Get(id)
		if !ok {
			return fmt.Errorf("account %s does not exist", id)
		}
		if err := a.sound(id); err != nil {
			return err
		}
	}
	return nil
}

// sound reports whether a row may stand in the ledger under the id.
func (a Account) sound(id AccountID) error {
	if a.ID != id {
		return fmt.Errorf("account %s is filed under %s", a.ID, id)
	}
	if !ValidAsset(a.Asset) || !id.valid(a.Asset) {
		return fmt.Errorf("account %s of asset %q has no valid name", id, a.Asset)
	}
	switch v, negative := a.Balance(); {
	case v.Cmp(maxMoney) > 0:
		return fmt.Errorf("account %s is above the limit: debits %v, credits %v", id, a.Debits, a.Credits)
	case negative && !id.IsExternal():
		return fmt.Errorf("account %s is negative by %v", id, v)
	}
	return nil
}
