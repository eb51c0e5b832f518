package oracle

import (
	"fmt"
	"testing"
)

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
