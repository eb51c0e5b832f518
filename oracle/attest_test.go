package oracle

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func TestRangeHash(t *testing.T) {
	// SHA-256 of nothing, and of two identities one after the other.
	if got := RangeHash(nil); hex.EncodeToString(got[:]) != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("the hash of no identities is %x", got)
	}
	a, b := identity(1), identity(2)
	if RangeHash([]Identity{a, b}) != sha256.Sum256(append(a[:], b[:]...)) {
		t.Error("the hash is not that of the identities one after the other")
	}
}

// TestAttestRefusals breaks one condition after the other, from the last to
// the first, like TestSubmitRefusals.
func TestAttestRefusals(t *testing.T) {
	s := world(t, energy(), 3, "roof", "cellar")
	for i := range int64(10) {
		take(t, s, at(i*1_000), "roof", 100)
	}
	allowed(t, s.SetOracleWeight("energy", "former", 1))
	s.BeginEpoch(1)
	take(t, s, at(20_000), "cellar", 1)
	allowed(t, s.SetOracleWeight("energy", "former", 0))
	s.BeginEpoch(2)
	for i := range int64(1_100) {
		take(t, s, at(30_000+i), []string{"roof", "cellar"}[i%2], 100)
	}
	good := []Range{span(t, s, 2, 4), span(t, s, 6, 9)}
	type call struct {
		oracle string
		a      Attestation
	}
	tests := []struct {
		name string
		edit func(c *call)
		want string
	}{
		{"fine", func(*call) {}, ""},
		{"lists", func(c *call) {
			c.a.Rejects, c.a.Values = []uint64{2, 4, 6, 9}, []Value{{2, 1}, {3, 0}, {9, 5}}
		}, ""},
		{"former oracle of a reading named", func(c *call) {
			c.oracle, c.a.Ranges = "former", []Range{span(t, s, 9, 11)}
			c.a.Rejects, c.a.Values = nil, nil
		}, ""},
		{"hash", func(c *call) { c.a.Ranges = []Range{span(t, s, 2, 11)}; c.a.Ranges[0].Hash[31]++ }, "SettlementConflict reason=range_hash from=2 to=11"},
		{"hash of fewer", func(c *call) { c.a.Ranges[0] = span(t, s, 9, 10); c.a.Ranges[0].To = 11 }, "SettlementConflict reason=range_hash from=9 to=11"},
		{"former oracle", func(c *call) { c.a.Ranges = append([]Range(nil), good...) }, "Unauthorized reason=not_in_electorate oracle=former"},
		{"stranger", func(c *call) { c.oracle = "stranger" }, "Unauthorized reason=not_in_electorate oracle=stranger"},
		{"value in a gap", func(c *call) { c.a.Values = []Value{{4, 1}, {5, 1}} }, "MalformedPayload field=values reason=outside_ranges"},
		{"value below", func(c *call) { c.a.Values = []Value{{1, 1}} }, "MalformedPayload field=values reason=outside_ranges"},
		{"value above", func(c *call) { c.a.Values = []Value{{2, 1}, {10, 1}} }, "MalformedPayload field=values reason=outside_ranges"},
		{"values twice", func(c *call) { c.a.Values = []Value{{2, 1}, {2, 1}} }, "MalformedPayload field=values reason=not_ascending"},
		{"reject in a gap", func(c *call) { c.a.Rejects = []uint64{5} }, "MalformedPayload field=rejects reason=outside_ranges"},
		{"reject of zero", func(c *call) { c.a.Rejects = []uint64{0} }, "MalformedPayload field=rejects reason=not_ascending"},
		{"rejects back", func(c *call) { c.a.Rejects = []uint64{4, 3} }, "MalformedPayload field=rejects reason=not_ascending"},
		{"too many readings", func(c *call) { c.a.Ranges[1].To = 1_027 }, "LimitExceeded limit=readings_attested max=1024"},
		{"beyond the last", func(c *call) { c.a.Ranges[1].To = 1_112 }, "NotFound kind=reading id=1112"},
		{"far beyond", func(c *call) { c.a.Ranges[1].To = 1<<64 - 1 }, "NotFound kind=reading id=18446744073709551615"},
		{"overlap", func(c *call) { c.a.Ranges[1].From = 4 }, "MalformedPayload field=ranges reason=not_ascending"},
		{"backwards", func(c *call) { c.a.Ranges[0].To = 1 }, "MalformedPayload field=ranges reason=not_ascending"},
		{"from zero", func(c *call) { c.a.Ranges[0].From = 0 }, "MalformedPayload field=ranges reason=not_ascending"},
		{"too many ranges", func(c *call) { c.a.Ranges = make([]Range, 65) }, "LimitExceeded limit=ranges max=64"},
		{"no ranges", func(c *call) { c.a.Ranges = nil }, "MalformedPayload field=ranges reason=empty"},
		{"no such market", func(c *call) { c.a.Market = "gas" }, "NotFound kind=market id=gas"},
	}
	c := call{oracleNamed(0), Attestation{Market: "energy", Ranges: append([]Range(nil), good...)}}
	for _, tt := range tests {
		tt.edit(&c)
		trial := s.Copy()
		before := rows(trial)
		res, fx, ref := trial.Attest(at(50_000), c.oracle, c.a)
		t.Run(tt.name, func(t *testing.T) { refused(t, ref, tt.want) })
		if ref != nil && (res != AttestResult{} || fx != nil || rows(trial) != before) {
			t.Errorf("%s: a refusal had consequences", tt.name)
		}
	}
}

