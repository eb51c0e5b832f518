package agent

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Sunrise, noon and sunset as almanacs have them, to the minute: the sun's centre
// is then 0.83 degrees below the horizon, as the air bends its light.
func TestSunOfAlmanacs(t *testing.T) {
	for _, tt := range []struct {
		place            string
		site             Site
		rise, noon, set  string
		highest, accepts float64
	}{
		{"Greenwich, equinox", Site{51.48, 0}, "2024-03-20T06:03:00Z", "2024-03-20T12:07:00Z", "2024-03-20T18:13:00Z", 38.6, 0.5},
		{"Greenwich, midsummer", Site{51.48, 0}, "2024-06-20T03:43:00Z", "2024-06-20T12:02:00Z", "2024-06-20T20:21:00Z", 61.96, 0.5},
		{"Sydney, midsummer", Site{-33.87, 151.21}, "2023-12-22T05:42:00+11:00", "2023-12-22T12:53:00+11:00", "2023-12-22T20:06:00+11:00", 79.57, 0.5},
		{"Boulder, midwinter", Site{40.01, -105.27}, "2023-12-21T07:18:00-07:00", "2023-12-21T11:59:00-07:00", "2023-12-21T16:39:00-07:00", 26.56, 0.5},
	} {
		for _, edge := range []string{tt.rise, tt.set} {
			if got := float64(tt.site.elevation(at(t, edge))) / 100; math.Abs(got+0.83) > tt.accepts {
				t.Errorf("%s: the sun stands at %v at %s", tt.place, got, edge)
			}
		}
		if got := float64(tt.site.elevation(at(t, tt.noon))) / 100; math.Abs(got-tt.highest) > tt.accepts {
			t.Errorf("%s: the sun stands at %v at noon", tt.place, got)
		}
	}
}

// The extremes are those that looking every minute finds.
func TestExtremesOfTheSun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		site := Site{rapid.Float64Range(-90, 90).Draw(t, "latitude"), rapid.Float64Range(-180, 180).Draw(t, "longitude")}
		from := rapid.Int64Range(0, 4_000_000_000_000).Draw(t, "from")
		to := from + rapid.Int64Range(1, 3*dayMs).Draw(t, "length")
		high, low := site.elevation(to), site.elevation(to)
		// Through the zenith it moves an eighth of a degree in half a minute.
		for at := from; at < to; at += minuteMs {
			e := site.elevation(at)
			high, low = max(high, e), min(low, e)
		}
		if got := site.highest(from, to); got < high-2 || got > high+20 {
			t.Fatalf("highest %d, want %d", got, high)
		}
		if got := site.lowest(from, to); got > low+2 || got < low-20 {
			t.Fatalf("lowest %d, want %d", got, low)
		}
	})
}

func TestDark(t *testing.T) {
	rule := Rule{Site: &Site{48.14, 11.58}, Dark: &Dark{SunBelow: -3, MaxDelta: 1}}
	midnight := at(t, "2026-06-21T23:00:00Z") // at -18 degrees
	if got := told(judgeBy(rule), midnight, 10, 11, 13, 13); got != "f.DD" {
		t.Errorf("at night: %s", got)
	}
	if got := told(judgeBy(rule), midnight+12*hourMs, 10, 11, 13, 13); got != "f..." {
		t.Errorf("by day: %s", got)
	}
	// A day between two nights is not dark, though it begins and ends so.
	j := judgeBy(rule)
	told(j, midnight, 10)
	if v := j.Look(Claim{Market: "energy", Meter: "m", Register: Register{9000, midnight + dayMs}}); v.Vote != Accept {
		t.Errorf("%+v", v)
	}
	v := j.Look(Claim{Market: "energy", Meter: "m", Register: Register{90, midnight + quarter}})
	if v.Reason != InTheDark || v.Limit != "1 below -3.00°" || v.Value != "80 in 15m0s with the sun at -18.33°" {
		t.Errorf("%+v", v)
	}
	// The sun does not rise in the polar winter, and does not set in summer.
	north := Site{78.2, 15.6}
	december, june := at(t, "2026-12-21T00:00:00Z"), at(t, "2026-06-21T00:00:00Z")
	week := int64(7 * 24 * time.Hour / time.Millisecond)
	if north.highest(december, december+week) > -1000 || north.lowest(june, june+week) < 1000 {
		t.Errorf("%d, %d", north.highest(december, december+week), north.lowest(june, june+week))
	}
}
