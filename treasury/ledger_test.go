package treasury

import (
	"fmt"
	"strings"
	"testing"

	"lukechampine.com/uint128"
)

func units(n uint64) Amount { return uint128.From64(n) }

// opened returns a ledger with the accounts of BLOCK.
func opened(t testing.TB, ids ...AccountID) *Ledger {
	t.Helper()
	l := NewLedger()
	for _, id := range ids {
		if r := l.CheckOpen("BLOCK", id); r != nil {
			t.Fatal(r)
		}
		l.Open(id, "BLOCK")
	}
	return l
}

// house is the ledger of the example in the package documentation, after the
// deposit.
func house(t testing.TB) *Ledger {
	t.Helper()
	l := opened(t, External("BLOCK"), Payer("grid"), Provider("sun"), ProviderHeld("sun"), Treasury, TreasuryHeld)
	l.Post([]Leg{{External("BLOCK"), Payer("grid"), units(1_000)}})
	return l
}

func TestExample(t *testing.T) {
	l := house(t)
	l.Post([]Leg{{Payer("grid"), ProviderHeld("sun"), units(29)}, {Payer("grid"), TreasuryHeld, units(1)}})
	l.Post([]Leg{{ProviderHeld("sun"), Provider("sun"), units(29)}, {TreasuryHeld, Treasury, units(1)}})

	var got []string
	l.Accounts("", func(a Account) bool {
		v, negative := a.Balance()
		sign := map[bool]string{true: "-"}[negative]
		got = append(got, fmt.Sprintf("%s %v %v %s%v", a.ID, a.Debits, a.Credits, sign, v))
		return true
	})
	want := []string{
		"external/BLOCK 1000 0 -1000",
		"payer/grid 30 1000 970",
		"provider/sun 0 29 29",
		"provider/sun/held 29 29 0",
		"treasury 0 1 1",
		"treasury/held 1 1 0",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("accounts are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if totals := l.Totals(); len(totals) != 1 || totals[0] != (Total{"BLOCK", Sum{Amount: units(1_060)}, Sum{Amount: units(1_060)}}) {
		t.Errorf("totals are %v", totals)
	}
	if err := l.Conserved(); err != nil {
		t.Error(err)
	}
}

func TestCheckRefusals(t *testing.T) {
	payer, held, treasury := Payer("grid"), ProviderHeld("sun"), Treasury
	most := maxMoney
	tests := []struct {
		name string
		legs []Leg
		want string // "" if allowed
	}{
		{"nothing", nil, ""},
		{"all there is", []Leg{{payer, held, units(1_000)}}, ""},
		{"one too much", []Leg{{payer, held, units(1_001)}}, "InsufficientFunds account=payer/grid balance=1000 needed=1001"},
		{"running balance", []Leg{{payer, held, units(600)}, {payer, treasury, units(600)}}, "InsufficientFunds account=payer/grid balance=400 needed=600"},
		{"brought in first", []Leg{{payer, held, units(5)}, {held, treasury, units(5)}}, ""},
		{"taken out first", []Leg{{held, treasury, units(5)}, {payer, held, units(5)}}, "InsufficientFunds account=provider/sun/held balance=0 needed=5"},
		{"there and back", []Leg{{payer, held, units(9)}, {held, payer, units(9)}}, ""},
		{"external may be short", []Leg{{External("BLOCK"), payer, units(1 << 40)}}, ""},
		{"zero", []Leg{{payer, held, units(0)}}, "InvalidTarget reason=zero_amount account=provider/sun/held"},
		{"zero before same", []Leg{{payer, payer, units(0)}}, "InvalidTarget reason=zero_amount account=payer/grid"},
		{"same", []Leg{{payer, payer, units(1)}}, "InvalidTarget reason=same_account account=payer/grid"},
		{"unknown from", []Leg{{Payer("nobody"), held, units(1)}}, "InvalidTarget reason=unknown_account account=payer/nobody"},
		{"unknown to", []Leg{{payer, Payer("nobody"), units(9_999)}}, "InvalidTarget reason=unknown_account account=payer/nobody"},
		{"other asset before funds", []Leg{{payer, Payer("euro"), units(9_999)}}, "InvalidTarget reason=other_asset account=payer/euro asset=EUR"},
		{"first leg decides", []Leg{{payer, held, units(9_999)}, {payer, payer, units(1)}}, "InsufficientFunds account=payer/grid balance=1000 needed=9999"},
		{"all money that can be", []Leg{{External("BLOCK"), Treasury, most.Sub64(1_000)}}, ""},
		{"money above the limit", []Leg{{External("BLOCK"), Treasury, most.Sub64(999)}}, "LimitExceeded limit=money account=external/BLOCK max=" + most.String()},
		{"out makes room for in", []Leg{{payer, External("BLOCK"), units(1)}, {External("BLOCK"), Treasury, most.Sub64(999)}}, ""},
		{"an amount of 128 bits", []Leg{{External("BLOCK"), Treasury, uint128.Max}}, "LimitExceeded limit=money account=external/BLOCK max=" + most.String()},
		{"debits at the limit", []Leg{{External("EUR"), Payer("euro"), units(1)}}, ""},
		{"debits above the limit", []Leg{{External("EUR"), Payer("euro"), units(2)}}, "LimitExceeded limit=account_sum account=external/EUR max=" + maxSum.String()},
		{"credits above the limit", []Leg{{payer, Payer("old"), units(1)}}, "LimitExceeded limit=account_sum account=payer/old max=" + maxSum.String()},
		{"most legs", moves(MaxLegs), ""},
		{"a leg too many", moves(MaxLegs + 1), "LimitExceeded limit=legs max=64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := house(t)
			l.Open(Payer("euro"), "EUR")
			l.accounts.Set(Payer("old"), Account{ID: Payer("old"), Asset: "BLOCK", Debits: maxSum.Sub64(1), Credits: maxSum})
			l.accounts.Set(External("EUR"), Account{ID: External("EUR"), Asset: "EUR", Debits: maxSum.Sub64(1), Credits: maxSum.Sub64(2)})
			before := rows(l)
			got := ""
			if r := l.Check(tt.legs); r != nil {
				got = r.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if rows(l) != before {
				t.Error("a question changed the ledger")
			}
			if !panics(func() { l.Post(tt.legs) }) != (tt.want == "") {
				t.Error("Post and Check disagree")
			}
			if tt.want != "" && rows(l) != before {
				t.Error("a refused posting changed the ledger")
			}
		})
	}
}

// moves is that many legs of one unit each.
func moves(n int) []Leg {
	legs := make([]Leg, n)
	for i := range legs {
		legs[i] = Leg{Payer("grid"), ProviderHeld("sun"), units(1)}
	}
	return legs
}

func TestOpen(t *testing.T) {
	tests := []struct {
		id    AccountID
		asset string
		want  string
	}{
		{Payer("grid"), "BLOCK", ""}, // exists, the same
		{Payer("grid"), "EUR", "InvalidTarget reason=other_asset account=payer/grid asset=BLOCK"},
		{Payer("roof"), "BLOCK", ""},
		{External("EUR"), "EUR", ""},
		{External("EUR"), "BLOCK", "InvalidTarget reason=malformed_account account=external/EUR"},
		{Treasury, "a.b-c_9", ""},
		{Treasury, "", "InvalidTarget reason=malformed_asset asset="},
		{Treasury, "9A", "InvalidTarget reason=malformed_asset asset=9A"},
		{Treasury, "\u212aelvin", "InvalidTarget reason=malformed_asset asset=\u212aelvin"},
		{Treasury, strings.Repeat("A", 33), "InvalidTarget reason=malformed_asset asset=" + strings.Repeat("A", 33)},
		{Payer(strings.Repeat("a", 64)), "BLOCK", ""},
		{Payer(strings.Repeat("a", 65)), "BLOCK", "InvalidTarget reason=malformed_account account=payer/" + strings.Repeat("a", 65)},
	}
	for _, malformed := range []AccountID{
		"", "grid", "payer", "payer/", "payer/Grid", "payer/grid/held/held", "provider//held", "provider/sun/held/held",
		"treasury/", "treasury/sun", "external/", "payer/9", "payer/a b", "provider/held/x",
	} {
		tests = append(tests, struct {
			id    AccountID
			asset string
			want  string
		}{malformed, "BLOCK", "InvalidTarget reason=malformed_account account=" + string(malformed)})
	}
	for _, tt := range tests {
		l := opened(t, Payer("grid"))
		got := ""
		if r := l.CheckOpen(tt.asset, tt.id); r != nil {
			got = r.Error()
		}
		if got != tt.want {
			t.Errorf("%s of %s: got %q, want %q", tt.id, tt.asset, got, tt.want)
		}
		if panics(func() { l.Open(tt.id, tt.asset) }) != (tt.want != "") {
			t.Errorf("%s of %s: Open and CheckOpen disagree", tt.id, tt.asset)
		}
	}
}

func TestOpenAgainKeepsTheSums(t *testing.T) {
	l := house(t)
	before := rows(l)
	l.Open(Payer("grid"), "BLOCK")
	if rows(l) != before {
		t.Error("opening an existing account changed it")
	}
}

// The table of accounts is filled by hand up to its limit: opening 2^20 one by
// one would test nothing more.
func TestAccountsLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills 2^20 rows")
	}
	l := NewLedger()
	for i := range MaxAccounts {
		id := AccountID(fmt.Sprintf("payer/p%08d", i))
		l.accounts.Load(id, Account{ID: id, Asset: "BLOCK"})
	}
	r := l.CheckOpen("BLOCK", Payer("late"))
	if r == nil || r.Error() != "LimitExceeded limit=accounts max=1048576" {
		t.Errorf("got %v", r)
	}
	if r := l.CheckOpen("BLOCK", "payer/p00000000"); r != nil {
		t.Errorf("an existing account is refused: %v", r)
	}
	if r := l.CheckOpen("BLOCK", "payer/p00000000", Payer("late")); r == nil {
		t.Error("two accounts fit, one of them new")
	}

	// A payee takes two accounts, and there is room for one.
	l.accounts.Delete("payer/p00000000")
	if r := l.CheckOpen(Asset, "payee/acme"); r != nil {
		t.Errorf("the last one is refused: %v", r)
	}
	d := &Disbursement{Body: Body{Destination: "payee/acme", Amount: units(1)}}
	if why := (&run{l: l}).target(d); why.Detail != DetailLedger {
		t.Errorf("with room for one of two: %+v", why)
	}
	l.accounts.Delete("payer/p00000001")
	if why := (&run{l: l}).target(d); why.Code != "" {
		t.Errorf("with room for both: %+v", why)
	}
	l.Open("payee/acme", Asset)
	l.Open("payee/acme/held", Asset)
}

