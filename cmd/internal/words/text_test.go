package words

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ü 漢 →\t\n":       "plain, ü 漢 →\t\n",
		"\x1b[2J\r\a":            `\u001b[2J\u000d\u0007`,
		"a\u009bm\x7f":           `a\u009bm\u007f`,
		"\u202etxt.exe\u2066":    `\u202etxt.exe\u2066`,
		"\x9bm":                  `\ufffdm`,
		`{"a": "\u001b"}` + "\n": `{"a": "\u001b"}` + "\n",
	} {
		if got := Shown(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestRegister(t *testing.T) {
	tests := []struct {
		text     string
		decimals uint8
		units    uint64
		back     string
	}{
		{"1500", 0, 1500, "1,500"},
		{"1500", 3, 1_500_000, "1,500.000"},
		{"1500.25", 3, 1_500_250, "1,500.250"},
		{"0.001", 3, 1, "0.001"},
		{"0.5", 9, 500_000_000, "0.500000000"},
		{"1.5000", 1, 15, "1.5"},
		{"18446744073.709551615", 9, 1<<64 - 1, "18,446,744,073.709551615"},
	}
	for _, test := range tests {
		got, err := ParseRegister(test.text, test.decimals)
		if err != nil || got != test.units {
			t.Errorf("%s with %d decimals: %d, %v; want %d", test.text, test.decimals, got, err, test.units)
		}
		if back := Register(test.units, test.decimals); back != test.back {
			t.Errorf("%d with %d decimals: %s, want %s", test.units, test.decimals, back, test.back)
		}
	}
	for _, bad := range []string{"", ".", ".5", "5.", "1,5", "1.2.3", "-1", "+1", "1e3", " 1", "0.0001", "18446744073709551616"} {
		if n, err := ParseRegister(bad, 3); err == nil {
			t.Errorf("%q was read as %d", bad, n)
		}
	}
}

func TestRegisterRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.Uint64().Draw(t, "units")
		decimals := rapid.Uint8Range(0, 9).Draw(t, "decimals")
		text := ""
		for _, r := range Register(units, decimals) {
			if r != ',' {
				text += string(r)
			}
		}
		if got, err := ParseRegister(text, decimals); err != nil || got != units {
			t.Fatalf("%d became %s became %d, %v", units, text, got, err)
		}
	})
}

func TestNumbersForPeople(t *testing.T) {
	for in, want := range map[string]string{"0": "0", "999": "999", "1000": "1,000", "-1234567": "-1,234,567"} {
		if got := Grouped(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[uint64]string{0: "0 %", 670_000: "67 %", 12_500: "1.25 %", 1: "0.0001 %", 1_000_000: "100 %"} {
		if got := Percent(in); got != want {
			t.Errorf("%d ppm: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[time.Duration]string{
		50 * time.Millisecond: "50 ms", 90 * time.Second: "90 s", 150 * time.Second: "2 min 30 s",
		26 * time.Hour: "26 h 0 min", 49 * time.Hour: "2 days 1 h",
	} {
		if got := Span(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
