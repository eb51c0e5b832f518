package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
)

func at(t *testing.T, text string) int64 {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment.UnixMilli()
}

func TestJudge(t *testing.T) {
	p := examples(t)
	// 10:00 at +10:00 is midnight in UTC.
	noon := at(t, "2026-01-10T12:00:00+10:00")
	half := int64(30 * 60_000)
	claim := func(meter string, value uint64, earlier *Register) Claim {
		return Claim{Market: "energy", Meter: meter, Register: Register{value, noon}, AcceptedAt: noon, Base: earlier}
	}
	before := func(value uint64) *Register { return &Register{value, noon - half} }
	night := func(from, to string, added uint64) Claim {
		c := claim("pv-1", 1000+added, &Register{1000, at(t, from)})
		c.MeasuredAt = at(t, to)
		c.AcceptedAt = c.MeasuredAt
		return c
	}
	stale, unheard := claim("pv-1", 1001, before(1000)), claim("pv-1", 1001, before(1000))
	stale.AcceptedAt = noon + 26*hourMs + 1
	unheard.AcceptedAt = 0
	unknown := claim("pv-1", 1, nil)
	unknown.Unknown = true
	tests := []struct {
		name  string
		claim Claim
		vote  Vote
		why   Reason
		rule  int
		words string
	}{
		{"within the rate", claim("pv-1", 4000, before(1000)), Accept, Plausible, 1, ""},
		{"above the rate", claim("pv-1", 4001, before(1000)), Reject, AboveRate, 1, "3001 in 30m0s is above 6000 an hour"},
		{"nothing added", claim("pv-1", 1000, before(1000)), Accept, Plausible, 1, ""},
		{"first register", claim("pv-1", 123_456_789, nil), Accept, FirstRegister, 1, "first"},
		{"step too long ago for the rate", claim("pv-1", 41_001, &Register{1000, noon - 24*hourMs}), Reject, AboveStep, 1, "a step of 40001 is above 40000"},
		{"step just right", claim("pv-1", 41_000, &Register{1000, noon - 24*hourMs}), Accept, Plausible, 1, ""},
		{"decrease", claim("pv-1", 999, before(1000)), Reject, Decrease, 1, "999 is below the earlier 1000"},
		{"decrease allowed", claim("lab-1", 999, before(1000)), Accept, Plausible, 3, "decrease"},
		{"below the least register", claim("home-1", 4, before(4)), Reject, BelowMinRegister, 2, "below 5"},
		{"above the greatest register", claim("home-1", 1_000_000, nil), Reject, AboveMaxRegister, 2, "above 999999"},
		{"rate of another rule", claim("home-1", 8500, before(1000)), Accept, Plausible, 2, ""},
		{"pattern of one character", claim("home-12", 8500, before(1000)), Abstain, NoRule, 0, "no rule"},
		{"no rule", claim("car-1", 1, nil), Abstain, NoRule, 0, "no rule"},
		{"overflow", claim("pv-1", ^uint64(0), before(0)), Reject, AboveStep, 1, "step"},
		{"another market", Claim{Market: "storage", Meter: "pv-1"}, Abstain, NoRule, 0, "no rule"},
		{"unknown meter", unknown, Reject, UnknownMeter, 0, "not registered"},
		{"counts at night", night("2026-01-10T23:00:00+10:00", "2026-01-11T00:30:00+10:00", 1), Reject, AtNight, 1, "22:00 to 04:00 (+10:00)"},
		{"silent at night", night("2026-01-10T23:00:00+10:00", "2026-01-11T00:30:00+10:00", 0), Accept, Plausible, 1, ""},
		{"the whole night", night("2026-01-10T22:00:00+10:00", "2026-01-11T04:00:00+10:00", 1), Reject, AtNight, 1, ""},
		{"begins before the night", night("2026-01-10T21:59:00+10:00", "2026-01-10T23:00:00+10:00", 1), Accept, Plausible, 1, ""},
		{"ends after the night", night("2026-01-11T03:00:00+10:00", "2026-01-11T04:01:00+10:00", 1), Accept, Plausible, 1, ""},
		{"by day", night("2026-01-10T12:00:00+10:00", "2026-01-10T12:30:00+10:00", 1), Accept, Plausible, 1, ""},
		{"a day and a night", night("2026-01-09T23:00:00+10:00", "2026-01-10T23:30:00+10:00", 1), Accept, Plausible, 1, ""},
		{"night by another offset", night("2026-01-10T23:00:00Z", "2026-01-10T23:30:00Z", 1), Accept, Plausible, 1, ""},
		{"too old", stale, Reject, TooOld, 1, "measured 26h0m0.001s before"},
		{"of unknown age", unheard, Accept, Plausible, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := NewJudge(p, nil).Verdict(tt.claim)
			if v.Vote != tt.vote || v.Reason != tt.why || v.Rule != tt.rule || !strings.Contains(v.Words, tt.words) {
				t.Errorf("%+v, want %s for %s by rule %d (%s)", v, tt.vote, tt.why, tt.rule, tt.words)
			}
			limited := v.Reason != Plausible && v.Reason != FirstRegister && v.Reason != NoRule && v.Reason != UnknownMeter
			if limited != (v.Value != "" && v.Limit != "") {
				t.Errorf("value %q, limit %q", v.Value, v.Limit)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	for _, want := range []Vote{Abstain, Accept, Reject} {
		j := NewJudge(Policy{Default: want, Rules: []Rule{{Market: "energy", Meter: "pv-*"}}}, nil)
		if v := j.Verdict(Claim{Market: "energy", Meter: "car-1"}); v.Vote != want {
			t.Errorf("default %s voted %s", want, v.Vote)
		}
		if v := j.Verdict(Claim{Market: "energy", Meter: "car-1", Unknown: true}); v.Vote != Abstain {
			t.Errorf("an unknown meter got %s", v.Vote)
		}
	}
}

func TestFirstMatchingRuleDecides(t *testing.T) {
	strict, lax := api.Uint64(1), api.Uint64(1000)
	j := NewJudge(Policy{Rules: []Rule{
		{Market: "energy", Meter: "pv-1", MaxRegister: &lax}, {Market: "energy", Meter: "*", MaxRegister: &strict},
	}}, nil)
	for meter, want := range map[string]Vote{"pv-1": Accept, "pv-2": Reject} {
		if v := j.Verdict(Claim{Market: "energy", Meter: meter, Register: Register{Value: 500}}); v.Vote != want {
			t.Errorf("%s: %s, want %s", meter, v.Vote, want)
		}
	}
	if got := j.policy.Markets(); len(got) != 1 || got[0] != "energy" {
		t.Errorf("markets %v", got)
	}
}

func TestTrack(t *testing.T) {
	var track track
	base := &Register{100, 1000}
	if got := track.nearest(nil, 5000); got != nil {
		t.Errorf("nothing known, yet %+v", got)
	}
	accept := func(value uint64, at int64) { track.add(point{Register: Register{value, at}, vote: Accept}, 0) }
	accept(300, 3000)
	accept(200, 2000)
	accept(201, 2000) // superseded
	track.add(point{Register: Register{9000, 2500}, vote: Reject}, 0)
	for before, want := range map[int64]Register{1001: {100, 1000}, 2000: {100, 1000}, 2001: {201, 2000}, 3000: {201, 2000}, 9000: {300, 3000}} {
		if got := track.nearest(base, before); got == nil || *got != want {
			t.Errorf("before %d: %+v, want %+v", before, got, want)
		}
	}
	if got := track.nearest(base, 1000); got != nil {
		t.Errorf("the base is not earlier than itself: %+v", got)
	}
	// A base of the same time is what the committee set.
	if got := track.nearest(&Register{7, 3000}, 4000); got.Value != 7 {
		t.Errorf("the base is %+v", got)
	}
	for i := range maxRemembered + 10 {
		accept(uint64(i), 10_000+int64(i))
	}
	if len(track.points) != maxRemembered || track.points[0].MeasuredAt != 10_010 {
		t.Errorf("%d remembered from %d on", len(track.points), track.points[0].MeasuredAt)
	}
}

// However many implausible readings come, what was plausible before them is what
// the next one is compared with.
func TestPlausibleRegistersAreKept(t *testing.T) {
	most := api.Uint64(10)
	j := judgeBy(Rule{MaxRegisterStep: &most})
	j.Verdict(Claim{Market: "energy", Meter: "m", Register: Register{100, 0}})
	for i := range int64(maxRemembered + 10) {
		if v := j.Verdict(Claim{Market: "energy", Meter: "m", Register: Register{111, quarter * (i + 1)}}); v.Reason != AboveStep {
			t.Fatalf("reading %d: %+v", i, v)
		}
	}
}

func TestRatesDoNotOverflow(t *testing.T) {
	for _, tt := range []struct {
		delta   uint64
		elapsed int64
		want    uint64
	}{{0, 1, 0}, {1, hourMs, 1}, {1, 2 * hourMs, 0}, {5, hourMs / 2, 10}, {^uint64(0), 1, ^uint64(0)}, {^uint64(0), hourMs, ^uint64(0)}, {7, 0, ^uint64(0)}} {
		if got := perHour(tt.delta, tt.elapsed); got != tt.want {
			t.Errorf("%d in %d ms are %d an hour, want %d", tt.delta, tt.elapsed, got, tt.want)
		}
	}
}
