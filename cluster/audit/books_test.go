package audit

import (
	"strings"
	"testing"

	"lukechampine.com/uint128"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/treasury"
)

func units(n uint64) fsm.Amount { return uint128.From64(n) }

// life is what a payer, a provider and a treasury go through, receipt for receipt.
func life() []any {
	leg := func(from, to string, n uint64) []fsm.ReceiptLeg {
		return []fsm.ReceiptLeg{{From: from, To: to, Amount: units(n)}}
	}
	step := func(id byte, n uint64, action, from, status string, legs ...fsm.ReceiptLeg) *fsm.DisbursementReceipt {
		to := map[byte]string{1: "payee/acme", 2: "provider/sun", 3: "provider/sun"}[id]
		return &fsm.DisbursementReceipt{Disbursement: fsm.Identity{id}, Step: n, Action: action, From: from, Status: status, Destination: to, Amount: units(100), Legs: legs}
	}
	deposit := func(account, amount string) *fsm.ThresholdReceipt {
		return &fsm.ThresholdReceipt{Command: "deposit", Facts: []fsm.Field{{Name: "account", Value: account}, {Name: "asset", Value: "BLOCK"}, {Name: "amount", Value: amount}}}
	}
	return []any{
		deposit("payer/grid", "1000"), deposit("treasury", "500"),
		&fsm.SettlementReceipt{Market: "energy", Settlement: 1, Status: fsm.StatusReceivable, Provider: "sun", Payer: "grid", Delta: 1_999, Decimals: 3, UnitPrice: 100, RemainderAfter: 900, Gross: units(199), FeeBps: 100, Fee: units(1), Net: units(198)},
		&fsm.SettlementReceipt{Market: "energy", Settlement: 1, Status: fsm.StatusHeld, Provider: "sun", Payer: "grid", Delta: 1_999, Decimals: 3, UnitPrice: 100, RemainderAfter: 900, Gross: units(199), FeeBps: 100, Fee: units(1), Net: units(198)},
		&fsm.ReleaseReceipt{Market: "energy", Settlement: 1, Provider: "sun", Net: units(198), Fee: units(1)},
		step(1, 1, "propose", "", "draft"), step(1, 2, "count", "draft", "queued"),
		step(1, 3, "reserve", "queued", "queued", leg("treasury", "treasury/reserved", 100)...),
		step(1, 4, "execute", "queued", "executed", leg("treasury/reserved", "payee/acme/held", 100)...),
		step(1, 5, "finalize", "executed", "finalized", append(leg("payee/acme/held", "payee/acme", 100), leg("payee/acme", "leaving", 100)...)...),
		&fsm.WithdrawalReceipt{Withdrawal: fsm.Identity{1}, Step: 1, Action: "withdraw", State: "requested", Account: "payee/acme", Asset: "BLOCK", Amount: units(100)},
		&fsm.WithdrawalReceipt{Withdrawal: fsm.Identity{1}, Step: 2, Action: "paid", By: "ann", State: "paid", Account: "payee/acme", Asset: "BLOCK", Amount: units(100), Legs: leg("leaving", "external/BLOCK", 100)},
		step(2, 1, "propose", "", "draft"), step(2, 2, "reserve", "draft", "queued", leg("treasury", "treasury/reserved", 100)...),
		step(2, 3, "veto", "queued", "cancelled", leg("treasury/reserved", "treasury", 100)...),
		step(3, 1, "propose", "", "draft"), step(3, 2, "reserve", "draft", "queued", leg("treasury", "treasury/reserved", 100)...),
		step(3, 3, "execute", "queued", "executed", leg("treasury/reserved", "provider/sun/held", 100)...),
		step(3, 4, "rollback", "executed", "rolled_back", leg("provider/sun/held", "treasury", 100)...),
	}
}

