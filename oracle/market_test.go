package oracle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestMarketBounds(t *testing.T) {
	tests := []struct {
		name string
		edit func(m *Market)
		want string
	}{
		{"as it is", func(*Market) {}, ""},
		{"no id", func(m *Market) { m.ID = "" }, "MalformedPayload field=id reason=malformed_id"},
		{"id in capitals", func(m *Market) { m.ID = "Energy" }, "MalformedPayload field=id reason=malformed_id"},
		{"id of 64", func(m *Market) { m.ID = strings.Repeat("e", 64) }, ""},
		{"id of 65", func(m *Market) { m.ID = strings.Repeat("e", 65) }, "MalformedPayload field=id reason=malformed_id"},
		{"asset", func(m *Market) { m.Asset = "B K" }, "MalformedPayload field=asset reason=malformed_id"},
		{"mode", func(m *Market) { m.Mode = "batch" }, "MalformedPayload field=mode reason=unsupported"},
		{"stage", func(m *Market) { m.Stage = "" }, "MalformedPayload field=stage reason=unsupported"},
		{"no noun", func(m *Market) { m.Noun = "" }, "MalformedPayload field=noun reason=out_of_range"},
		{"noun on two lines", func(m *Market) { m.Noun = "a\nb" }, "MalformedPayload field=noun reason=out_of_range"},
		{"unit of 33", func(m *Market) { m.Unit = strings.Repeat("k", 33) }, "MalformedPayload field=unit reason=out_of_range"},
		{"free", func(m *Market) { m.UnitPrice, m.FeeBps = 0, 0 }, ""},
		{"all is fee", func(m *Market) { m.FeeBps = 10_000 }, ""},
		{"more than all", func(m *Market) { m.FeeBps = 10_001 }, "MalformedPayload field=fee_bps reason=out_of_range"},
		{"skew 0", func(m *Market) { m.SkewMs = 0 }, "MalformedPayload field=skew_ms reason=out_of_range"},
		{"skew above a day", func(m *Market) { m.SkewMs = maxSkewMs + 1 }, "MalformedPayload field=skew_ms reason=out_of_range"},
		{"age 0", func(m *Market) { m.MaxReadingAgeMs = 0 }, "MalformedPayload field=max_reading_age_ms reason=out_of_range"},
		{"age above ten years", func(m *Market) { m.MaxReadingAgeMs = maxReadingAgeMs + 1 }, "MalformedPayload field=max_reading_age_ms reason=out_of_range"},
		{"no tolerance", func(m *Market) { m.DeviationPpm = 0 }, ""},
		{"deviation", func(m *Market) { m.DeviationPpm = 1_000_001 }, "MalformedPayload field=deviation_ppm reason=out_of_range"},
		{"half a quorum", func(m *Market) { m.QuorumThresholdPpm = 500_000 }, "MalformedPayload field=quorum_threshold_ppm reason=out_of_range"},
		{"just above half", func(m *Market) { m.QuorumThresholdPpm = 500_001 }, ""},
		{"all", func(m *Market) { m.QuorumThresholdPpm = 1_000_000 }, ""},
		{"above all", func(m *Market) { m.QuorumThresholdPpm = 1_000_001 }, "MalformedPayload field=quorum_threshold_ppm reason=out_of_range"},
		{"expiry", func(m *Market) { m.ExpiryBlocks = 0 }, "MalformedPayload field=expiry_blocks reason=out_of_range"},
		{"long expiry", func(m *Market) { m.ExpiryBlocks = maxBlocks + 1 }, "MalformedPayload field=expiry_blocks reason=out_of_range"},
		{"dispute", func(m *Market) { m.DisputeWindowBlocks = 0 }, "MalformedPayload field=dispute_window_blocks reason=out_of_range"},
		{"long dispute", func(m *Market) { m.DisputeWindowBlocks = maxBlocks + 1 }, "MalformedPayload field=dispute_window_blocks reason=out_of_range"},
		{"pending 0", func(m *Market) { m.MaxPendingPerMeter = 0 }, "MalformedPayload field=max_pending_per_meter reason=out_of_range"},
		{"pending", func(m *Market) { m.MaxPendingPerMeter = MaxPendingPerMeter + 1 }, "MalformedPayload field=max_pending_per_meter reason=out_of_range"},
		{"live 0", func(m *Market) { m.MaxLiveReadings = 0 }, "MalformedPayload field=max_live_readings reason=out_of_range"},
		{"live", func(m *Market) { m.MaxLiveReadings = MaxLiveReadings + 1 }, "MalformedPayload field=max_live_readings reason=out_of_range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := energy()
			tt.edit(&m)
			refused(t, m.Validate(), tt.want)
			s := NewState()
			refused(t, s.AddMarket(m), tt.want)
			if _, ok := s.Market(m.ID); ok != (tt.want == "") {
				t.Errorf("the market exists: %v", ok)
			}
		})
	}
}

