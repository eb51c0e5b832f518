package treasury

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"lukechampine.com/uint128"
	"pgregory.net/rapid"
)

// model is the slow twin of the ledger: balances as big integers, legs tried
// one by one on a copy of the whole map.
type model struct {
	assets   map[AccountID]string
	balances map[AccountID]*big.Int
}

func (m *model) try(legs []Leg) Code {
	trial := map[AccountID]*big.Int{}
	for id, v := range m.balances {
		trial[id] = new(big.Int).Set(v)
	}
	for _, leg := range legs {
		from, knowsFrom := m.assets[leg.From]
		to, knowsTo := m.assets[leg.To]
		if leg.Amount.IsZero() || leg.From == leg.To || !knowsFrom || !knowsTo || from != to {
			return InvalidTarget
		}
		trial[leg.From].Sub(trial[leg.From], leg.Amount.Big())
		if trial[leg.From].Sign() < 0 && !strings.HasPrefix(string(leg.From), "external/") {
			return InsufficientFunds
		}
		trial[leg.To].Add(trial[leg.To], leg.Amount.Big())
	}
	m.balances = trial
	return ""
}

func signed(a Account) *big.Int {
	v, negative := a.Balance()
	if negative {
		return new(big.Int).Neg(v.Big())
	}
	return v.Big()
}

var everybody = []AccountID{
	External("BLOCK"), Payer("grid"), Payer("roof"), Provider("sun"), ProviderHeld("sun"), Treasury, TreasuryHeld,
	External("EUR"), Payer("shop"), Provider("host"),
}

func assetOf(i int) string {
	if i < 7 {
		return "BLOCK"
	}
	return "EUR"
}

func drawLegs(t *rapid.T) []Leg {
	id := rapid.SampledFrom(append([]AccountID{"payer/nobody"}, everybody...))
	amount := rapid.OneOf(rapid.Uint64Range(0, 50), rapid.Uint64())
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Leg {
		// Mostly within an asset, or hardly anything would be allowed.
		if rapid.IntRange(0, 9).Draw(t, "aim") > 0 {
			block := everybody[:7]
			from := rapid.IntRange(0, len(block)-1).Draw(t, "from")
			to := (from + rapid.IntRange(1, len(block)-1).Draw(t, "to")) % len(block)
			return Leg{block[from], block[to], units(1 + amount.Draw(t, "amount")>>1)}
		}
		return Leg{id.Draw(t, "from"), id.Draw(t, "to"), units(amount.Draw(t, "amount"))}
	}), 0, 6).Draw(t, "legs")
}

// TestLaws posts random legs beside the slow twin. After every posting the
// balances agree, the ledger is conserved, and copies taken earlier still say
// what they said.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLedger()
		m := &model{assets: map[AccountID]string{}, balances: map[AccountID]*big.Int{}}
		for i, id := range everybody {
			l.Open(id, assetOf(i))
			m.assets[id], m.balances[id] = assetOf(i), new(big.Int)
		}
		var views []*Ledger
		var said []string
		for range rapid.IntRange(1, 40).Draw(t, "postings") {
			legs := drawLegs(t)
			r := l.Check(legs)
			want := m.try(legs)
			if r == nil && want != "" || r != nil && r.Code != want {
				t.Fatalf("legs %v: got %v, want %q", legs, r, want)
			}
			if r == nil {
				l.Post(legs)
			}
			agree(t, l, m)
			if rapid.IntRange(0, 4).Draw(t, "view") == 0 {
				views, said = append(views, l.Copy()), append(said, rows(l))
			}
		}
		for i, view := range views {
			if rows(view) != said[i] {
				t.Fatalf("view %d changed after it was taken", i)
			}
		}
	})
}

func agree(t *rapid.T, l *Ledger, m *model) {
	if err := l.Conserved(); err != nil {
		t.Fatal(err)
	}
	for id, want := range m.balances {
		a, ok := l.Account(id)
		if !ok || signed(a).Cmp(want) != 0 {
			t.Fatalf("%s has %v, want %v", id, signed(a), want)
		}
	}
	for _, total := range l.Totals() {
		sum := new(big.Int)
		for id, v := range m.balances {
			if m.assets[id] == total.Asset {
				sum.Add(sum, v)
			}
		}
		if sum.Sign() != 0 || total.Debits != total.Credits {
			t.Fatalf("%s is not conserved: %v, %v", total.Asset, sum, total)
		}
	}
}

