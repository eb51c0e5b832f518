package oracle

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// ballot is one oracle's verdict on one reading.
type ballot struct {
	oracle int
	number uint64
	verdict
}

// TestArrival casts the same votes in two orders. Every reading comes to the
// same end with the same money. Observed values decide by a median of those
// that arrived before the quorum; so they are given only where the quorum is
// everybody.
func TestArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := energy()
		values := rapid.Bool().Draw(t, "values")
		m.QuorumThresholdPpm = rapid.SampledFrom([]uint32{500_001, 670_000, 800_000}).Draw(t, "threshold")
		if values {
			m.QuorumThresholdPpm = million
		}
		s := NewState()
		if s.AddMarket(m) != nil || s.AddProvider("sun") != nil {
			t.Fatal("no market")
		}
		oracles := rapid.IntRange(1, 5).Draw(t, "oracles")
		for i := range oracles {
			s.SetOracleWeight("energy", oracleNamed(i), rapid.Uint64Range(1, 4).Draw(t, "weight"))
		}
		s.BeginEpoch(0)
		for _, site := range sites {
			s.AddMeter(meterNamed(site))
		}
		var ballots []ballot
		count := rapid.IntRange(1, 9).Draw(t, "readings")
		for i := range count {
			c := at(int64(i+1) * quarter)
			register := 1_000 + rapid.Uint64Range(0, 3_000).Draw(t, "register")
			n, _, ref := s.Submit(c, "sun", reading(c, rapid.SampledFrom(sites).Draw(t, "site"), register), identity(uint64(i+1)))
			if ref != nil {
				t.Fatal(ref)
			}
			for o := range oracles {
				if rapid.IntRange(0, 9).Draw(t, "absent") == 0 {
					continue
				}
				v := verdict{accept: rapid.IntRange(0, 3).Draw(t, "accept") > 0}
				if values && rapid.Bool().Draw(t, "observed") {
					v.observed, v.register = true, register+rapid.Uint64Range(0, 30).Draw(t, "off by")
				}
				ballots = append(ballots, ballot{o, n, v})
			}
		}
		one := cast(t, s.Copy(), ballots)
		other := cast(t, s.Copy(), rapid.Permutation(ballots).Draw(t, "other order"))
		if one != other {
			t.Fatalf("one order gives\n%s\nthe other\n%s", one, other)
		}
	})
}

// cast votes one by one and returns how every reading ended, by number.
func cast(t *rapid.T, s *State, ballots []ballot) string {
	c := at(100 * quarter)
	ends := map[uint64]string{}
	for _, b := range ballots {
		a := Attestation{Market: "energy", Ranges: []Range{{b.number, b.number, RangeHash([]Identity{identity(b.number)})}}}
		if !b.accept {
			a.Rejects = []uint64{b.number}
		}
		if b.observed {
			a.Values = []Value{{b.number, b.register}}
		}
		_, fx, ref := s.Attest(c, oracleNamed(b.oracle), a)
		if ref != nil {
			t.Fatal(ref)
		}
		for _, e := range fx {
			switch f := e.(type) {
			case Closed:
				ends[f.Reading.Number] = show(f)
			case Settled:
				ends[f.Reading.Number] = show(f)
			}
		}
	}
	consistent(t, s)
	var out strings.Builder
	for n := uint64(1); n <= s.LastNumber("energy"); n++ {
		end := ends[n]
		if r, ok := s.Reading("energy", n); ok {
			end = r.State.String()
		}
		fmt.Fprintln(&out, n, end)
	}
	return out.String()
}
