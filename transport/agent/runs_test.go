package agent

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const quarter = hourMs / 4

// told feeds registers, one each quarter of an hour from a time on, and returns
// the reasons as one letter each.
func told(j *Judge, from int64, registers ...uint64) string {
	letters := map[Reason]string{Plausible: ".", FirstRegister: "f", Stale: "S", Repeated: "R", Held: "H", OutlierRate: "O", AboveRate: "r", InTheDark: "D", Decrease: "d"}
	var text strings.Builder
	for i, value := range registers {
		v := j.Verdict(Claim{Market: "energy", Meter: "m", Register: Register{value, from + int64(i)*quarter}})
		if letters[v.Reason] == "" {
			text.WriteString("?")
		}
		text.WriteString(letters[v.Reason])
	}
	return text.String()
}

func judgeBy(r Rule) *Judge {
	r.Market, r.Meter = "energy", "*"
	return NewJudge(Policy{Rules: []Rule{r}}, nil)
}

// sums turns what was added into registers.
func sums(added ...uint64) []uint64 {
	total := uint64(1000)
	out := []uint64{total}
	for _, a := range added {
		total += a
		out = append(out, total)
	}
	return out
}

func TestStaleRuns(t *testing.T) {
	morning := at(t, "2026-06-10T10:00:00Z")
	noonish := &Hours{From: 10 * 60, To: 12 * 60}
	high := 20.0
	site := &Site{Latitude: 48, Longitude: 11}
	tests := []struct {
		name string
		rule Rule
		from int64
		add  []uint64
		want string
	}{
		{"the third is too many", Rule{StaleRun: &StaleRun{Readings: 3}}, morning, []uint64{5, 0, 0, 0, 0, 5, 0}, "f...SS.."},
		{"hardly moving", Rule{StaleRun: &StaleRun{Readings: 3, MaxDelta: 2}}, morning, []uint64{1, 2, 1, 3, 1, 1, 1}, "f..S...S"},
		{"broken by a move", Rule{StaleRun: &StaleRun{Readings: 3}}, morning, []uint64{0, 0, 1, 0, 0, 1}, "f......"},
		{"only in hours that count", Rule{StaleRun: &StaleRun{Readings: 3, Between: noonish}}, morning - 4*quarter, []uint64{0, 0, 0, 0, 0, 0, 0, 0}, "f......SS"},
		{"not behind them", Rule{StaleRun: &StaleRun{Readings: 3, Between: noonish}}, morning + 6*quarter, []uint64{0, 0, 0, 0, 0, 0}, "f......"},
		{"only in the sun", Rule{Site: site, StaleRun: &StaleRun{Readings: 3, SunAbove: &high}}, at(t, "2026-06-10T22:00:00Z"), []uint64{0, 0, 0, 0, 0, 0}, "f......"},
		{"in the sun", Rule{Site: site, StaleRun: &StaleRun{Readings: 3, SunAbove: &high}}, morning, []uint64{0, 0, 0}, "f..S"},
	}
	for _, tt := range tests {
		if got := told(judgeBy(tt.rule), tt.from, sums(tt.add...)...); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	// A night between two days neither counts nor ends a run.
	j := judgeBy(Rule{StaleRun: &StaleRun{Readings: 3, Between: noonish}})
	got := told(j, morning+6*quarter, 7, 7, 7, 7, 7) // two count
	if got += told(j, morning+dayMs, 7, 7, 7); got != "f.....SS" {
		t.Errorf("over night: %s", got)
	}
	abstaining := judgeBy(Rule{StaleRun: &StaleRun{Readings: 2, Vote: Abstain}})
	told(abstaining, morning, 5, 5)
	if v := abstaining.Verdict(Claim{Market: "energy", Meter: "m", Register: Register{5, morning + 2*quarter}}); v.Vote != Abstain || v.Reason != Stale || v.Value != "2 readings" {
		t.Errorf("%+v", v)
	}
}

func TestRepeatedDeltas(t *testing.T) {
	start := at(t, "2026-06-10T10:00:00Z")
	tests := []struct {
		name string
		rule RepeatedDeltas
		add  []uint64
		want string
	}{
		{"the third is too many", RepeatedDeltas{Readings: 3}, []uint64{5, 7, 7, 7, 7, 8, 7}, "f...RR.."},
		{"rounding", RepeatedDeltas{Readings: 4, Tolerance: 1}, []uint64{7, 8, 7, 8, 8, 9, 8}, "f...RR.."},
		{"without tolerance", RepeatedDeltas{Readings: 4}, []uint64{7, 8, 7, 8, 8, 9, 8}, "f......."},
		{"nothing is no repetition", RepeatedDeltas{Readings: 3}, []uint64{0, 0, 0, 0}, "f...."},
		{"and ends one", RepeatedDeltas{Readings: 3}, []uint64{7, 7, 0, 7, 7}, "f....."},
		{"held", RepeatedDeltas{Readings: 3, Hold: true}, []uint64{7, 7, 7, 9, 4, 4, 4}, "f..RHHHH"},
	}
	for _, tt := range tests {
		if got := told(judgeBy(Rule{RepeatedDeltas: &tt.rule}), start, sums(tt.add...)...); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	// Another time for the same is no repetition.
	j := judgeBy(Rule{RepeatedDeltas: &RepeatedDeltas{Readings: 3}})
	for i, after := range []int64{0, 1, 2, 4, 5, 7} {
		if v := j.Verdict(Claim{Market: "energy", Meter: "m", Register: Register{100 + 7*uint64(i), start + after*quarter}}); v.Vote != Accept {
			t.Errorf("%+v", v)
		}
	}
}

// A held meter is free once the committee's base is behind the run.
func TestHeldMetersAreReleased(t *testing.T) {
	start := at(t, "2026-06-10T10:00:00Z")
	j := judgeBy(Rule{RepeatedDeltas: &RepeatedDeltas{Readings: 3, Hold: true}})
	if got := told(j, start, sums(7, 7, 7, 20)...); got != "f..RH" {
		t.Fatal(got)
	}
	next := Claim{Market: "energy", Meter: "m", Register: Register{1050, start + 5*quarter}}
	if v := j.Look(next); v.Reason != Held || !strings.Contains(v.Words, "rebase") {
		t.Errorf("%+v", v)
	}
	next.Base = &Register{1041, start + 4*quarter}
	if v := j.Verdict(next); v.Vote != Accept {
		t.Errorf("%+v", v)
	}
}

func TestOutliers(t *testing.T) {
	start := at(t, "2026-06-10T10:00:00Z")
	rule := Outlier{Steps: 6, AtLeast: 4, Deviations: 5, MarginPerHour: 40}
	low := rule
	low.Low = true
	tests := []struct {
		name string
		rule Outlier
		add  []uint64
		want string
	}{
		// What 1,000 leaves behind is spread over the readings after it.
		{"a spike", rule, []uint64{100, 101, 99, 100, 1000, 100}, "f....OO"},
		{"within the margin", rule, []uint64{100, 101, 99, 100, 110, 110}, "f......"},
		{"just outside", rule, []uint64{100, 100, 100, 100, 111}, "f....O"},
		{"too few to tell", rule, []uint64{100, 101, 99, 1000}, "f...."},
		{"low is fine", rule, []uint64{100, 101, 99, 100, 1}, "f....."},
		{"low is not", low, []uint64{100, 101, 99, 100, 1}, "f....O"},
		{"an outlier is no measure", rule, []uint64{100, 100, 100, 100, 1000, 100, 100, 100, 100, 100, 100}, "f....OOOOOOO"},
		{"habits change for good", rule, []uint64{100, 100, 100, 100, 100, 100, 10, 10, 10, 10, 10, 10}, "f............"},
		{"and soon enough", rule, []uint64{100, 100, 100, 100, 100, 100, 300, 300, 300, 300, 300, 300}, "f......OOOO.."},
		{"wild meters may be wild", rule, []uint64{10, 500, 300, 900, 1200, 20, 800}, "f......."},
	}
	for _, tt := range tests {
		if got := told(judgeBy(Rule{Outlier: &tt.rule}), start, sums(tt.add...)...); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	j := judgeBy(Rule{Outlier: &rule})
	told(j, start, sums(100, 101, 99, 100)...)
	v := j.Verdict(Claim{Market: "energy", Meter: "m", Register: Register{2400, start + 5*quarter}})
	if v.Value != "4000 an hour" || v.Limit != "400 ± 40 an hour" || v.Rule != 1 {
		t.Errorf("%+v", v)
	}
}

// The median and the MAD do not care for order, and a minority of wild values
// moves them no further than the others reach.
func TestMiddleIsRobust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		calm := rapid.SliceOfN(rapid.Uint64Range(100, 110), 5, 50).Draw(t, "calm")
		wild := rapid.SliceOfN(rapid.Uint64(), 0, (len(calm)-1)/2).Draw(t, "wild")
		all := rapid.Permutation(append(wild, calm...)).Draw(t, "all")
		median, spread := middleOf(all)
		if median < 100 || median > 110 || spread > 10 {
			t.Fatalf("median %d, MAD %d of %v", median, spread, all)
		}
	})
}

func TestRoomForSteps(t *testing.T) {
	rule := Rule{Market: "energy", Meter: "*", Outlier: &Outlier{Steps: 1000, Deviations: 1}}
	j := NewJudge(Policy{Rules: []Rule{rule}}, nil)
	for i := range uint64(3000) {
		j.Verdict(Claim{Market: "energy", Meter: "m", Register: Register{i, int64(i) * quarter}})
	}
	track := j.tracks["energy/m"]
	if len(track.points) != 1001 || len(track.rates(3000*quarter, 1000)) != 1000 {
		t.Errorf("%d points", len(track.points))
	}
}
