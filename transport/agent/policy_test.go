package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
)

const examplePolicy = `{
  "comment": "households and roofs",
  "default": "abstain",
  "reject_unknown_meters": true,
  "rules": [
    {"market": "energy", "meter": "pv-*", "max_delta_per_hour": "6000", "max_register_step": "40000",
     "night": {"from": "22:00", "to": "04:00", "utc_offset": "+10:00", "max_delta": "0"}, "max_staleness": "26h"},
    {"market": "energy", "meter": "home-?", "max_delta_per_hour": "15000", "min_register": "5", "max_register": "999999"},
    {"market": "energy", "meter": "lab-*", "allow_decrease": true}
  ]
}`

func examples(t *testing.T) Policy {
	t.Helper()
	p, err := ParsePolicy([]byte(examplePolicy))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyIsReadAndWritten(t *testing.T) {
	p := examples(t)
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParsePolicy(text)
	if err != nil {
		t.Fatalf("what was written is not read: %v\n%s", err, text)
	}
	if n := again.Rules[0].Night; n.From != 22*60 || n.To != 4*60 || n.UTCOffset != 600 || n.MaxDelta != 0 {
		t.Errorf("night %+v", *n)
	}
	if time.Duration(again.Rules[0].MaxStaleness) != 26*time.Hour || *again.Rules[1].MaxRegister != 999_999 {
		t.Errorf("rules %+v", again.Rules)
	}
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPolicy(file); err != nil {
		t.Error(err)
	}
	if _, err := ReadPolicy(file + ".missing"); err == nil {
		t.Error("a missing file was read")
	}
}

func TestPolicyOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	inside := false
	for line := range strings.Lines(string(text)) {
		body := strings.TrimPrefix(line, "//\t")
		inside = inside || body == "{\n"
		if inside {
			example.WriteString(body)
		}
		if body == "}\n" {
			break
		}
	}
	if p, err := ParsePolicy([]byte(example.String())); err != nil || len(p.Rules) != 2 {
		t.Errorf("the example in doc.go is no policy: %v\n%s", err, example.String())
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":             ``,
		"no object":         `[]`,
		"no rules":          `{"default": "accept"}`,
		"unknown default":   `{"default": "maybe", "rules": [{"market": "energy", "meter": "*"}]}`,
		"misspelt limit":    `{"rules": [{"market": "energy", "meter": "*", "max_delta_per_hours": "1"}]}`,
		"number as number":  `{"rules": [{"market": "energy", "meter": "*", "max_delta_per_hour": 1}]}`,
		"number with zeros": `{"rules": [{"market": "energy", "meter": "*", "max_delta_per_hour": "01"}]}`,
		"negative number":   `{"rules": [{"market": "energy", "meter": "*", "max_delta_per_hour": "-1"}]}`,
		"no market":         `{"rules": [{"meter": "*"}]}`,
		"market no id":      `{"rules": [{"market": "Energy!", "meter": "*"}]}`,
		"no meter":          `{"rules": [{"market": "energy"}]}`,
		"bad pattern":       `{"rules": [{"market": "energy", "meter": "[a"}]}`,
		"bounds crossed":    `{"rules": [{"market": "energy", "meter": "*", "min_register": "2", "max_register": "1"}]}`,
		"bad duration":      `{"rules": [{"market": "energy", "meter": "*", "max_staleness": "a day"}]}`,
		"negative duration": `{"rules": [{"market": "energy", "meter": "*", "max_staleness": "-1h"}]}`,
		"night of nothing":  `{"rules": [{"market": "energy", "meter": "*", "night": {"from": "22:00", "to": "22:00", "utc_offset": "Z", "max_delta": "0"}}]}`,
		"night hour 25":     `{"rules": [{"market": "energy", "meter": "*", "night": {"from": "25:00", "to": "04:00", "utc_offset": "Z", "max_delta": "0"}}]}`,
		"night hour 7":      `{"rules": [{"market": "energy", "meter": "*", "night": {"from": "7:00", "to": "04:00", "utc_offset": "Z", "max_delta": "0"}}]}`,
		"offset":            `{"rules": [{"market": "energy", "meter": "*", "night": {"from": "22:00", "to": "04:00", "utc_offset": "10", "max_delta": "0"}}]}`,
		"duplicate":         `{"default": "accept", "default": "reject", "rules": [{"market": "energy", "meter": "*"}]}`,
		"too long":          strings.Repeat(" ", maxPolicyBytes+1),
	} {
		if p, err := ParsePolicy([]byte(text)); err == nil {
			t.Errorf("%s: read as %+v", name, p)
		}
	}
}

