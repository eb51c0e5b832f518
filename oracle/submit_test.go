package oracle

import (
	"math"
	"reflect"
	"testing"
)

// TestSubmitRefusals breaks one condition after the other, from the last to
// the first: with every further break the answer must become the earlier one,
// which is the order that the package documentation promises.
func TestSubmitRefusals(t *testing.T) {
	m := energy()
	m.MaxPendingPerMeter, m.MaxLiveReadings = 2, 3
	s := world(t, m, 1, "roof", "cellar", "full")
	allowed(t, s.AddProvider("moon"))
	water := m
	water.ID = "water"
	allowed(t, s.AddMarket(water))
	take(t, s, at(0), "roof", 100)
	attest(t, s, at(0), oracleNamed(0), 1, 1)
	take(t, s, at(1_000), "full", 1)
	take(t, s, at(2_000), "full", 2)

	c := at(10_000_000)
	type call struct {
		provider string
		r        SubmitReading
	}
	tests := []struct {
		name string
		edit func(c *call)
		want string
	}{
		{"fine", func(*call) {}, ""},
		{"meter full", func(x *call) { x.r.Meter = "full" }, "LimitExceeded limit=pending_per_meter max=2"},
		{"duplicate", func(x *call) { x.r.MeasuredAt = morning + 1_000 }, "SettlementConflict reason=duplicate number=2"},
		{"supersedes another", func(x *call) { id := identity(77); x.r.Supersedes = &id }, "SettlementConflict reason=duplicate number=2"},
		{
			"too old", func(x *call) { x.r.MeasuredAt = c.Now - m.MaxReadingAgeMs - 1 },
			"SettlementConflict reason=too_old measured_at=1699405199999 oldest=1699405200000",
		},
		{
			"before all time", func(x *call) { x.r.MeasuredAt = math.MinInt64 },
			"SettlementConflict reason=too_old measured_at=-9223372036854775808 oldest=1699405200000",
		},
		{
			"measured after signing", func(x *call) { x.r.IssuedAt, x.r.MeasuredAt = c.Now-200_000, c.Now+100_001 },
			"TimestampSkew now=1700010000000 issued_at=1700009800000 measured_at=1700010100001 skew_ms=300000",
		},
		{
			"measured in the future", func(x *call) { x.r.IssuedAt, x.r.MeasuredAt = c.Now+200_000, c.Now+300_001 },
			"TimestampSkew now=1700010000000 issued_at=1700010200000 measured_at=1700010300001 skew_ms=300000",
		},
		{
			"closed", func(x *call) { x.r.Meter, x.r.MeasuredAt = "roof", morning },
			"SettlementConflict reason=closed measured_at=1700000000000 closed_until=1700000000000",
		},
		{"signed too early", func(x *call) { x.r.IssuedAt = c.Now - 300_001 }, "TimestampSkew now=1700010000000 issued_at=1700009699999 skew_ms=300000"},
		{"signed too late", func(x *call) { x.r.IssuedAt = c.Now + 300_001 }, "TimestampSkew now=1700010000000 issued_at=1700010300001 skew_ms=300000"},
		{"signed never", func(x *call) { x.r.IssuedAt = math.MinInt64 }, "TimestampSkew now=1700010000000 issued_at=-9223372036854775808 skew_ms=300000"},
		{"signed at the end of time", func(x *call) { x.r.IssuedAt = math.MaxInt64 }, "TimestampSkew now=1700010000000 issued_at=9223372036854775807 skew_ms=300000"},
		{"status", func(x *call) { x.r.Quality.MeterStatus = "Not fine" }, "MalformedPayload field=meter_status reason=out_of_range"},
		{"clock", func(x *call) { x.r.Quality.ClockSync = "abcdefghijklmnopqrstuvwxyzabcdefg" }, "MalformedPayload field=clock_sync reason=out_of_range"},
		{"inactive", func(*call) { allowed(t, s.SetProviderActive("sun", false)) }, "ProviderInactive provider=sun"},
		{"another's", func(x *call) { x.provider = "moon" }, "MeterMismatch reason=other_provider meter=roof provider=moon"},
		{"of another market", func(x *call) { x.r.Market = "water" }, "MeterMismatch reason=other_market meter=roof market=energy"},
		{"no such meter", func(x *call) { x.r.Meter = "attic" }, "NotFound kind=meter id=attic"},
		{"no such market", func(x *call) { x.r.Market = "gas" }, "NotFound kind=market id=gas"},
	}
	x := call{"sun", reading(c, "cellar", 1)}
	for _, tt := range tests {
		tt.edit(&x)
		trial := s.Copy()
		before := rows(trial)
		n, fx, ref := trial.Submit(c, x.provider, x.r, identity(1_000))
		t.Run(tt.name, func(t *testing.T) { refused(t, ref, tt.want) })
		if ref != nil && (n != 0 || fx != nil || rows(trial) != before) {
			t.Errorf("%s: a refusal had consequences", tt.name)
		}
	}
	allowed(t, s.SetProviderActive("sun", true))
	take(t, s, c, "cellar", 1)
	_, _, ref := s.Submit(at(11_000_000), "sun", reading(at(11_000_000), "cellar", 1), identity(1_000))
	refused(t, ref, "LimitExceeded limit=live_readings max=3")
	consistent(t, s)
}