// What no posting can bring about is written into the rows directly, to see
// that it is found.
func TestAuditFindsDamage(t *testing.T) {
	tests := []struct {
		name   string
		damage func(a *Account)
		whole  string
		single string
	}{
		{"a credit from nowhere", func(a *Account) { a.Credits = a.Credits.Add64(1) }, "not conserved", ""},
		{"a debit that nobody got", func(a *Account) { a.Debits = a.Debits.Add64(1) }, "not conserved", ""},
		{"negative", func(a *Account) { a.Debits, a.Credits = a.Debits.Add64(2_000), a.Credits.Add64(0) }, "negative by 1000", "negative by 1000"},
		{"other asset", func(a *Account) { a.Asset = "EUR" }, "not conserved", ""},
		{"filed wrong", func(a *Account) { a.ID = Payer("roof") }, "filed under", "filed under"},
		{"too large", func(a *Account) { a.Credits = maxMoney.Add64(1) }, "above the limit", "above the limit"},
		{"no asset", func(a *Account) { a.Asset = "" }, "no valid name", "no valid name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := house(t)
			a, _ := l.Account(Payer("grid"))
			tt.damage(&a)
			l.accounts.Set(Payer("grid"), a)
			says(t, l.Conserved(), tt.whole)
			says(t, l.Touched([]AccountID{Treasury, Payer("grid")}), tt.single)
			says(t, l.Touched([]AccountID{Treasury}), "")
		})
	}
	says(t, house(t).Touched([]AccountID{"payer/nobody"}), "does not exist")
}