func TestBooks(t *testing.T) {
	b := NewBooks()
	for i, body := range life() {
		if err := b.Take(body); err != nil {
			t.Fatalf("receipt %d: %v", i, err)
		}
	}
	l := treasury.NewLedger()
	for _, id := range []treasury.AccountID{"external/BLOCK", "payer/grid", "provider/sun", "provider/sun/held", "treasury", "treasury/held", "treasury/reserved", "payee/acme", "payee/acme/held", "leaving"} {
		l.Open(id, "BLOCK")
	}
	l.Post([]treasury.Leg{
		{From: "external/BLOCK", To: "payer/grid", Amount: units(801)},
		{From: "external/BLOCK", To: "provider/sun", Amount: units(198)},
		{From: "external/BLOCK", To: "treasury", Amount: units(401)},
	})
	if err := b.Agrees(l); err != nil {
		t.Error(err)
	}
	b.of("provider/gone")
	if err := b.Agrees(l); err == nil || !strings.Contains(err.Error(), "receipts name 11 accounts, 10 of them exist") {
		t.Error(err)
	}
	l.Post([]treasury.Leg{{From: "treasury", To: "leaving", Amount: units(1)}})
	if err := b.Agrees(l); err == nil || !strings.Contains(err.Error(), "account leaving has 1, its receipts come to 0") {
		t.Error(err)
	}
}

// Whatever is wrong in a receipt, or told twice, is named.
func TestBooksRefuse(t *testing.T) {
	for _, test := range []struct {
		name   string
		at     int // which receipt is changed, or told again after it
		again  bool
		change func(body any)
		want   string
	}{
		{"gross", 3, false, func(b any) { b.(*fsm.SettlementReceipt).Gross = units(200) }, "gross is 200"},
		{"fee rounded up", 3, false, func(b any) { b.(*fsm.SettlementReceipt).Fee, b.(*fsm.SettlementReceipt).Net = units(2), units(197) }, "rounded down"},
		{"another fee", 3, false, func(b any) { b.(*fsm.SettlementReceipt).Fee = units(2) }, "fee is 2"},
		{"another net", 3, false, func(b any) { b.(*fsm.SettlementReceipt).Net = units(199) }, "net 199"},
		{"remainder kept", 3, false, func(b any) { b.(*fsm.SettlementReceipt).RemainderAfter = 901 }, "remainder 901"},
		{"held twice", 3, true, nil, "held twice"},
		{"payer short", 3, false, func(b any) { b.(*fsm.SettlementReceipt).Payer = "roof" }, "payer/roof is short of 198"},
		{"released twice", 4, true, nil, "released twice"},
		{"released with more", 4, false, func(b any) { b.(*fsm.ReleaseReceipt).Net = units(199) }, "and held with 198"},
		{"deposit of nothing", 0, false, func(b any) { b.(*fsm.ThresholdReceipt).Facts[2].Value = "-5" }, `is of "-5"`},
		{"a step left out", 6, false, func(b any) { b.(*fsm.DisbursementReceipt).Step = 3 }, "step 3 from"},
		{"another status", 6, false, func(b any) { b.(*fsm.DisbursementReceipt).From = "voting" }, `from "voting"`},
		{"another amount", 7, false, func(b any) { b.(*fsm.DisbursementReceipt).Amount = units(99) }, "was of 100"},
		{"reserved in part", 7, false, func(b any) { b.(*fsm.DisbursementReceipt).Legs[0].Amount = units(99) }, "want 100 from treasury"},
		{"paid elsewhere", 8, false, func(b any) { b.(*fsm.DisbursementReceipt).Legs[0].To = "provider/sun/held" }, "want 100 from treasury/reserved to payee/acme/held"},
		{"finalized twice", 9, true, nil, "follows step 0"},
		{"paid out twice", 11, true, nil, "follows step 0"},
		{"reservation kept", 14, false, func(b any) { b.(*fsm.DisbursementReceipt).Legs = nil }, "moves money 0 times, want 1"},
		{"rollback in part", 18, false, func(b any) { b.(*fsm.DisbursementReceipt).Legs[0].Amount = units(1) }, "want 100 from provider/sun/held to treasury"},
	} {
		b, err := NewBooks(), error(nil)
		for i, body := range life() {
			if i == test.at && test.change != nil {
				test.change(body)
			}
			if err = b.Take(body); err == nil && i == test.at && test.again {
				err = b.Take(body)
			}
			if err != nil || i == test.at {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}
