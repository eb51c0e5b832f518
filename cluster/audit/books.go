package audit

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/treasury"
)

// Books are kept from receipts alone, by code that shares neither totals nor rules
// with the state machine: plain maps and big integers, every transfer worked out from
// what the receipt says. They find money that moved without a receipt, or otherwise
// than its receipt says, even where the state machine is wrong alike on all nodes.
type Books struct {
	balances      map[string]*big.Int
	settlements   map[string]heldAmounts       // of settlements not released
	settled       map[string]map[uint64]uint64 // market → bits of the numbers ever held
	disbursements map[fsm.Identity]*payment
	withdrawals   map[fsm.Identity]*payment

	// Posted, if set, is told of every transfer in the order of the receipts.
	Posted func(from, to string, amount *big.Int)

	// What they are made of.
	Settlements, Releases, Deposits, Disbursements, Withdrawals uint64
}

// payment is a disbursement or a withdrawal as its last receipt leaves it.
type payment struct {
	step     uint64
	status   string
	amount   fsm.Amount
	reserved bool
}

// heldAmounts are what a settlement's release must move.
type heldAmounts struct {
	provider string
	net, fee fsm.Amount
}

// NewBooks are those of a cluster before its first receipt.
func NewBooks() *Books {
	return &Books{
		balances: map[string]*big.Int{}, settlements: map[string]heldAmounts{}, settled: map[string]map[uint64]uint64{},
		disbursements: map[fsm.Identity]*payment{}, withdrawals: map[fsm.Identity]*payment{},
	}
}

// Take books what a receipt says. An error names what cannot be; nothing should be
// booked after it.
func (b *Books) Take(body any) error {
	switch r := body.(type) {
	case *fsm.SettlementReceipt:
		return b.settlement(r)
	case *fsm.ReleaseReceipt:
		return b.release(r)
	case *fsm.ThresholdReceipt:
		return b.threshold(r)
	case *fsm.DisbursementReceipt:
		return b.disbursement(r)
	case *fsm.WithdrawalReceipt:
		return b.withdrawal(r)
	}
	return nil
}

// Agrees compares every account of a ledger with the books.
func (b *Books) Agrees(l *treasury.Ledger) error {
	var wrong error
	known := 0
	l.Accounts("", func(a treasury.Account) bool {
		amount, negative := a.Balance()
		has := amount.Big()
		if negative {
			has.Neg(has)
		}
		want, booked := b.balances[string(a.ID)]
		if booked {
			known++
		} else {
			want = new(big.Int)
		}
		if has.Cmp(want) != 0 {
			wrong = fmt.Errorf("account %s has %v, its receipts come to %v", a.ID, has, want)
		}
		return wrong == nil
	})
	if wrong == nil && known != len(b.balances) {
		wrong = fmt.Errorf("receipts name %d accounts, %d of them exist", len(b.balances), known)
	}
	return wrong
}

// move books a transfer. Only the world outside may owe anything.
func (b *Books) move(from, to string, amount fsm.Amount) error {
	if amount.IsZero() {
		return nil
	}
	v := amount.Big()
	taken := b.of(from)
	taken.Sub(taken, v)
	given := b.of(to)
	given.Add(given, v)
	if taken.Sign() < 0 && !strings.HasPrefix(from, "external/") {
		return fmt.Errorf("account %s is short of %v after paying %v to %s", from, new(big.Int).Neg(taken), v, to)
	}
	if b.Posted != nil {
		b.Posted(from, to, v)
	}
	return nil
}

func (b *Books) of(account string) *big.Int {
	if b.balances[account] == nil {
		b.balances[account] = new(big.Int)
	}
	return b.balances[account]
}

// settlement checks the arithmetic of a settlement, and books it once its money is
// held.
func (b *Books) settlement(r *fsm.SettlementReceipt) error {
	key := fsm.NumberKey(r.Market, r.Settlement)
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(r.Decimals)), nil)
	number := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
	whole := new(big.Int).Mul(number(r.Delta), number(r.UnitPrice))
	gross, rest := new(big.Int).QuoRem(whole.Add(whole, number(r.RemainderBefore)), scale, new(big.Int))
	fee := new(big.Int).Div(new(big.Int).Mul(gross, number(uint64(r.FeeBps))), big.NewInt(10_000))
	switch {
	case gross.Cmp(r.Gross.Big()) != 0 || rest.Cmp(number(r.RemainderAfter)) != 0:
		return fmt.Errorf("settlement %s: gross is %v with remainder %d, want %v with %v", key, r.Gross, r.RemainderAfter, gross, rest)
	case fee.Cmp(r.Fee.Big()) != 0 || new(big.Int).Sub(gross, fee).Cmp(r.Net.Big()) != 0:
		return fmt.Errorf("settlement %s: fee is %v and net %v, want a fee of %v, rounded down, out of the gross", key, r.Fee, r.Net, fee)
	}
	if r.Status != fsm.StatusHeld {
		return nil
	}
	if b.settled[r.Market] == nil {
		b.settled[r.Market] = map[uint64]uint64{}
	}
	word, bit := r.Settlement/64, uint64(1)<<(r.Settlement%64)
	if b.settled[r.Market][word]&bit != 0 {
		return fmt.Errorf("settlement %s is held twice", key)
	}
	b.settled[r.Market][word] |= bit
	b.settlements[key] = heldAmounts{r.Provider, r.Net, r.Fee}
	b.Settlements++
	if err := b.move("payer/"+r.Payer, "provider/"+r.Provider+"/held", r.Net); err != nil {
		return fmt.Errorf("settlement %s: %w", key, err)
	}
	return b.move("payer/"+r.Payer, "treasury/held", r.Fee)
}

func (b *Books) release(r *fsm.ReleaseReceipt) error {
	if r.Rehearsal {
		return nil
	}
	key := fsm.NumberKey(r.Market, r.Settlement)
	held, ok := b.settlements[key]
	if !ok {
		return fmt.Errorf("settlement %s is released and was not held, or is released twice", key)
	}
	if held != (heldAmounts{r.Provider, r.Net, r.Fee}) {
		return fmt.Errorf("settlement %s is released with net %v and fee %v to %s, and held with %v and %v for %s", key, r.Net, r.Fee, r.Provider, held.net, held.fee, held.provider)
	}
	delete(b.settlements, key)
	b.Releases++
	if err := b.move("provider/"+r.Provider+"/held", "provider/"+r.Provider, r.Net); err != nil {
		return fmt.Errorf("release of settlement %s: %w", key, err)
	}
	return b.move("treasury/held", "treasury", r.Fee)
}

// threshold books deposits, the only threshold command that moves money by itself.
func (b *Books) threshold(r *fsm.ThresholdReceipt) error {
	if r.Command != fsm.TypeDeposit.String() {
		return nil
	}
	facts := map[string]string{}
	for _, f := range r.Facts {
		facts[f.Name] = f.Value
	}
	v, ok := new(big.Int).SetString(facts["amount"], 10)
	if !ok || v.Sign() <= 0 {
		return fmt.Errorf("deposit %s is of %q", r.Identity, facts["amount"])
	}
	b.Deposits++
	outside, account := b.of("external/"+facts["asset"]), b.of(facts["account"])
	outside.Sub(outside, v)
	account.Add(account, v)
	if b.Posted != nil {
		b.Posted("external/"+facts["asset"], facts["account"], v)
	}
	return nil
}