func TestAddMarkets(t *testing.T) {
	s := NewState()
	for i := range MaxMarkets {
		m := energy()
		m.ID = fmt.Sprintf("m%02d", (i*37)%MaxMarkets) // in no order
		allowed(t, s.AddMarket(m))
	}
	m := energy()
	refused(t, s.AddMarket(m), "LimitExceeded limit=markets max=64")
	m.ID = "m07"
	refused(t, s.AddMarket(m), "InvalidTransition market=m07 current=registered allowed=none")
	var ids []string
	s.Markets(func(m Market) bool {
		ids = append(ids, m.ID)
		return true
	})
	if len(ids) != MaxMarkets || !slices.IsSorted(ids) {
		t.Errorf("markets are %v", ids)
	}
	consistent(t, s)
}

func TestScheduleMarket(t *testing.T) {
	s := world(t, energy(), 3)
	priced := func(price uint64) Market {
		m := energy()
		m.UnitPrice = price
		return m
	}
	allowed(t, s.ScheduleMarket(priced(50), 5, 1))
	allowed(t, s.ScheduleMarket(priced(30), 3, 1))
	allowed(t, s.ScheduleMarket(priced(51), 5, 1)) // until it begins, the last decision counts
	refused(t, s.ScheduleMarket(priced(1), 4, 4), "InvalidTransition reason=not_in_the_future current=4 activation_epoch=4")
	other := priced(1)
	other.Asset = "EUR"
	refused(t, s.ScheduleMarket(other, 9, 1), "InvalidTransition reason=fixed current=BLOCK allowed=BLOCK")
	other = priced(1)
	other.ID = "water"
	refused(t, s.ScheduleMarket(other, 9, 1), "NotFound kind=market id=water")
	other.FeeBps = 10_001
	refused(t, s.ScheduleMarket(other, 9, 1), "MalformedPayload field=fee_bps reason=out_of_range")

	var waiting []string
	s.Scheduled("energy", func(epoch uint64, m Market) bool {
		waiting = append(waiting, fmt.Sprintf("%d:%d", epoch, m.UnitPrice))
		return true
	})
	if got := strings.Join(waiting, " "); got != "3:30 5:51" {
		t.Errorf("scheduled are %s", got)
	}
	for epoch, want := range map[uint64]uint64{2: 25, 3: 30, 4: 30, 5: 51, 6: 51} {
		c := s.Copy()
		for e := uint64(1); e <= epoch; e++ {
			c.BeginEpoch(e)
		}
		if m, _ := c.Market("energy"); m.UnitPrice != want {
			t.Errorf("epoch %d: price %d, want %d", epoch, m.UnitPrice, want)
		}
	}
	// An epoch that was skipped over is not lost.
	s.BeginEpoch(7)
	if m, _ := s.Market("energy"); m.UnitPrice != 51 {
		t.Errorf("price %d after skipping", m.UnitPrice)
	}
	for i := range uint64(MaxScheduled) {
		allowed(t, s.ScheduleMarket(priced(i), 100-i, 8))
	}
	refused(t, s.ScheduleMarket(priced(1), 200, 8), "LimitExceeded limit=scheduled_rows max=16")
	allowed(t, s.ScheduleMarket(priced(1), 90, 8))
	consistent(t, s)
}

