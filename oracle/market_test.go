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
