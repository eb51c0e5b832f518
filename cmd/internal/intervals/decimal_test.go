package intervals

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text string
		want decimal
		err  error
	}{
		{"0", decimal{}, nil},
		{"0.056", decimal{56, -3}, nil},
		{".5", decimal{5, -1}, nil},
		{"5.", decimal{5, 0}, nil},
		{"+7", decimal{7, 0}, nil},
		{" 1.20\t", decimal{12, -1}, nil},
		{"1e-07", decimal{1, -7}, nil},
		{"1.66E-06", decimal{166, -8}, nil},
		{"9.833333e-08", decimal{9833333, -14}, nil},
		{"1.01852415e-07", decimal{101852415, -15}, nil},
		{"12e+3", decimal{12, 3}, nil},
		{"-0.000", decimal{}, nil},
		{"-0e999", decimal{}, nil},
		{"9999999999999999999", decimal{9999999999999999999, 0}, nil},
		{"0.1000000000000000000000000000000", decimal{1, -1}, nil},
		{"1" + strings.Repeat("0", 30) + "e-30", decimal{1, 0}, nil},
		{"", decimal{}, errEmpty},
		{"  ", decimal{}, errEmpty},
		{"-0.1", decimal{}, errNegative},
		{"-1e-7", decimal{}, errNegative},
		{"1,5", decimal{}, errNotExact},
		{"1.2.3", decimal{}, errNotExact},
		{".", decimal{}, errNotExact},
		{"e5", decimal{}, errNotExact},
		{"1e", decimal{}, errNotExact},
		{"1e+-5", decimal{}, errNotExact},
		{"1e1.5", decimal{}, errNotExact},
		{"+-1", decimal{}, errNotExact},
		{"--1", decimal{}, errNotExact},
		{"NaN", decimal{}, errNotExact},
		{"inf", decimal{}, errNotExact},
		{"0x10", decimal{}, errNotExact},
		{"1_000", decimal{}, errNotExact},
		{"١", decimal{}, errNotExact},
		{"18446744073709551617", decimal{}, errRange},
		{"1e21", decimal{}, errRange},
		{"1e-41", decimal{}, errRange},
		{"1e999999999999999999999", decimal{}, errRange},
	} {
		got, err := parseDecimal(c.text)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("parseDecimal(%q) = %v, %v, want %v, %v", c.text, got, err, c.want, c.err)
		}
	}
}

// FuzzDecimal holds the parser against package math/big, which knows the same
// numbers and more.
func FuzzDecimal(f *testing.F) {
	for _, text := range []string{"0.056", "1e-07", "1.66E-06", "-0.5", "5.", ".5", "1e400", "0x1p-2", "1_0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseDecimal(text)
		if err != nil {
			if got != (decimal{}) {
				t.Errorf("%q gives both %v and %v", text, got, err)
			}
			return
		}
		want, known := new(big.Rat).SetString(strings.Trim(text, " \t"))
		if !known {
			t.Fatalf("%q was read as %v, and is no number", text, got)
		}
		scaled := new(big.Int)
		got.scaled(scaled)
		exact := new(big.Rat).SetFrac(scaled, powerOfTen(-minExponent))
		if exact.Cmp(want) != 0 {
			t.Errorf("%q was read as %s", text, exact)
		}
	})
}
