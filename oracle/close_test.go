package oracle

import (
	"testing"
)

// say lets an oracle vote on one reading: yes or no, with an observed register
// or none.
func say(t *testing.T, s *State, c Clock, oracle int, number uint64, accept bool, observed ...uint64) []Effect {
	t.Helper()
	a := Attestation{Market: "energy", Ranges: []Range{span(t, s, number, number)}}
	if !accept {
		a.Rejects = []uint64{number}
	}
	for _, v := range observed {
		a.Values = []Value{{number, v}}
	}
	_, fx, ref := s.Attest(c, oracleNamed(oracle), a)
	allowed(t, ref)
	return fx
}

// TestExample is the example of the package documentation.
func TestExample(t *testing.T) {
	s := world(t, energy(), 3, "roof")
	c := at(4 * quarter)
	r := reading(c, "roof", 1_000_000)
	for i, register := range []uint64{1_000_000, 1_001_230, 1_002_000, 1_003_000} {
		r.Register, r.MeasuredAt = register, morning+int64(i+1)*quarter
		_, _, ref := s.Submit(c, "sun", r, identity(uint64(i+1)))
		allowed(t, ref)
	}
	expect(t, say(t, s, c, 0, 1, true))
	expect(t, say(t, s, c, 1, 1, true), "closed 1 baseline")
	expect(t, say(t, s, c, 0, 2, true))
	expect(t, say(t, s, c, 1, 2, false))
	expect(t, say(t, s, c, 2, 2, true, 1_001_230), "settled 2 delta 1230 gross 30 fee 0 net 30")
	if m, _ := s.Meter("roof"); m.Remainder != 750 || m.BaseRegister != 1_001_230 || m.BaseMeasuredAt != morning+2*quarter {
		t.Errorf("the meter is %+v", m)
	}
	expect(t, say(t, s, c, 0, 4, true))
	expect(t, say(t, s, c, 1, 4, true))
	expect(t, s.Expire(c, "energy", 4)) // it has its quorum
	expect(t, say(t, s, c, 0, 3, false))
	expect(t, say(t, s, c, 1, 3, false), "closed 3 rejected outvoted", "settled 4 delta 1770 gross 45 fee 0 net 45")
	if m, _ := s.Meter("roof"); m.Remainder != 0 || m.Pending != 0 {
		t.Errorf("the meter is %+v", m)
	}
	consistent(t, s)
}

func TestExpiry(t *testing.T) {
	s := world(t, energy(), 3, "roof")
	for i := range int64(4) {
		take(t, s, at((i+1)*quarter), "roof", uint64(100*i))
	}
	c := at(5 * quarter)
	say(t, s, c, 0, 1, true)
	say(t, s, c, 1, 1, true) // baseline 0
	say(t, s, c, 0, 2, true)
	for n := uint64(3); n <= 4; n++ {
		say(t, s, c, 0, n, true)
		say(t, s, c, 1, n, true)
	}
	// The readings behind close with it, and the first covers its time too.
	expect(t, s.Expire(c, "energy", 2), "closed 2 quorum_failed 1 of 2",
		"settled 3 delta 200 gross 5 fee 0 net 5", "settled 4 delta 100 gross 2 fee 0 net 2")
	expect(t, s.Expire(c, "energy", 2))
	expect(t, s.Expire(c, "energy", 99))
	expect(t, s.Expire(c, "gas", 2))
	consistent(t, s)
}

// TestCascade leaves seventeen readings waiting behind one: one call may close
// sixteen of those it did not decide itself.
func TestCascade(t *testing.T) {
	s := world(t, energy(), 3, "roof", "cellar")
	const waiting = 2*MaxCascade + 3
	for i := range int64(waiting + 1) {
		take(t, s, at((i+1)*quarter), "roof", uint64(i))
	}
	c := at((waiting + 2) * quarter)
	attest(t, s, c, oracleNamed(0), 2, waiting+1)
	_, fx := attest(t, s, c, oracleNamed(1), 2, waiting+1)
	expect(t, fx)
	say(t, s, c, 0, 1, true)
	closings := func(fx []Effect) (n int) {
		for _, e := range fx {
			switch e.(type) {
			case Closed, Settled:
				n++
			}
		}
		return n
	}
	fx = say(t, s, c, 1, 1, true)
	if n := closings(fx); n != 1+MaxCascade {
		t.Errorf("the deciding vote closed %d", n)
	}
	last := show(fx[len(fx)-1])
	if last != "due-close roof at 33300" {
		t.Errorf("the last effect is %s", last)
	}
	consistent(t, s)
	for _, want := range []int{MaxCascade, 3, 0} {
		fx = s.CloseMeter(c, "roof")
		if n := closings(fx); n != want {
			t.Errorf("CloseMeter closed %d, want %d", n, want)
		}
	}
	if m, _ := s.Meter("roof"); m.Pending != 0 || m.BaseRegister != waiting {
		t.Errorf("the meter is %+v", m)
	}
	expect(t, s.CloseMeter(c, "attic"))
	expect(t, s.CloseMeter(c, "cellar"))
	consistent(t, s)
}

// Two meters share one call's allowance; each that is left is named once.
func TestCascadeOfTwoMeters(t *testing.T) {
	s := world(t, energy(), 3, "roof", "cellar")
	for i := range int64(2 * 12) {
		take(t, s, at((i+1)*quarter), []string{"roof", "cellar"}[i%2], uint64(i))
	}
	c := at(30 * quarter)
	attest(t, s, c, oracleNamed(0), 3, 24)
	attest(t, s, c, oracleNamed(1), 3, 24)
	attest(t, s, c, oracleNamed(0), 1, 2)
	_, fx := attest(t, s, c, oracleNamed(1), 1, 2)
	var names []string
	for _, e := range fx {
		if due, ok := e.(DueClose); ok {
			names = append(names, due.Meter)
		}
	}
	if len(names) != 1 || names[0] != "cellar" {
		t.Errorf("left are %v", names)
	}
	s.CloseMeter(c, "cellar")
	if n := s.waiting.Len(); n != 0 {
		t.Errorf("%d readings are live", n)
	}
	consistent(t, s)
}

