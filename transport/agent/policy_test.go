package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// documented is the example in doc.go.
func documented(t *testing.T) string {
	t.Helper()
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
	return example.String()
}

func TestPolicyOfTheDocumentation(t *testing.T) {
	if p, err := ParsePolicy([]byte(documented(t))); err != nil || len(p.Rules) != 2 || p.Rules[0].Dark == nil || p.Rules[1].Reference == nil {
		t.Errorf("the example in doc.go is no policy: %v", err)
	}
}

// The example policies that are shipped are valid, and their comments say what for.
func TestShippedPolicies(t *testing.T) {
	files, err := filepath.Glob("../../deploy/examples/oracle_policy*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if file == schemaFile {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := ReadPolicy(file); err != nil || p.Comment == "" || !valid(t, string(text)) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// ruled puts a member into a rule that is otherwise fine.
func ruled(member string) string {
	return "{\n  \"references\": {\"r\": {\"file\": \"r.csv\"}},\n  \"rules\": [\n    {\"market\": \"energy\", \"meter\": \"*\"},\n    {\"market\": \"energy\", \"meter\": \"*\", " + member + "}]}"
}

func TestPoliciesThatAreRefused(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", ``, "line 1, column 1: the policy ends too soon"},
		{"blank", "\n  \n", "line 3, column 1: the policy ends too soon"},
		{"cut off", "{\"rules\": [", "line 1, column 12"},
		{"no object", `[]`, "line 1, column 1: a list does not belong here"},
		{"no JSON", "{\n  rules: []}", "line 2, column 3: "},
		{"two objects", "{\"rules\": []}\n{}", "line 2, column 1: "},
		{"no rules", `{"default": "accept"}`, "line 1, column 1: rules: it is missing"},
		{"empty rules", `{"rules": []}`, "line 1, column 2: rules: there are no rules"},
		{"half a night", ruled(`"night": {"from": "22:00", "to": "04:00"}`), "line 5, column 40: rule 2: night.utc_offset: it is missing"},
		{"null", "{\n\"rules\": null}", "line 2, column 10: rules: null is no value"},
		{"unknown default", "{\n \"default\": \"maybe\", \"rules\": [{\"market\": \"energy\", \"meter\": \"*\"}]}", `line 2, column 2: default: "maybe" is no vote: want abstain, accept or reject`},
		{"misspelt limit", ruled(`"max_delta_per_hours": "1"`), "line 5, column 40: rule 2: max_delta_per_hours: there is no such member"},
		{"wrong case", ruled(`"Night": {}`), "rule 2: Night: there is no such member"},
		{"number as number", ruled(`"max_delta_per_hour": 1`), "line 5, column 62: rule 2: max_delta_per_hour: a number does not belong here"},
		{"number with zeros", ruled(`"max_delta_per_hour": "01"`), "line 5, column 62: rule 2: max_delta_per_hour: "},
		{"negative number", ruled(`"max_delta_per_hour": "-1"`), "rule 2: max_delta_per_hour: "},
		{"duplicate", ruled(`"meter": "a"`), "line 5, column 40: rule 2: meter: duplicate"},
		{"no market", `{"rules": [{"meter": "*"}]}`, "line 1, column 12: rule 1: market: it is missing"},
		{"market no id", `{"rules": [{"market": "Energy!", "meter": "*"}]}`, `line 1, column 13: rule 1: market: "Energy!" is not the id of a market`},
		{"no meter", `{"rules": [{"market": "energy"}]}`, "rule 1: meter: it is missing"},
		{"bad pattern", `{"rules": [{"market": "energy", "meter": "[a"}]}`, "rule 1: meter: the pattern"},
		{"bounds crossed", ruled(`"min_register": "2", "max_register": "1"`), "line 5, column 40: rule 2: min_register: 2 is above max_register 1"},
		{"bad duration", ruled(`"max_staleness": "a day"`), `rule 2: max_staleness: "a day" is not a duration like 26h or 90m`},
		{"negative duration", ruled(`"max_staleness": "-1h"`), "rule 2: max_staleness: a duration must not be negative"},
		{"night of nothing", ruled(`"night": {"from": "22:00", "to": "22:00", "utc_offset": "Z", "max_delta": "0"}`), "rule 2: night.to: it begins and ends at the same time"},
		{"night hour 25", ruled(`"night": {"from": "25:00", "to": "04:00", "utc_offset": "Z", "max_delta": "0"}`), `rule 2: night.from: "25:00" is not a time of day like 22:00`},
		{"night hour 7", ruled(`"night": {"from": "7:00", "to": "04:00", "utc_offset": "Z", "max_delta": "0"}`), `rule 2: night.from: "7:00" is not a time of day`},
		{"offset", ruled(`"night": {"from": "22:00", "to": "04:00", "utc_offset": "10", "max_delta": "0"}`), `rule 2: night.utc_offset: "10" is not an offset`},
		{"dark without a site", ruled(`"dark": {"sun_below": -6, "max_delta": "0"}`), "rule 2: dark: the sun's elevation needs a site"},
		{"site in space", ruled(`"site": {"latitude": 91, "longitude": 181}`), "rule 2: site.latitude: 91 degrees: want -90 to 90"},
		{"run of one", ruled(`"stale_run": {"readings": 1}`), "rule 2: stale_run.readings: 1: want 2 to 10000"},
		{"run in hours and sun", ruled(`"site": {"latitude": 1, "longitude": 1}, "stale_run": {"readings": 3, "sun_above": 5, "between": {"from": "10:00", "to": "14:00", "utc_offset": "Z"}}`), "rule 2: stale_run.sun_above: between says already"},
		{"run in the sun of nowhere", ruled(`"stale_run": {"readings": 3, "sun_above": 5}`), "rule 2: stale_run.sun_above: the sun's elevation needs a site"},
		{"run accepts", ruled(`"stale_run": {"readings": 3, "vote": "accept"}`), `rule 2: stale_run.vote: "accept": want reject or abstain`},
		{"repeats of two", ruled(`"repeated_deltas": {"readings": 2}`), "rule 2: repeated_deltas.readings: 2: want 3 to 10000"},
		{"hold of abstentions", ruled(`"repeated_deltas": {"readings": 3, "hold": true, "vote": "abstain"}`), "rule 2: repeated_deltas.hold: only what is rejected"},
		{"outlier of nothing", ruled(`"outlier": {"steps": 2, "deviations": 0, "margin_per_hour": "0"}`), "rule 2: outlier.steps: 2: want 3 to 4096"},
		{"outlier of fewer", ruled(`"outlier": {"steps": 5, "at_least": 6, "deviations": 1, "margin_per_hour": "0"}`), "rule 2: outlier.at_least: 6: want 3 to steps, 5"},
		{"unknown reference", ruled(`"reference": {"series": "s", "tolerance": "0"}`), `rule 2: reference.series: the policy has no reference "s"`},
		{"waits for ever", ruled(`"reference": {"series": "r", "tolerance": "0", "wait": "25h"}`), "rule 2: reference.wait: want 0s to 24h"},
		{"reference from nowhere", `{"references": {"r": {}}, "rules": [{"market": "a", "meter": "*"}]}`, "line 1, column 17: references.r: want file or url"},
		{"reference over http", `{"references": {"r": {"url": "http://example.org/"}}, "rules": [{"market": "a", "meter": "*"}]}`, "references.r.url: \"http://example.org/\": want an https URL"},
		{"reference with a password", `{"references": {"r": {"url": "https://a:b@example.org/"}}, "rules": [{"market": "a", "meter": "*"}]}`, "references.r.url"},
		{"reference in XML", `{"references": {"r": {"file": "x", "format": "xml"}}, "rules": [{"market": "a", "meter": "*"}]}`, `references.r.format: "xml": want csv or json`},
		{"too long", strings.Repeat(" ", maxPolicyBytes+1), "more than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParsePolicy([]byte(tt.text))
			if err == nil {
				t.Fatalf("read as %+v", p)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("said: %v\nwant: %s", err, tt.want)
			}
		})
	}
}

// All that is wrong is said at once.
func TestEveryFlawIsNamed(t *testing.T) {
	_, err := ParsePolicy([]byte(ruled(`"min_register": "2", "max_register": "1", "site": {"latitude": 91, "longitude": 181}`)))
	if err == nil || strings.Count(err.Error(), "line 5") != 3 {
		t.Errorf("said: %v", err)
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
		j := NewJudge(p, nil)
		for i := range int64(5) {
			j.Verdict(Claim{Market: "a", Meter: "m", Register: Register{uint64(7 * i), 1<<40 + i*hourMs}, Base: &Register{3, 1}})
		}
	})
}
