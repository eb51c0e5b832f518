package oracle

import (
	"math/big"
	"testing"

	"lukechampine.com/uint128"
	"pgregory.net/rapid"
)

// settled is a world with one settlement of a delta of 8,000.
func settled(t *testing.T, m Market) (*State, []Effect) {
	t.Helper()
	s := world(t, m, 1, "roof")
	take(t, s, at(0), "roof", 100)
	attest(t, s, at(0), oracleNamed(0), 1, 1)
	take(t, s, at(hourMs), "roof", 8_100)
	_, fx := attest(t, s, at(hourMs), oracleNamed(0), 2, 2)
	return s, fx
}

func TestSettlementTerms(t *testing.T) {
	s, fx := settled(t, energy())
	expect(t, fx, "settled 2 delta 8000 gross 200 fee 2 net 198")
	got, ok := s.Settlement("energy", 1)
	want := Settlement{
		Number: 1, Market: "energy", Meter: "roof", Provider: "sun", Payer: "grid", Asset: "BLOCK",
		Readings: []Identity{identity(2)}, FromNumber: 2, ToNumber: 2,
		FromRegister: 100, ToRegister: 8_100, Delta: 8_000, FromMeasuredAt: morning, ToMeasuredAt: morning + hourMs,
		UnitPrice: 25, Decimals: 3, FeeBps: 100,
		Gross: uint128.From64(200), Fee: uint128.From64(2), Net: uint128.From64(198), Height: 3_600,
	}
	if !ok || !equal(got, want) || !equal(fx[0].(Settled).Settlement, want) {
		t.Errorf("the settlement is\n%+v, want\n%+v", got, want)
	}
	if r := fx[0].(Settled).Reading; r.Number != 2 || r.AcceptedAt != morning+hourMs || r.Accept != 1 {
		t.Errorf("its reading is %+v", r)
	}
}

func TestReleaseAfterTheWindow(t *testing.T) {
	s, _ := settled(t, energy())
	c := Clock{Now: morning + 2*hourMs, Height: 7_000}
	expect(t, s.Funded("energy", 1, c), "due-release 1 at 7100")
	expect(t, s.Funded("energy", 1, at(9*hourMs))) // its window runs already
	if set, _ := s.Settlement("energy", 1); set.ReleaseHeight != 7_100 {
		t.Errorf("it is released at %d", set.ReleaseHeight)
	}
	expect(t, s.Release("energy", 1), "released 1")
	if _, ok := s.Settlement("energy", 1); ok {
		t.Error("a released settlement is kept")
	}
	expect(t, s.Release("energy", 1))
	expect(t, s.Funded("energy", 1, c))
	expect(t, s.Release("gas", 1))
	expect(t, s.Funded("gas", 1, c))
	if s.LastSettlement("energy") != 1 {
		t.Error("the number is forgotten")
	}
	consistent(t, s)
}

func TestReleaseOfUnfunded(t *testing.T) {
	s, _ := settled(t, energy())
	defer func() {
		if recover() == nil {
			t.Error("a settlement was released that nobody paid")
		}
	}()
	s.Release("energy", 1)
}

func TestRehearsal(t *testing.T) {
	m := energy()
	m.Stage = StageRehearsal
	s, fx := settled(t, m)
	expect(t, fx, "settled 2 delta 8000 gross 200 fee 2 net 198", "due-release 1 at 3700")
	if set, _ := s.Settlement("energy", 1); !set.Rehearsal {
		t.Error("the settlement does not say that it is a rehearsal")
	}
	expect(t, s.Funded("energy", 1, at(0)))
	expect(t, s.Release("energy", 1), "released 1")
}

// The row valid at the closing decides, not the one at the acceptance.
func TestPriceAtClosing(t *testing.T) {
	s := world(t, energy(), 1, "roof")
	take(t, s, at(0), "roof", 0)
	attest(t, s, at(0), oracleNamed(0), 1, 1)
	take(t, s, at(hourMs), "roof", 1_000)
	m := energy()
	m.UnitPrice, m.FeeBps = 1_000, 5_000
	allowed(t, s.ScheduleMarket(m, 1, 0))
	s.BeginEpoch(1)
	_, fx := attest(t, s, at(hourMs), oracleNamed(0), 2, 2)
	expect(t, fx, "settled 2 delta 1000 gross 1000 fee 500 net 500")
}

// TestMoney compares gross, fee and remainder with big integers.
func TestMoney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		delta, price := anyU64().Draw(t, "delta"), anyU64().Draw(t, "price")
		decimals := uint8(rapid.IntRange(0, MaxDecimals).Draw(t, "decimals"))
		remainder := rapid.Uint64Range(0, powersOfTen[decimals]-1).Draw(t, "remainder")
		bps := rapid.Uint32Range(0, wholeBps).Draw(t, "bps")

		whole, rest := gross(delta, price, remainder, decimals)
		numerator := new(big.Int).Mul(wide(delta), wide(price))
		numerator.Add(numerator, wide(remainder))
		wantWhole, wantRest := new(big.Int).QuoRem(numerator, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil), new(big.Int))
		if whole.Big().Cmp(wantWhole) != 0 || wide(rest).Cmp(wantRest) != 0 {
			t.Fatalf("gross is %v and %d, want %v and %v", whole, rest, wantWhole, wantRest)
		}
		wantFee := new(big.Int).Mul(wantWhole, big.NewInt(int64(bps)))
		wantFee.Quo(wantFee, big.NewInt(wholeBps))
		if got := fee(whole, bps); got.Big().Cmp(wantFee) != 0 || got.Cmp(whole) > 0 {
			t.Fatalf("fee of %v at %d bps is %v, want %v", whole, bps, got, wantFee)
		}
	})
}

func anyU64() *rapid.Generator[uint64] {
	return rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 20), rapid.Uint64Range(1<<64-20, 1<<64-1))
}

func wide(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