func TestAttestLimits(t *testing.T) {
	m := energy()
	m.MaxPendingPerMeter = 2_000
	s := world(t, m, 3, "roof")
	for i := range int64(1_100) {
		take(t, s, at(i), "roof", 100)
	}
	res, _ := attest(t, s, at(2_000), oracleNamed(0), 3, 2+MaxAttested)
	if res.Counted != MaxAttested {
		t.Errorf("counted %d", res.Counted)
	}
	var a Attestation
	a.Market = "energy"
	for i := range uint64(MaxRanges) {
		a.Ranges = append(a.Ranges, span(t, s, 1+16*i, 16+16*i))
	}
	res, fx, ref := s.Attest(at(2_000), oracleNamed(1), a)
	allowed(t, ref)
	if res.Counted != MaxAttested {
		t.Errorf("counted %d in %d ranges", res.Counted, MaxRanges)
	}
	// Readings 1 and 2 have one vote, so nothing may close before them.
	expect(t, fx)
	// The votes on them decide the two; sixteen that waited follow.
	_, fx = attest(t, s, at(2_000), oracleNamed(0), 1, 2)
	if len(fx) != 1+1+2*MaxCascade+1+1 {
		t.Errorf("%d effects: %v", len(fx), shown(fx))
	}
	if last := show(fx[len(fx)-1]); last != "due-close roof at 2" {
		t.Errorf("the last effect is %s", last)
	}
	consistent(t, s)
}

// TestVerdicts counts second, late and contradicting votes.
func TestVerdicts(t *testing.T) {
	s := world(t, energy(), 3, "roof", "cellar")
	take(t, s, at(1_000), "roof", 100)
	take(t, s, at(2_000), "roof", 200)
	r := []Range{span(t, s, 1, 1)}
	both := []Range{span(t, s, 1, 2)}
	type result = AttestResult
	steps := []struct {
		name   string
		oracle int
		a      Attestation
		res    result
		fx     []string
	}{
		{"first", 0, Attestation{Ranges: r}, result{Counted: 1}, nil},
		{"again", 0, Attestation{Ranges: r}, result{Repeated: 1}, nil},
		{"a value later is no contradiction", 0, Attestation{Ranges: r, Values: []Value{{1, 100}}}, result{Repeated: 1}, nil},
		{"no becomes of yes", 0, Attestation{Ranges: r, Rejects: []uint64{1}}, result{Equivocations: 1}, []string{"equivocated oracle00 1 accept reject"}},
		{"and is recorded once", 0, Attestation{Ranges: r, Rejects: []uint64{1}, Values: []Value{{1, 5}}}, result{Repeated: 1}, nil},
		{"reject with a value", 1, Attestation{Ranges: both, Rejects: []uint64{1}, Values: []Value{{1, 7}, {2, 200}}}, result{Counted: 2}, nil},
		{"the same value", 1, Attestation{Ranges: r, Rejects: []uint64{1}, Values: []Value{{1, 7}}}, result{Repeated: 1}, nil},
		{"no value", 1, Attestation{Ranges: r, Rejects: []uint64{1}}, result{Repeated: 1}, nil},
		{"another value", 1, Attestation{Ranges: both, Rejects: []uint64{1}, Values: []Value{{1, 8}, {2, 200}}}, result{Equivocations: 1, Repeated: 1}, []string{"equivocated oracle01 1 reject:7 reject:8"}},
		// Two of three reject the first: its quorum is out of reach. Two accept
		// the second, which is first now.
		{"both are decided", 2, Attestation{Ranges: both, Values: []Value{{2, 200}}, Rejects: []uint64{1}}, result{Counted: 2}, []string{
			"closed 1 rejected outvoted", "closed 2 baseline",
		}},
		{"late", 0, Attestation{Ranges: both}, result{Late: 2}, nil},
	}
	for _, step := range steps {
		step.a.Market = "energy"
		res, fx, ref := s.Attest(at(3_000), oracleNamed(step.oracle), step.a)
		allowed(t, ref)
		if res != step.res {
			t.Errorf("%s: %+v, want %+v", step.name, res, step.res)
		}
		expect(t, fx, step.fx...)
		consistent(t, s)
	}
}