// Everything at its very edge is still allowed.
func TestSubmitEdges(t *testing.T) {
	m := energy()
	c := at(10_000_000)
	for name, edit := range map[string]func(r *SubmitReading){
		"signed early":            func(r *SubmitReading) { r.IssuedAt -= m.SkewMs },
		"signed late":             func(r *SubmitReading) { r.IssuedAt += m.SkewMs },
		"measured ahead":          func(r *SubmitReading) { r.MeasuredAt += m.SkewMs },
		"measured after signing":  func(r *SubmitReading) { r.IssuedAt -= 100; r.MeasuredAt = r.IssuedAt + m.SkewMs },
		"oldest":                  func(r *SubmitReading) { r.MeasuredAt -= m.MaxReadingAgeMs },
		"a moment after the base": func(r *SubmitReading) { r.Meter, r.MeasuredAt = "roof", morning+1 },
		"no quality":              func(r *SubmitReading) { r.Quality = Quality{} },
		"the largest register":    func(r *SubmitReading) { r.Register = math.MaxUint64 },
	} {
		s := world(t, m, 1, "roof", "cellar")
		take(t, s, at(0), "roof", 100)
		attest(t, s, at(0), oracleNamed(0), 1, 1)
		r := reading(c, "cellar", 1)
		edit(&r)
		n, fx, ref := s.Submit(c, "sun", r, identity(2))
		if ref != nil || n != 2 {
			t.Errorf("%s: number %d, %v", name, n, ref)
		}
		expect(t, fx, "due-expire 2 at 110000")
		consistent(t, s)
	}
}

// No time that becomes a base may be so large that elapsed times a capacity
// leave 128 bits, whatever the clock says.
func TestSubmitAtTheEndOfTime(t *testing.T) {
	s := world(t, energy(), 1, "roof")
	c := Clock{Now: maxUnixMs}
	_, _, ref := s.Submit(c, "sun", reading(Clock{Now: maxUnixMs + 1}, "roof", 1), identity(1))
	refused(t, ref, "TimestampSkew now=9007199254740992 issued_at=9007199254740993 measured_at=9007199254740993 skew_ms=300000")
	take(t, s, c, "roof", 1)
}

// Nor may a time be negative, even on a cluster whose clock begins at zero.
func TestSubmitAtTheBeginningOfTime(t *testing.T) {
	s := world(t, energy(), 1, "roof")
	c := Clock{Now: 1_000}
	_, _, ref := s.Submit(c, "sun", reading(Clock{Now: -1}, "roof", 1), identity(1))
	refused(t, ref, "SettlementConflict reason=too_old measured_at=-1 oldest=0")
	_, _, ref = s.Submit(c, "sun", reading(Clock{}, "roof", 1), identity(1))
	allowed(t, ref)
	consistent(t, s)
}