// TestCopiesGoTheirOwnWays changes both sides of a copy.
func TestCopiesGoTheirOwnWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLedger()
		for i, id := range everybody {
			l.Open(id, assetOf(i))
		}
		l.Post([]Leg{{External("BLOCK"), Payer("grid"), units(1 << 60)}})
		copies := []*Ledger{l, l.Copy()}
		alone := []*Ledger{again(t, l), again(t, l)}
		for range rapid.IntRange(1, 30).Draw(t, "postings") {
			legs := drawLegs(t)
			side := rapid.IntRange(0, 1).Draw(t, "side")
			if copies[side].Check(legs) == nil {
				copies[side].Post(legs)
				alone[side].Post(legs)
			}
			for i := range copies {
				if rows(copies[i]) != rows(alone[i]) {
					t.Fatalf("side %d differs from a ledger of its own", i)
				}
			}
		}
	})
}

// again loads the image of a ledger into a new one.
func again(t interface{ Fatal(...any) }, l *Ledger) *Ledger {
	out := NewLedger()
	l.Image(func(row []byte) {
		if err := out.Load(row); err != nil {
			t.Fatal(err)
		}
	})
	return out
}

// TestImage loads what random postings left and finds the same rows.
func TestImage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLedger()
		for i, id := range everybody {
			if rapid.Bool().Draw(t, "open") {
				l.Open(id, assetOf(i))
			}
		}
		for range rapid.IntRange(0, 20).Draw(t, "postings") {
			if legs := drawLegs(t); l.Check(legs) == nil {
				l.Post(legs)
			}
		}
		if got := rows(again(t, l)); got != rows(l) {
			t.Fatalf("image is\n%s\nafter loading\n%s", rows(l), got)
		}
	})
}

func TestImageGolden(t *testing.T) {
	l := opened(t, External("BLOCK"), Treasury)
	l.Post([]Leg{{External("BLOCK"), Treasury, uint128.New(2, 1)}})
	zero, amount := strings.Repeat("0", 32), strings.Repeat("0", 15)+"1"+strings.Repeat("0", 15)+"2"
	want := fmt.Sprintf("010e%x05%x%s%s\n", "external/BLOCK", "BLOCK", amount, zero) +
		fmt.Sprintf("0108%x05%x%s%s\n", "treasury", "BLOCK", zero, amount)
	if got := rows(l); got != want {
		t.Errorf("image is\n%swant\n%s", got, want)
	}
}

func TestLoadRefusals(t *testing.T) {
	var good [][]byte
	house(t).Image(func(row []byte) { good = append(good, bytes.Clone(row)) })
	edit := func(row []byte, f func([]byte) []byte) []byte { return f(append([]byte(nil), row...)) }
	tests := []struct {
		name string
		rows [][]byte
		want string
	}{
		{"empty", [][]byte{{}}, "empty"},
		{"tag", [][]byte{edit(good[0], func(r []byte) []byte { r[0] = 2; return r })}, "unknown tag 0x02"},
		{"short", [][]byte{good[0][:len(good[0])-1]}, "cut short"},
		{"long", [][]byte{append(append([]byte(nil), good[0]...), 0)}, "1 bytes too many"},
		{"twice", [][]byte{good[0], good[0]}, "does not follow"},
		{"order", [][]byte{good[1], good[0]}, "does not follow"},
		{"name", [][]byte{edit(good[1], func(r []byte) []byte { r[2] = 'q'; return r })}, "no valid name"},
		{"negative", [][]byte{edit(good[2], func(r []byte) []byte { r[len(r)-17] = 1; return r })}, "negative by 1"},
		{"too large", [][]byte{edit(good[0], func(r []byte) []byte { r[len(r)-32] = 1; return r })}, "above the limit"},
	}
	for _, tt := range tests {
		l := NewLedger()
		for i, row := range tt.rows {
			before := rows(l)
			err := l.Load(row)
			if i < len(tt.rows)-1 {
				says(t, err, "")
				continue
			}
			says(t, err, tt.want)
			if rows(l) != before {
				t.Errorf("%s: a refused row changed the ledger", tt.name)
			}
		}
	}
}

// FuzzLoad offers any rows, each behind one byte of length. A ledger that took
// a row emits it again, byte for byte.
func FuzzLoad(f *testing.F) {
	var seed []byte
	house(f).Image(func(row []byte) { seed = append(append(seed, byte(len(row))), row...) })
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		l := NewLedger()
		var taken strings.Builder
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1)
			row := data[1 : 1+n]
			data = data[1+n:]
			if l.Load(row) == nil {
				fmt.Fprintf(&taken, "%x\n", row)
			}
		}
		if rows(l) != taken.String() {
			t.Fatalf("took\n%sand emits\n%s", taken.String(), rows(l))
		}
		// Any ledger that loads can be audited: only a posting keeps the sums.
		_ = l.Conserved()
	})
}