func TestSetOracleWeight(t *testing.T) {
	s := NewState()
	allowed(t, s.AddMarket(energy()))
	refused(t, s.SetOracleWeight("energy", "A", 1), "MalformedPayload field=oracle reason=malformed_id")
	refused(t, s.SetOracleWeight("water", "a", 1), "NotFound kind=market id=water")
	allowed(t, s.SetOracleWeight("energy", "a", MaxWeight))
	refused(t, s.SetOracleWeight("energy", "b", 1), "LimitExceeded limit=weight max=18446744073709")
	allowed(t, s.SetOracleWeight("energy", "a", MaxWeight)) // in place of its own
	allowed(t, s.SetOracleWeight("energy", "b", 0))
	allowed(t, s.SetOracleWeight("energy", "a", 5))
	for i := range MaxOracles - 1 {
		allowed(t, s.SetOracleWeight("energy", oracleNamed(i), 1))
	}
	refused(t, s.SetOracleWeight("energy", "z", 1), "LimitExceeded limit=oracles max=64")
	allowed(t, s.SetOracleWeight("energy", "oracle07", 0))
	allowed(t, s.SetOracleWeight("energy", "z", 1))
	weights := s.Weights("energy")
	if len(weights) != MaxOracles || weights[0] != (Member{"a", 5}) || weights[63] != (Member{"z", 1}) {
		t.Errorf("weights are %v", weights)
	}
	// All 64 vote, the last by the highest bit.
	allowed(t, s.AddProvider("sun"))
	allowed(t, s.AddMeter(meterNamed("roof")))
	s.BeginEpoch(1)
	n := take(t, s, at(0), "roof", 1)
	for i := len(weights) - 1; i >= 0; i-- {
		if _, live := s.Reading("energy", n); live {
			attest(t, s, at(0), weights[i].Oracle, n, n)
		}
	}
	if m, _ := s.Meter("roof"); !m.HasBase {
		t.Error("64 votes were no quorum")
	}
	consistent(t, s)
}

func TestElectorates(t *testing.T) {
	s := world(t, energy(), 3, "roof")
	if e, _ := s.Electorate("energy", 0); e.Number != 1 || e.Total != 3 || e.Required != 2 || e.Epoch != 0 {
		t.Fatalf("the first electorate is %+v", e)
	}
	s.BeginEpoch(1)
	if e, _ := s.Electorate("energy", 0); e.Number != 1 {
		t.Error("nothing changed and an electorate was frozen")
	}
	first := take(t, s, at(1_000), "roof", 100)
	allowed(t, s.SetOracleWeight("energy", "late", 10))
	if e, _ := s.Electorate("energy", 0); e.Total != 3 {
		t.Error("a weight counts before the epoch")
	}
	s.BeginEpoch(2)
	second := take(t, s, at(2_000), "roof", 100)
	// The reading of the first electorate has its quorum without the new oracle.
	res, _ := attest(t, s, at(3_000), "late", first, second)
	if res != (AttestResult{Counted: 1, NotInElectorate: 1}) {
		t.Errorf("the new oracle's votes count as %+v", res)
	}
	attest(t, s, at(3_000), oracleNamed(0), first, first)
	if _, ok := s.Electorate("energy", 1); !ok {
		t.Error("an electorate was dropped that still tallies")
	}
	_, fx := attest(t, s, at(3_000), oracleNamed(1), first, first)
	expect(t, fx, "closed 1 baseline", "settled 2 delta 0 gross 0 fee 0 net 0", "due-release 1 at 103")
	if _, ok := s.Electorate("energy", 1); ok {
		t.Error("an electorate was kept that nobody needs")
	}
	m := energy()
	m.QuorumThresholdPpm = 1_000_000
	allowed(t, s.ScheduleMarket(m, 4, 2))
	s.BeginEpoch(3)
	s.BeginEpoch(4)
	if e, _ := s.Electorate("energy", 0); e.Number != 3 || e.Required != 13 || e.Epoch != 4 {
		t.Errorf("after the threshold changed the electorate is %+v", e)
	}
	if _, ok := s.Electorate("energy", 2); ok {
		t.Error("an electorate was kept that never tallied anything live")
	}
	consistent(t, s)
}

func TestNoElectorate(t *testing.T) {
	s := NewState()
	allowed(t, s.AddMarket(energy()))
	allowed(t, s.AddProvider("sun"))
	allowed(t, s.AddMeter(meterNamed("roof")))
	s.BeginEpoch(0)
	c := at(0)
	_, _, ref := s.Submit(c, "sun", reading(c, "roof", 1), identity(1))
	refused(t, ref, "InvalidTransition current=no_electorate allowed=electorate")
	_, _, ref = s.Attest(c, "a", Attestation{Market: "energy", Ranges: []Range{{From: 1, To: 1}}})
	refused(t, ref, "NotFound kind=reading id=1")

	// An electorate that lost everybody cannot decide anything either.
	allowed(t, s.SetOracleWeight("energy", "a", 1))
	s.BeginEpoch(1)
	take(t, s, c, "roof", 1)
	allowed(t, s.SetOracleWeight("energy", "a", 0))
	s.BeginEpoch(2)
	_, _, ref = s.Submit(at(1), "sun", reading(at(1), "roof", 1), identity(9))
	refused(t, ref, "InvalidTransition current=no_electorate allowed=electorate")
	// What it accepted while it was there still counts.
	_, fx := attest(t, s, at(2), "a", 1, 1)
	expect(t, fx, "closed 1 baseline")
	consistent(t, s)
}

