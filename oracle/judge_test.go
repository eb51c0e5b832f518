package oracle

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOverCapacity compares with fractions: delta against 1.2 x capacity x
// elapsed hours.
func TestOverCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := max(1, anyU64().Draw(t, "capacity"))
		elapsed := rapid.OneOf(rapid.Int64Range(1, 1<<53), rapid.Int64Range(1, 10_000_000)).Draw(t, "elapsed")
		most := new(big.Rat).SetFrac(new(big.Int).Mul(wide(capacity), big.NewInt(12*elapsed)), big.NewInt(10*hourMs))
		edge := new(big.Int).Quo(most.Num(), most.Denom())
		delta := anyU64().Draw(t, "delta")
		if edge.IsUint64() && rapid.Bool().Draw(t, "edge") {
			delta = edge.Uint64() + rapid.Uint64Range(0, 1).Draw(t, "above")
		}
		want := new(big.Rat).SetInt(wide(delta)).Cmp(most) > 0
		if got := overCapacity(delta, capacity, elapsed); got != want {
			t.Fatalf("%d of at most %v: %v", delta, most.FloatString(3), got)
		}
	})
}

// TestDeviates compares with fractions: the distance against a share.
func TestDeviates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Market{DeviationPpm: rapid.Uint32Range(0, million).Draw(t, "ppm")}
		meter := meterRow{spec: &meterSpec{
			capacity: max(1, anyU64().Draw(t, "capacity")), intervalMs: rapid.Int64Range(1, maxIntervalMs).Draw(t, "interval"),
		}}
		meter.hasBase = rapid.Bool().Draw(t, "has base")
		if meter.hasBase {
			meter.baseRegister = anyU64().Draw(t, "base")
		}
		claim, median := anyU64().Draw(t, "claim"), anyU64().Draw(t, "median")
		if rapid.Bool().Draw(t, "near") {
			claim = median + rapid.Uint64Range(0, 9).Draw(t, "by")
		}
		distance := new(big.Int).Sub(wide(claim), wide(median))
		measure := new(big.Rat).SetInt(new(big.Int).Abs(new(big.Int).Sub(wide(median), wide(meter.baseRegister))))
		if !meter.hasBase {
			measure.SetFrac(new(big.Int).Mul(wide(meter.spec.capacity), big.NewInt(meter.spec.intervalMs)), big.NewInt(hourMs))
		}
		measure.Mul(measure, big.NewRat(int64(m.DeviationPpm), million))
		want := new(big.Rat).SetInt(distance.Abs(distance)).Cmp(measure) > 0
		if got := deviates(m, meter, claim, median); got != want {
			t.Fatalf("%d from %d, tolerance %v: %v", claim, median, measure.FloatString(3), got)
		}
	})
}

// TestMedian compares with writing every register as often as its weight says,
// sorting, and picking the lower middle.
func TestMedian(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, MaxOracles).Draw(t, "members")
		var members []Member
		for i := range n {
			members = append(members, Member{oracleNamed(i), rapid.Uint64Range(1, 30).Draw(t, "weight")})
		}
		e := newElectorate(1, 0, million, members)
		row := liveRow{}
		var written []uint64
		for _, i := range rapid.Permutation(numbersTo(n)).Draw(t, "arrival") {
			accept := rapid.IntRange(0, 3).Draw(t, "accept") > 0
			if accept {
				row.accept |= 1 << i
			} else {
				row.reject |= 1 << i
			}
			if rapid.IntRange(0, 3).Draw(t, "silent") == 0 {
				continue
			}
			register := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 5)).Draw(t, "register")
			row.said = row.said.with(Observed{uint8(i), register})
			for range members[i].Weight {
				if accept {
					written = append(written, register)
				}
			}
		}
		got, ok := medianObserved(row, e)
		if ok != (len(written) > 0) {
			t.Fatalf("there is a median: %v, of %d", ok, len(written))
		}
		slices.Sort(written)
		if ok && got != written[(len(written)-1)/2] {
			t.Fatalf("median is %d, want %d", got, written[(len(written)-1)/2])
		}
	})
}

// The largest weights there can be do not overflow the sum.
func TestMedianOfLargeWeights(t *testing.T) {
	e := newElectorate(1, 0, million, []Member{{"a", MaxWeight / 2}, {"b", MaxWeight - MaxWeight/2}})
	row := liveRow{accept: 0b11}
	row.said = row.said.with(Observed{0, 5}).with(Observed{1, 9})
	if got, _ := medianObserved(row, e); got != 9 {
		t.Errorf("median is %d", got)
	}
	if e.Required != MaxWeight {
		t.Errorf("required is %d of %d", e.Required, uint64(MaxWeight))
	}
}

func numbersTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestRequired compares the required weight with its definition.
func TestRequired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.OneOf(rapid.Uint64Range(1, 100), rapid.Uint64Range(1, MaxWeight)).Draw(t, "total")
		ppm := rapid.Uint32Range(million/2+1, million).Draw(t, "ppm")
		required := ceilShare(total, ppm)
		enough := func(w uint64) bool {
			return new(big.Int).Mul(wide(w), wide(million)).Cmp(new(big.Int).Mul(wide(uint64(ppm)), wide(total))) >= 0
		}
		if !enough(required) || required > 0 && enough(required-1) || required > total {
			t.Fatalf("%d of %d at %d ppm", required, total, ppm)
		}
	})
}