// A reading that has its quorum and waits takes no further votes, but a
// contradiction of an earlier vote is still evidence.
func TestVotesOnWaiting(t *testing.T) {
	s := world(t, energy(), 3, "roof")
	take(t, s, at(1_000), "roof", 100)
	take(t, s, at(2_000), "roof", 200)
	attest(t, s, at(2_000), oracleNamed(0), 2, 2)
	attest(t, s, at(2_000), oracleNamed(1), 2, 2)
	res, fx := attest(t, s, at(2_000), oracleNamed(2), 2, 2)
	expect(t, fx)
	if res != (AttestResult{Late: 1}) {
		t.Errorf("a third vote counts as %+v", res)
	}
	if r := must(t, s, 2); r.Accept != 0b011 {
		t.Errorf("the votes are %b", r.Accept)
	}
	res, fx, ref := s.Attest(at(2_000), oracleNamed(1), Attestation{Market: "energy", Ranges: []Range{span(t, s, 2, 2)}, Rejects: []uint64{2}})
	allowed(t, ref)
	expect(t, fx, "equivocated oracle01 2 accept reject")
	if r := must(t, s, 2); res != (AttestResult{Equivocations: 1}) || r.Equivocal != 0b010 || r.State != ReadingAccepted {
		t.Errorf("%+v, %+v", res, r)
	}
	consistent(t, s)
}

// TestIdentityWindow goes through more numbers than identities are kept for.
func TestIdentityWindow(t *testing.T) {
	s := world(t, energy(), 1, "roof", "cellar")
	old := take(t, s, at(0), "cellar", 1) // stays live
	take(t, s, at(0), "roof", 1)          // closes
	attest(t, s, at(0), oracleNamed(0), 2, 2)
	spin := func(upTo uint64) {
		for s.LastNumber("energy") < upTo {
			n := s.LastNumber("energy") + 1
			c := at(int64(n))
			_, _, ref := s.Submit(c, "sun", reading(c, "roof", 1), identity(n))
			allowed(t, ref)
			s.Expire(c, "energy", n)
		}
	}
	ask := func(ranges ...Range) *Refusal {
		_, _, ref := s.Copy().Attest(at(400_000), oracleNamed(0), Attestation{Market: "energy", Ranges: ranges})
		return ref
	}
	single := func(n uint64) Range { return Range{n, n, RangeHash([]Identity{identity(n)})} }

	spin(IdentityWindow + 1)
	allowed(t, ask(single(2), single(IdentityWindow+1))) // 2 is the oldest in the window
	spin(IdentityWindow + 2)
	refused(t, ask(single(2)), "NotFound kind=reading id=2")
	allowed(t, ask(single(3), single(63), single(64), single(65), single(IdentityWindow+2)))
	allowed(t, ask(single(old))) // live: its identity lies with the reading
	refused(t, ask(Range{1, 3, RangeHash([]Identity{identity(1), identity(2), identity(3)})}), "NotFound kind=reading id=2")
	if _, ok := s.Identity("energy", 2); ok {
		t.Error("the identity of number 2 is still told")
	}
	consistent(t, s)
	for extra := range uint64(130) {
		spin(IdentityWindow + 3 + extra)
		refused(t, ask(single(s.LastNumber("energy")-IdentityWindow)), "NotFound kind=reading id="+u64(s.LastNumber("energy")-IdentityWindow))
		allowed(t, ask(single(s.LastNumber("energy")-IdentityWindow+1)))
		consistent(t, s)
	}
	same(t, s, again(t, s))
	if n := len(image(s)); n > 5_000 {
		t.Errorf("the image has %d rows", n)
	}
}

// TestVotesEndWithTheirTime lets a caller be late with its due items: from the
// height on at which a reading expires no vote counts, and its first voters may
// still contradict themselves.
func TestVotesEndWithTheirTime(t *testing.T) {
	m := energy()
	m.ExpiryBlocks = 10
	s := world(t, m, 3, "roof")
	take(t, s, at(0), "roof", 100)
	result, _ := attest(t, s, at(9_999), oracleNamed(0), 1, 1)
	if result.Counted != 1 {
		t.Errorf("in time: %+v", result)
	}
	result, fx := attest(t, s, at(10_000), oracleNamed(1), 1, 1)
	if result.Late != 1 || len(fx) != 0 {
		t.Errorf("at its height: %+v, %v", result, fx)
	}
	expect(t, s.Expire(at(10_000), "energy", 1), "closed 1 quorum_failed 1 of 2")
}