func TestRegistration(t *testing.T) {
	s := world(t, energy(), 3, "roof")
	refused(t, s.AddProvider("Sun"), "MalformedPayload field=provider reason=malformed_id")
	refused(t, s.AddProvider("sun"), "InvalidTransition provider=sun current=registered allowed=none")
	refused(t, s.SetProviderActive("moon", true), "NotFound kind=provider id=moon")
	tests := []struct {
		name string
		edit func(m *Meter)
		want string
	}{
		{"id", func(m *Meter) { m.ID = "9" }, "MalformedPayload field=meter reason=malformed_id"},
		{"market id", func(m *Meter) { m.Market = "" }, "MalformedPayload field=market reason=malformed_id"},
		{"provider id", func(m *Meter) { m.Provider = "a b" }, "MalformedPayload field=provider reason=malformed_id"},
		{"payer id", func(m *Meter) { m.Payer = "-" }, "MalformedPayload field=payer reason=malformed_id"},
		{"capacity", func(m *Meter) { m.Capacity = 0 }, "MalformedPayload field=capacity reason=out_of_range"},
		{"interval", func(m *Meter) { m.IntervalMs = 0 }, "MalformedPayload field=interval_ms reason=out_of_range"},
		{"long interval", func(m *Meter) { m.IntervalMs = maxIntervalMs + 1 }, "MalformedPayload field=interval_ms reason=out_of_range"},
		{"decimals", func(m *Meter) { m.Decimals = 10 }, "MalformedPayload field=decimals reason=out_of_range"},
		{"market", func(m *Meter) { m.Market = "water" }, "NotFound kind=market id=water"},
		{"provider", func(m *Meter) { m.Provider = "moon" }, "NotFound kind=provider id=moon"},
		{"again", func(m *Meter) { m.ID = "roof" }, "InvalidTransition meter=roof current=registered allowed=none"},
		{"fine", func(*Meter) {}, ""},
	}
	for _, tt := range tests {
		m := meterNamed("cellar")
		m.HasBase, m.BaseRegister, m.Remainder = true, 77, 5 // no way to bring a base along
		tt.edit(&m)
		before := rows(s)
		refused(t, s.AddMeter(m), tt.want)
		if tt.want != "" && rows(s) != before {
			t.Errorf("%s: a refusal changed the state", tt.name)
		}
	}
	if m, _ := s.Meter("cellar"); m != meterNamed("cellar") {
		t.Errorf("the meter is %+v", m)
	}
}

func TestRegistrationLimits(t *testing.T) {
	s := world(t, energy(), 1)
	for s.providers.Len() < MaxProviders {
		s.providers.Load(fmt.Sprintf("sun%08d", s.providers.Len()), Provider{})
	}
	refused(t, s.AddProvider("late"), "LimitExceeded limit=providers max=131072")
	spec := &meterSpec{}
	for s.meters.Len() < MaxMeters {
		s.meters.Load(fmt.Sprintf("roof%08d", s.meters.Len()), meterRow{spec: spec})
	}
	refused(t, s.AddMeter(meterNamed("late")), "LimitExceeded limit=meters max=1048576")
}