func TestJudge(t *testing.T) {
	p := examples(t)
	at := func(text string) int64 {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment.UnixMilli()
	}
	// 10:00 at +10:00 is midnight in UTC.
	noon := at("2026-01-10T12:00:00+10:00")
	half := int64(30 * 60_000)
	reading := func(meter string, value uint64, earlier *register) claim {
		return claim{market: "energy", meter: meter, register: register{value, noon}, acceptedAt: noon, earlier: earlier, known: true}
	}
	before := func(value uint64) *register { return &register{value, noon - half} }
	tests := []struct {
		name  string
		claim claim
		vote  Vote
		why   string
	}{
		{"within the rate", reading("pv-1", 4000, before(1000)), Accept, ""},
		{"above the rate", reading("pv-1", 4001, before(1000)), Reject, "an hour"},
		{"nothing added", reading("pv-1", 1000, before(1000)), Accept, ""},
		{"first register", reading("pv-1", 123_456_789, nil), Accept, "first"},
		{"step too long ago for the rate", reading("pv-1", 41_001, &register{1000, noon - 24*hourMs}), Reject, "step"},
		{"step just right", reading("pv-1", 41_000, &register{1000, noon - 24*hourMs}), Accept, ""},
		{"decrease", reading("pv-1", 999, before(1000)), Reject, "below the earlier"},
		{"decrease allowed", reading("lab-1", 999, before(1000)), Accept, "decrease"},
		{"below the least register", reading("home-1", 4, before(4)), Reject, "below 5"},
		{"above the greatest register", reading("home-1", 1_000_000, nil), Reject, "above 999999"},
		{"rate of another rule", reading("home-1", 8500, before(1000)), Accept, ""},
		{"pattern of one character", reading("home-12", 8500, before(1000)), Abstain, "no rule"},
		{"no rule", reading("car-1", 1, nil), Abstain, "no rule"},
		{"overflow", reading("pv-1", ^uint64(0), before(0)), Reject, "step"},
		{"same moment", reading("home-1", 1001, &register{1000, noon}), Reject, "an hour"},
		{"another market", claim{market: "storage", meter: "pv-1", known: true}, Abstain, "no rule"},
		{"unknown meter", claim{market: "energy", meter: "pv-1"}, Reject, "not registered"},
	}
	night := func(from, to string, added uint64) claim {
		c := reading("pv-1", 1000+added, &register{1000, at(from)})
		c.measuredAt = at(to)
		c.acceptedAt = c.measuredAt
		return c
	}
	tests = append(tests, []struct {
		name  string
		claim claim
		vote  Vote
		why   string
	}{
		{"counts at night", night("2026-01-10T23:00:00+10:00", "2026-01-11T00:30:00+10:00", 1), Reject, "night"},
		{"silent at night", night("2026-01-10T23:00:00+10:00", "2026-01-11T00:30:00+10:00", 0), Accept, ""},
		{"the whole night", night("2026-01-10T22:00:00+10:00", "2026-01-11T04:00:00+10:00", 1), Reject, "night"},
		{"begins before the night", night("2026-01-10T21:59:00+10:00", "2026-01-10T23:00:00+10:00", 1), Accept, ""},
		{"ends after the night", night("2026-01-11T03:00:00+10:00", "2026-01-11T04:01:00+10:00", 1), Accept, ""},
		{"by day", night("2026-01-10T12:00:00+10:00", "2026-01-10T12:30:00+10:00", 1), Accept, ""},
		{"a day and a night", night("2026-01-09T23:00:00+10:00", "2026-01-10T23:30:00+10:00", 1), Accept, ""},
		{"night by another offset", night("2026-01-10T23:00:00Z", "2026-01-10T23:30:00Z", 1), Accept, ""},
	}...)
	stale := reading("pv-1", 1001, before(1000))
	stale.acceptedAt = noon + 26*hourMs + 1
	tests = append(tests, struct {
		name  string
		claim claim
		vote  Vote
		why   string
	}{"stale", stale, Reject, "measured"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := p.judge(tt.claim)
			if v.vote != tt.vote || !strings.Contains(v.why, tt.why) {
				t.Errorf("%s (%s), want %s (%s)", v.vote, v.why, tt.vote, tt.why)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	for _, want := range []Vote{Abstain, Accept, Reject} {
		p := Policy{Default: want, Rules: []Rule{{Market: "energy", Meter: "pv-*"}}}
		if v := p.judge(claim{market: "energy", meter: "car-1", known: true}); v.vote != want {
			t.Errorf("default %s voted %s", want, v.vote)
		}
		if v := p.judge(claim{market: "energy", meter: "car-1"}); v.vote != Abstain {
			t.Errorf("an unknown meter got %s", v.vote)
		}
	}
}

func TestFirstMatchingRuleDecides(t *testing.T) {
	strict, lax := api.Uint64(1), api.Uint64(1000)
	p := Policy{Default: Abstain, Rules: []Rule{
		{Market: "energy", Meter: "pv-1", MaxRegister: &lax}, {Market: "energy", Meter: "*", MaxRegister: &strict},
	}}
	for meter, want := range map[string]Vote{"pv-1": Accept, "pv-2": Reject} {
		if v := p.judge(claim{market: "energy", meter: meter, register: register{value: 500}, known: true}); v.vote != want {
			t.Errorf("%s: %s, want %s", meter, v.vote, want)
		}
	}
	if got := p.Markets(); len(got) != 1 || got[0] != "energy" {
		t.Errorf("markets %v", got)
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(examplePolicy))
	f.Add([]byte(`{"rules": [{"market": "a", "meter": "*", "night": {"from": "00:00", "to": "23:59", "utc_offset": "-12:00", "max_delta": "18446744073709551615"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		// Whatever is read can be written, read again and asked.
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePolicy(again); err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		p.judge(claim{market: "a", meter: "m", register: register{7, 1 << 40}, earlier: &register{3, 1}, known: true})
	})
}
