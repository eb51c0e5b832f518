package treasury

import (
	"fmt"
	"strconv"

	"github.com/tidwall/btree"
	"lukechampine.com/uint128"
)

// Limits of the ledger.
const (
	MaxAccounts = 1 << 20
	MaxLegs     = 64
)

var (
	// maxMoney is the most of one asset that can be in at a time: 2^80 - 1. It bounds
	// every balance and every amount.
	maxMoney = uint128.New(1<<64-1, 1<<16-1)
	// maxSum is the largest value that the debits or the credits of one account may
	// reach in its life. Whoever can move money to and fro makes them grow, and the
	// accounts that many share with it; with all money there can be that takes 2^48
	// postings. So nobody brings a sum so near to its limit that a transfer which must
	// not fail, a release or a refund, would.
	maxSum = uint128.Max
)

// Leg moves an amount from one account to another. The amount is never zero.
type Leg struct {
	From, To AccountID
	Amount   Amount
}

// Ledger is all accounts. A Ledger is used by one goroutine; its copies may
// be used by others.
type Ledger struct {
	// accounts holds plain values, so that a copied tree shares nothing that
	// is ever changed in place.
	accounts *btree.Map[AccountID, Account]
}

// NewLedger returns a ledger without accounts.
func NewLedger() *Ledger {
	return &Ledger{accounts: btree.NewMap[AccountID, Account](0)}
}

// Copy returns an independent ledger with the same content. It costs the same
// for any number of accounts. It counts as a change of l: no other goroutine
// may be using l meanwhile.
func (l *Ledger) Copy() *Ledger {
	return &Ledger{accounts: l.accounts.Copy()}
}

// CheckOpen says whether different accounts could be opened, all of them. That one
// exists already with the same asset is no reason to refuse: opening it again changes
// nothing.
func (l *Ledger) CheckOpen(asset string, ids ...AccountID) *Refusal {
	if !ValidAsset(asset) {
		return refuse(InvalidTarget, Field{"reason", ReasonMalformedAsset}, Field{"asset", asset})
	}
	room := MaxAccounts - l.accounts.Len()
	for _, id := range ids {
		if !id.valid(asset) {
			return refuse(InvalidTarget, Field{"reason", ReasonMalformedAccount}, Field{"account", string(id)})
		}
		if a, ok := l.accounts.Get(id); ok {
			if a.Asset != asset {
				return refuse(InvalidTarget, Field{"reason", ReasonOtherAsset}, Field{"account", string(id)}, Field{"asset", a.Asset})
			}
			continue
		}
		if room--; room < 0 {
			return refuse(LimitExceeded, Field{"limit", LimitAccounts}, Field{"max", strconv.Itoa(MaxAccounts)})
		}
	}
	return nil
}

// Open opens an account. It panics where CheckOpen refuses.
func (l *Ledger) Open(id AccountID, asset string) {
	if r := l.CheckOpen(asset, id); r != nil {
		panic(fmt.Sprintf("treasury: opening an account that is refused: %v", r))
	}
	if _, ok := l.accounts.Get(id); ok {
		return
	}
	l.accounts.Set(id, Account{ID: id, Asset: asset})
}

// Check says whether Post could post the legs, all of them or none. They are
// judged in order with running balances: what an earlier leg brings in, a
// later one may take out.
func (l *Ledger) Check(legs []Leg) *Refusal {
	var room [8]Account
	_, r := l.run(legs, room[:0])
	return r
}

// Post posts the legs. It panics where Check refuses.
func (l *Ledger) Post(legs []Leg) {
	var room [8]Account
	changed, r := l.run(legs, room[:0])
	if r != nil {
		panic(fmt.Sprintf("treasury: posting legs that are refused: %v", r))
	}
	for _, a := range changed {
		l.accounts.Set(a.ID, a)
	}
}

// run works the legs out on the side and returns the accounts as they would
// be afterwards, or the refusal of the first leg that cannot be.
func (l *Ledger) run(legs []Leg, changed []Account) ([]Account, *Refusal) {
	if len(legs) > MaxLegs {
		return nil, refuse(LimitExceeded, Field{"limit", LimitLegs}, Field{"max", strconv.Itoa(MaxLegs)})
	}
	for _, leg := range legs {
		if leg.Amount.IsZero() {
			return nil, refuse(InvalidTarget, Field{"reason", ReasonZeroAmount}, Field{"account", string(leg.To)})
		}
		if leg.From == leg.To {
			return nil, refuse(InvalidTarget, Field{"reason", ReasonSameAccount}, Field{"account", string(leg.To)})
		}
		var from, to int
		var r *Refusal
		if changed, from, r = l.side(changed, leg.From); r != nil {
			return nil, r
		}
		if changed, to, r = l.side(changed, leg.To); r != nil {
			return nil, r
		}
		if r := move(&changed[from], &changed[to], leg.Amount); r != nil {
			return nil, r
		}
	}
	return changed, nil
}

// side finds an account among those already changed, or brings it in from the
// ledger. The list is short (at most two a leg), so it is searched plainly.
func (l *Ledger) side(changed []Account, id AccountID) ([]Account, int, *Refusal) {
	for i := range changed {
		if changed[i].ID == id {
			return changed, i, nil
		}
	}
	a, ok := l.accounts.Get(id)
	if !ok {
		return nil, 0, refuse(InvalidTarget, Field{"reason", ReasonUnknownAccount}, Field{"account", string(id)})
	}
	return append(changed, a), len(changed), nil
}

// move debits one account and credits the other, unless that is refused.
func move(from, to *Account, amount Amount) *Refusal {
	if from.Asset != to.Asset {
		return refuse(InvalidTarget, Field{"reason", ReasonOtherAsset}, Field{"account", string(to.ID)}, Field{"asset", to.Asset})
	}
	switch balance, negative := from.Balance(); {
	case !from.ID.IsExternal():
		// Never negative: the balance is the magnitude.
		if balance.Cmp(amount) < 0 {
			return refuse(InsufficientFunds, Field{"account", string(from.ID)},
				Field{"balance", balance.String()}, Field{"needed", amount.String()})
		}
	case amount.Cmp(maxMoney) > 0 || negative && balance.Cmp(maxMoney.Sub(amount)) > 0:
		return refuse(LimitExceeded, Field{"limit", LimitMoney}, Field{"account", string(from.ID)}, Field{"max", maxMoney.String()})
	}
	if !fits(from.Debits, amount) {
		return refuse(LimitExceeded, Field{"limit", LimitAccountSum}, Field{"account", string(from.ID)}, Field{"max", maxSum.String()})
	}
	if !fits(to.Credits, amount) {
		return refuse(LimitExceeded, Field{"limit", LimitAccountSum}, Field{"account", string(to.ID)}, Field{"max", maxSum.String()})
	}
	from.Debits = from.Debits.Add(amount)
	to.Credits = to.Credits.Add(amount)
	return nil
}

// fits reports whether sum can grow by amount. It subtracts from the limit,
// since adding first could overflow.
func fits(sum, amount Amount) bool { return amount.Cmp(maxSum.Sub(sum)) <= 0 }

// Account returns one account.
func (l *Ledger) Account(id AccountID) (Account, bool) { return l.accounts.Get(id) }

// Accounts yields the accounts whose id is above after, in order of id, until
// yield returns false. After "" means from the first.
func (l *Ledger) Accounts(after AccountID, yield func(Account) bool) {
	l.accounts.Ascend(after, func(id AccountID, a Account) bool {
		return id == after || yield(a)
	})
}
