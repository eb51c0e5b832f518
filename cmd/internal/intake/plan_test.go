package intake

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// series reads one meter of half-hours from a start in minutes; an empty value is
// a gap.
func series(t interface{ Fatal(...any) }, start int, values ...string) intervals.Series {
	c, err := intervals.NewCollector(intervals.Options{Interval: 30 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("meter,time,kwh\n")
	for i, v := range values {
		fmt.Fprintf(&b, "a,%s,%s\n", at(start+30*i).Format(time.RFC3339), v)
	}
	if err := c.CSV(strings.NewReader(b.String())); err != nil {
		t.Fatal(err)
	}
	file, err := c.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return file.Series[0]
}

func at(minute int) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(minute) * time.Minute)
}

func ms(minute int) int64 { return at(minute).UnixMilli() }

// show writes what is to be sent as minute:register.
func show(p Plan) string {
	var said []string
	for _, r := range p.Readings {
		said = append(said, fmt.Sprintf("%d:%d", (r.MeasuredAt-ms(0))/60_000, r.Register))
	}
	text := strings.Join(said, " ")
	if p.Covered > 0 {
		text += fmt.Sprintf(" covered %d", p.Covered)
	}
	if p.TooOld > 0 {
		text += fmt.Sprintf(" old %d", p.TooOld)
	}
	if p.Future > 0 {
		text += fmt.Sprintf(" future %d", p.Future)
	}
	if p.Torn != nil {
		text += fmt.Sprintf(" torn %d-%d", (p.Torn.From-ms(0))/60_000, (p.Torn.To-ms(0))/60_000)
	}
	return strings.TrimSpace(text)
}

func TestArrange(t *testing.T) {
	four := []string{"0.1", "0.2", "0.4", "0.8"}
	for _, c := range []struct {
		name           string
		start          int
		values         []string
		mark           *Mark
		oldest, latest int
		want           string
	}{
		{"a new meter begins with its baseline", 0, four, nil, -1000, 1000, "0:0 30:100 60:300 90:700 120:1500"},
		{"a mark before the file", 60, four, &Mark{5000, ms(0)}, -1000, 1000, "90:5100 120:5300 150:5700 180:6500"},
		{"a mark where the file begins", 0, four, &Mark{5000, ms(0)}, -1000, 1000, "30:5100 60:5300 90:5700 120:6500"},
		{"a mark within", 0, four, &Mark{5000, ms(60)}, -1000, 1000, "90:5400 120:6200 covered 2"},
		{"a mark at the end", 0, four, &Mark{5000, ms(120)}, -1000, 1000, "covered 4"},
		{"a mark behind the end", 0, four, &Mark{5000, ms(999)}, -1000, 1000, "covered 4"},
		{"a mark that no interval ends at", 0, four, &Mark{5000, ms(70)}, -1000, 1000, "120:5800 covered 2 torn 60-90"},
		{"a mark in the last interval", 0, four, &Mark{5000, ms(119)}, -1000, 1000, "covered 3 torn 90-120"},
		{"a mark in the first interval", 0, four, &Mark{5000, ms(1)}, -1000, 1000, "60:5200 90:5600 120:6400 torn 0-30"},
		{"a mark in a gap", 0, []string{"0.1", "", "", "0.8"}, &Mark{5000, ms(70)}, -1000, 1000, "120:5800 covered 1"},
		{"what is too old joins the next", 0, four, &Mark{5000, ms(0)}, 80, 1000, "90:5700 120:6500 old 2"},
		{"all too old, with a mark", 0, four, &Mark{5000, ms(0)}, 500, 1000, "old 4"},
		{"what is too old of a new meter is not counted", 0, four, nil, 80, 1000, "90:0 120:800 old 3"},
		{"all too old, without a mark", 0, four, nil, 500, 1000, "old 4"},
		{"the future", 0, four, &Mark{5000, ms(0)}, -1000, 70, "30:5100 60:5300 future 2"},
		{"all of the future", 0, four, nil, -1000, -10, "future 4"},
		{
			"a register full to the brim", 0, four, &Mark{1<<64 - 1501, ms(0)}, -1000, 1000,
			"30:18446744073709550215 60:18446744073709550415 90:18446744073709550815 120:18446744073709551615",
		},
	} {
		p, err := Arrange(series(t, c.start, c.values...), "a", 3, c.mark, Bounds{Oldest: ms(c.oldest), Latest: ms(c.latest)})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := show(p); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if _, err := Arrange(series(t, 0, four...), "a", 3, &Mark{1<<64 - 1500, ms(0)}, Bounds{Latest: ms(1000)}); err == nil {
		t.Error("a register above 64 bits was planned")
	}
}

// TestInterrupted takes a file in piece by piece: whatever was sent before is the
// mark of the next run. However often it is interrupted, the register ends where
// the sum of the file is, rounded down, and no moment is sent twice.
func TestInterrupted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("0.%07d", rapid.IntRange(0, 9_999_999).Draw(t, "value"))
		}), 1, 20).Draw(t, "values")
		s := series(t, 0, values...)
		decimals := rapid.IntRange(0, 8).Draw(t, "decimals")
		exact := new(big.Rat)
		for _, v := range values {
			r, _ := new(big.Rat).SetString(v)
			exact.Add(exact, r)
		}
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
		exact.Mul(exact, new(big.Rat).SetInt(unit))
		want := new(big.Int).Quo(exact.Num(), exact.Denom())

		var mark *Mark
		sent := map[int64]bool{}
		for range 2 * len(values) {
			p, err := Arrange(s, "a", decimals, mark, Bounds{Oldest: ms(-1), Latest: ms(10_000)})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Readings) == 0 {
				break
			}
			n := rapid.IntRange(1, len(p.Readings)).Draw(t, "sent")
			for _, r := range p.Readings[:n] {
				if sent[r.MeasuredAt] || mark != nil && r.MeasuredAt <= mark.MeasuredAt {
					t.Fatalf("%d was sent twice", r.MeasuredAt)
				}
				sent[r.MeasuredAt] = true
				mark = &Mark{Register: r.Register, MeasuredAt: r.MeasuredAt}
			}
		}
		if mark.Register != want.Uint64() || len(sent) != len(values)+1 {
			t.Fatalf("the register ends at %d after %d readings, the values add up to %s", mark.Register, len(sent), exact.FloatString(9))
		}
	})
}