func TestRebaseMeter(t *testing.T) {
	s := world(t, energy(), 1, "roof")
	refused(t, s.RebaseMeter("roof", 0, morning, RebaseSwap), "InvalidTransition current=no_base allowed=base")
	refused(t, s.RebaseMeter("cellar", 0, morning, RebaseSwap), "NotFound kind=meter id=cellar")
	refused(t, s.RebaseMeter("roof", 0, morning, "mistake"), "MalformedPayload field=reason reason=unsupported")
	take(t, s, at(1_000), "roof", 99_000)
	attest(t, s, at(1_000), oracleNamed(0), 1, 1)
	take(t, s, at(hourMs), "roof", 99_010)
	refused(t, s.RebaseMeter("roof", 0, morning+hourMs, RebaseSwap), "SettlementConflict reason=pending_readings pending=1")
	_, fx := attest(t, s, at(hourMs), oracleNamed(0), 2, 2)
	expect(t, fx, "settled 2 delta 10 gross 0 fee 0 net 0", "due-release 1 at 3700")

	refused(t, s.RebaseMeter("roof", 0, morning+hourMs-1, RebaseRollover),
		"SettlementConflict reason=closed measured_at=1700003599999 closed_until=1700003600000")
	refused(t, s.RebaseMeter("roof", 0, maxUnixMs+1, RebaseRollover), "MalformedPayload field=measured_at reason=out_of_range")
	allowed(t, s.RebaseMeter("roof", 7, morning+hourMs, RebaseRollover))
	if m, _ := s.Meter("roof"); m.BaseRegister != 7 || m.Remainder != 250 {
		t.Errorf("after the rollover the meter is %+v", m)
	}
	take(t, s, at(2*hourMs), "roof", 37)
	_, fx = attest(t, s, at(2*hourMs), oracleNamed(0), 3, 3)
	expect(t, fx, "settled 3 delta 30 gross 1 fee 0 net 1")
	consistent(t, s)
}

// TestPages reads every table from somewhere in the middle, one row at a time,
// and asks for what is not there.
func TestPages(t *testing.T) {
	s := populated(t)
	var got []string
	page := func(what string, n any) bool {
		got = append(got, fmt.Sprint(what, " ", n))
		return false
	}
	s.Markets(func(m Market) bool { return page("market", m.ID) })
	s.Scheduled("water", func(epoch uint64, _ Market) bool { return page("scheduled", epoch) })
	s.Providers("moon", func(p Provider) bool { return page("provider", p.ID) })
	s.Meters("cellar", func(m Meter) bool { return page("meter", m.ID) })
	s.Meters("d", func(m Meter) bool { return page("meter", m.ID) })
	s.Pending("energy", 3, func(r Reading) bool { return page("reading", r.Number) })
	s.PendingOfMeter("roof", func(r Reading) bool { return page("of roof", r.Number) })
	s.Settlements("energy", 0, func(set Settlement) bool { return page("settlement", set.Number) })
	s.Settlements("energy", 1, func(set Settlement) bool { return page("settlement", set.Number) })
	want := "market energy, scheduled 9, provider sun, meter roof, meter roof, reading 4, of roof 3, settlement 1"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s", strings.Join(got, ", "))
	}
	if p, ok := s.Provider("moon"); !ok || p.Active {
		t.Errorf("the provider is %+v", p)
	}

	none := func(what string, ok bool) {
		t.Helper()
		if ok {
			t.Errorf("there is a %s that is not", what)
		}
	}
	for _, market := range []string{"gas", "energy"} {
		_, ok := s.Reading(market, 1)
		none("reading", ok)
		_, ok = s.Settlement(market, 2)
		none("settlement", ok)
		_, ok = s.Electorate(market, 7)
		none("electorate", ok)
		_, ok = s.Identity(market, 5)
		none("identity", ok)
		_, ok = s.Identity(market, 0)
		none("identity", ok)
		_, _, total, _ := s.Tally(Reading{Market: market, Electorate: 7})
		none("tally", total != 0)
	}
	_, ok := s.Market("gas")
	none("market", ok)
	_, ok = s.Meter("gas")
	none("meter", ok)
	none("number", s.LastNumber("gas") != 0 || s.LastSettlement("gas") != 0 || s.Weights("gas") != nil)
	s.Pending("gas", 0, func(Reading) bool { none("reading", true); return true })
	s.PendingOfMeter("gas", func(Reading) bool { none("reading", true); return true })
	s.Settlements("gas", 0, func(Settlement) bool { none("settlement", true); return true })
	s.Scheduled("gas", func(uint64, Market) bool { none("row", true); return true })
}

// What questions return is the caller's: changing it changes no state.
func TestAnswersAreCopies(t *testing.T) {
	s := populated(t)
	before := told(s)
	s.Weights("energy")[0].Weight = 99
	e, _ := s.Electorate("energy", 0)
	e.Members[0].Weight = 99
	r, _ := s.Reading("energy", 3)
	r.Values[0].Register = 99
	set, _ := s.Settlement("energy", 1)
	set.Readings[0] = Identity{}
	if told(s) != before {
		t.Error("an answer shares memory with the state")
	}
}
