package fsm

import (
	"testing"

	"lukechampine.com/uint128"
)

// Whoever moves money to and fro makes sums grow that only grow, which takes nobody else.
// With all the money that can be in, the account's sums and those of the account leaving
// stay so far below their limit that a release, which must not fail, has room.
func TestChurnLeavesRoomForReleases(t *testing.T) {
	r := world(t)
	all := uint128.New(1<<64-1, 1<<16-1).Sub64(1_000_000)
	deposit := func(v Amount, reference string) *Command {
		return r.threshold(&Deposit{Account: "provider/sunny", Asset: "BLOCK", Amount: v, Reference: reference})
	}
	if o := r.send(deposit(all.Add64(1), "too much"))[0]; o.Refusal.Code != LimitExceeded || o.Refusal.Field("limit") != "money" {
		t.Fatalf("%v", o.Refusal)
	}
	r.must(deposit(all, "the most"))
	r.must(r.sign("sunny", r.reading("m-1", 0, r.now-2*hour)), r.sign("sunny", r.reading("m-1", 9_000, r.now-hour)))
	const rounds = 100
	for range rounds {
		w := r.must(r.sign("sunny", &Withdraw{Amount: all, Payee: "IBAN"}))[0]
		r.must(r.sign("sunny", &CancelWithdrawal{Withdrawal: w.ID}))
	}
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
	r.pass(10)
	if got := r.balance("provider/sunny/held"); got != 0 || len(r.m.View().Alarms()) > 0 {
		t.Errorf("%d are still held, alarms %v", got, r.m.View().Alarms())
	}
	for _, id := range []string{"provider/sunny", "leaving"} {
		a, _ := r.m.state.ledger.Account(accountID(id))
		if left := uint128.Max.Sub(a.Credits).Div(a.Credits.Div64(rounds)); left.Cmp64(1<<47) < 0 {
			t.Errorf("account %s has room for %v rounds more", id, left)
		}
	}
}