func TestSubmitWithoutIdentity(t *testing.T) {
	s := world(t, energy(), 1, "roof")
	defer func() {
		if recover() == nil {
			t.Error("a reading was taken in that nobody can name")
		}
	}()
	s.Submit(at(0), "sun", reading(at(0), "roof", 1), Identity{})
}

func TestSubmitKeepsWhatWasSigned(t *testing.T) {
	s := world(t, energy(), 3, "roof")
	c := Clock{Now: morning + 5, Height: 42}
	r := SubmitReading{Market: "energy", Meter: "roof", Register: 9, MeasuredAt: morning + 1, IssuedAt: morning + 3, Quality: Quality{"synced", "ok"}}
	n, _, ref := s.Submit(c, "sun", r, identity(1))
	allowed(t, ref)
	got, ok := s.Reading("energy", n)
	want := Reading{
		Number: 1, Identity: identity(1), Market: "energy", Meter: "roof", Register: 9,
		MeasuredAt: morning + 1, IssuedAt: morning + 3, Quality: Quality{"synced", "ok"},
		AcceptedHeight: 42, AcceptedAt: morning + 5, ExpiresHeight: 100_042, Electorate: 1,
	}
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("the reading is\n%v, want\n%v", got, want)
	}
}

func TestSupersede(t *testing.T) {
	m := energy()
	m.MaxPendingPerMeter, m.MaxLiveReadings = 1, 1
	s := world(t, m, 3, "roof")
	c := at(1_000)
	take(t, s, c, "roof", 100)
	attest(t, s, c, oracleNamed(0), 1, 1)

	// It takes the place of the old one although both limits are reached, and
	// the vote on the old one is gone.
	r := reading(c, "roof", 101)
	old := identity(1)
	r.Supersedes = &old
	n, fx, ref := s.Submit(at(2_000), "sun", r, identity(2))
	allowed(t, ref)
	if n != 2 {
		t.Errorf("number %d", n)
	}
	expect(t, fx, "closed 1 superseded", "due-expire 2 at 100002")
	if accept, reject, total, required := s.Tally(must(t, s, 2)); accept != 0 || reject != 0 || total != 3 || required != 2 {
		t.Errorf("the tally is %d, %d of %d, %d", accept, reject, total, required)
	}
	// Superseding it again by the name of the first does not work any more.
	_, _, ref = s.Submit(at(2_000), "sun", r, identity(3))
	refused(t, ref, "SettlementConflict reason=duplicate number=2")

	// Nothing waits at another moment.
	late := reading(at(2_000), "roof", 101)
	now := identity(2)
	late.Supersedes = &now
	_, _, ref = s.Submit(at(2_000), "sun", late, identity(3))
	refused(t, ref, "NotFound kind=reading id="+now.String())

	// What has expired cannot be superseded, and leaves the moment free.
	expect(t, s.Expire(at(3_000), "energy", 2), "closed 2 quorum_failed 0 of 2")
	r.Supersedes = &now
	_, _, ref = s.Submit(at(3_000), "sun", r, identity(3))
	refused(t, ref, "NotFound kind=reading id="+now.String())
	r.Supersedes = nil
	_, _, ref = s.Submit(at(3_000), "sun", r, identity(3))
	allowed(t, ref)
	consistent(t, s)
}

func TestSupersedeDecided(t *testing.T) {
	s := world(t, energy(), 3, "roof")
	take(t, s, at(1_000), "roof", 100)
	take(t, s, at(2_000), "roof", 101)
	attest(t, s, at(2_000), oracleNamed(0), 2, 2)
	attest(t, s, at(2_000), oracleNamed(1), 2, 2)
	if got := must(t, s, 2).State; got != ReadingAccepted {
		t.Fatalf("the second reading is %v", got)
	}
	r := reading(at(2_000), "roof", 999)
	old := identity(2)
	r.Supersedes = &old
	_, _, ref := s.Submit(at(2_000), "sun", r, identity(3))
	refused(t, ref, "SettlementConflict reason=decided number=2")
	consistent(t, s)
}

// must returns a live reading.
func must(t *testing.T, s *State, number uint64) Reading {
	t.Helper()
	r, ok := s.Reading("energy", number)
	if !ok {
		t.Fatalf("reading %d is not live", number)
	}
	return r
}