// Totals are right beyond 128 bits, too.
func TestTotalsOfLargeSums(t *testing.T) {
	l := opened(t, Payer("a"), Payer("b"), External("BLOCK"))
	for _, id := range []AccountID{Payer("a"), Payer("b"), External("BLOCK")} {
		l.accounts.Set(id, Account{ID: id, Asset: "BLOCK", Debits: maxSum.Sub64(1), Credits: maxSum.Sub64(1)})
	}
	if total := l.Totals()[0]; total.Debits != (Sum{maxSum.Sub64(5), 2}) || total.Debits != total.Credits {
		t.Errorf("%+v", total)
	}
	if err := l.Conserved(); err != nil {
		t.Error(err)
	}
	l.Post([]Leg{{External("BLOCK"), Payer("a"), units(1)}})
	if err := l.Conserved(); err != nil {
		t.Error(err)
	}
}

func TestAccountsPages(t *testing.T) {
	l := house(t)
	var ids []string
	l.Accounts(Payer("grid"), func(a Account) bool {
		ids = append(ids, string(a.ID))
		return len(ids) < 2
	})
	if got := strings.Join(ids, " "); got != "provider/sun provider/sun/held" {
		t.Errorf("got %s", got)
	}
	if _, ok := l.Account("payer/nobody"); ok {
		t.Error("an account exists that nobody opened")
	}
}

func says(t *testing.T, err error, part string) {
	t.Helper()
	if part == "" && err == nil {
		return
	}
	if err == nil || part == "" || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want %q", err, part)
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// rows is the image of a ledger as one string.
func rows(l *Ledger) string {
	var b strings.Builder
	l.Image(func(row []byte) { fmt.Fprintf(&b, "%x\n", row) })
	return b.String()
}

func BenchmarkPost(b *testing.B) {
	l := house(b)
	l.Post([]Leg{{External("BLOCK"), Payer("grid"), units(1 << 50)}})
	legs := []Leg{{Payer("grid"), ProviderHeld("sun"), units(29)}, {Payer("grid"), TreasuryHeld, units(1)}}
	b.ReportAllocs()
	for b.Loop() {
		if r := l.Check(legs); r != nil {
			b.Fatal(r)
		}
		l.Post(legs)
	}
}