// A meter that one call leaves twice is named once.
func TestCascadeLeavesAMeterOnce(t *testing.T) {
	s := world(t, energy(), 1, "roof")
	const waiting = MaxCascade + 1
	last := uint64(waiting + 2)
	for i := range int64(last) {
		take(t, s, at((i+1)*quarter), "roof", uint64(i))
	}
	c := at(int64(last+1) * quarter)
	attest(t, s, c, oracleNamed(0), 2, last-1)
	// The first reading gets its quorum, sixteen follow, one stays; then the
	// last is rejected and the meter has to be left again.
	_, fx, ref := s.Attest(c, oracleNamed(0), Attestation{
		Market: "energy", Ranges: []Range{span(t, s, 1, 1), span(t, s, last, last)}, Rejects: []uint64{last},
	})
	allowed(t, ref)
	var tail []Effect
	for _, e := range fx {
		switch e.(type) {
		case DueClose, Closed:
			tail = append(tail, e)
		}
	}
	expect(t, tail, "closed 1 baseline", "closed 19 rejected outvoted", "due-close roof at 18000")
	consistent(t, s)
}

// TestJudgement closes a second reading an hour after a baseline of 1,000,000.
// The capacity is 10,000 an hour, so 12,000 is the most; the tolerance 5 %.
func TestJudgement(t *testing.T) {
	const base = 1_000_000
	tests := []struct {
		name     string
		register uint64
		observed []uint64 // by the accepting oracles 0 and 1, as far as given
		want     Reason
	}{
		{"standing still", base, nil, ""},
		{"one back", base - 1, nil, Decreasing},
		{"all the way back", 0, nil, Decreasing},
		{"as much as can be", base + 12_000, nil, ""},
		{"one more", base + 12_001, nil, OverCapacity},
		{"as much as a register holds", 1<<64 - 1, nil, OverCapacity},
		{"seen alike", base + 10_000, []uint64{base + 10_000}, ""},
		{"at the tolerance below", base + 9_500, []uint64{base + 10_000}, ""},
		{"below the tolerance", base + 9_499, []uint64{base + 10_000}, Deviation},
		{"at the tolerance above", base + 10_500, []uint64{base + 10_000}, ""},
		{"above the tolerance", base + 10_501, []uint64{base + 10_000}, Deviation},
		{"the lower of two counts", base + 9_500, []uint64{base + 11_000, base + 10_000}, ""},
		{"in whatever order", base + 9_500, []uint64{base + 10_000, base + 11_000}, ""},
		{"seen standing still", base + 1, []uint64{base}, Deviation},
		{"seen standing still alike", base, []uint64{base}, ""},
		{"seen below the base", base + 1, []uint64{base - 100}, Deviation},
		{"capacity before deviation", base + 12_001, []uint64{base}, OverCapacity},
		{"decreasing before deviation", base - 1, []uint64{base - 1}, Decreasing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := world(t, energy(), 3, "roof")
			take(t, s, at(0), "roof", base)
			say(t, s, at(0), 0, 1, true)
			say(t, s, at(0), 1, 1, true)
			take(t, s, at(hourMs), "roof", tt.register)
			before, _ := s.Meter("roof")
			values := append(tt.observed, 0, 0)[:2]
			say(t, s, at(hourMs), 0, 2, true, values[:min(1, len(tt.observed))]...)
			fx := say(t, s, at(hourMs), 1, 2, true, values[1:max(1, len(tt.observed))]...)
			if tt.want == "" {
				if _, ok := fx[0].(Settled); !ok {
					t.Errorf("effects are %v", shown(fx))
				}
				return
			}
			expect(t, fx, "closed 2 rejected "+string(tt.want))
			after, _ := s.Meter("roof")
			if before.Pending = 0; after != before {
				t.Errorf("a rejected reading changed the meter from %+v to %+v", before, after)
			}
			consistent(t, s)
		})
	}
}

// TestJudgementOfBaseline: the meter registers at most 2,500 in an interval, of
// which the tolerance is 125.
func TestJudgementOfBaseline(t *testing.T) {
	for register, want := range map[uint64]string{
		5_000_000: "closed 1 baseline",
		4_999_875: "closed 1 baseline",
		4_999_874: "closed 1 rejected deviation",
		5_000_125: "closed 1 baseline",
		5_000_126: "closed 1 rejected deviation",
		0:         "closed 1 rejected deviation",
	} {
		s := world(t, energy(), 3, "roof")
		take(t, s, at(0), "roof", register)
		say(t, s, at(0), 0, 1, true, 5_000_000)
		expect(t, say(t, s, at(0), 1, 1, true, 5_000_000), want)
	}
}

// What a rejecting oracle saw is no part of the median.
func TestRejectersAreNotAsked(t *testing.T) {
	s := world(t, energy(), 3, "roof")
	take(t, s, at(0), "roof", 100)
	say(t, s, at(0), 0, 1, true)
	say(t, s, at(0), 1, 1, true)
	take(t, s, at(hourMs), "roof", 1_100)
	say(t, s, at(hourMs), 2, 2, false, 100)
	say(t, s, at(hourMs), 0, 2, true, 1_100)
	expect(t, say(t, s, at(hourMs), 1, 2, true), "settled 2 delta 1000 gross 25 fee 0 net 25")
}
