package strict

import (
	"strings"
	"testing"

	"lukechampine.com/uint128"
	"pgregory.net/rapid"
)

type head struct {
	Cluster [4]byte `json:"cluster"`
	At      int64   `json:"at"`
}

type item struct {
	Number uint64 `json:"number"`
	Note   string `json:"note,optional"`
}

type sample struct {
	head
	Amount Amount   `json:"amount"`
	Scale  uint8    `json:"scale"`
	Live   bool     `json:"live"`
	Items  []item   `json:"items"`
	Raw    []byte   `json:"raw"`
	Extra  *[2]byte `json:"extra"`
}

const golden = `{"cluster":"00ff10ab","at":-5,"amount":"340282366920938463463374607431768211455","scale":9,"live":true,"items":[{"number":"18446744073709551615","note":"é\n"},{"number":"0"}],"raw":"","extra":"0102"}`

func TestGoldenRoundTrip(t *testing.T) {
	var s sample
	if err := Decode([]byte(golden), &s); err != nil {
		t.Fatal(err)
	}
	if s.Amount != uint128.Max || s.Items[0].Number != 1<<64-1 || *s.Extra != [2]byte{1, 2} || s.At != -5 {
		t.Errorf("decoded %+v", s)
	}
	if got := string(Encode(s)); got != golden {
		t.Errorf("encoded\n%s\nwant\n%s", got, golden)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown member", `"at"`, `"ate"`, `member "ate" is unknown`},
		{"other case", `"at"`, `"At"`, `member "At" is unknown`},
		{"missing", `"at":-5,`, ``, `member "at" is missing`},
		{"duplicate", `"at":-5`, `"at":-5,"at":-5`, `duplicate`},
		{"duplicate in disguise", `"at":-5`, `"at":-5,"\u0061t":-5`, `duplicate`},
		{"null", `"at":-5`, `"at":null`, `at: want a number`},
		{"null optional", `"extra":"0102"`, `"extra":null`, `extra: want a string`},
		{"fraction", `-5`, `5.0`, `canonical`},
		{"exponent", `-5`, `5e0`, `canonical`},
		{"minus zero", `-5`, `-0`, `canonical`},
		{"number as string", `-5`, `"5"`, `at: want a number`},
		{"too big for 8 bits", `"scale":9`, `"scale":256`, `scale: number 256`},
		{"decimal as number", `"number":"0"`, `"number":0`, `items: 1: number: want a string`},
		{"leading zero", `"number":"0"`, `"number":"00"`, `canonical`},
		{"plus sign", `"number":"0"`, `"number":"+0"`, `canonical`},
		{"amount too big", `211455"`, `211456"`, `2^128`},
		{"upper-case hex", `00ff10ab`, `00FF10ab`, `lower case`},
		{"short hex", `00ff10ab`, `00ff10`, `3 bytes, want 4`},
		{"odd hex in an array", `00ff10ab`, `00ff10abc`, `cluster: not hex`},
		{"odd hex", `"raw":""`, `"raw":"0"`, `raw: not hex`},
		{"trailing data", `"0102"}`, `"0102"} {}`, `data after`},
		{"cut short", `"extra":"0102"}`, `"extra"`, `JSON`},
		{"invalid UTF-8", `é`, "\xff", `UTF-8`},
		{"lone surrogate", `é`, `\ud800`, `surrogate`},
		{"bool", `true`, `1`, `live: want true or false`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := strings.Replace(golden, test.old, test.new, 1)
			if in == golden {
				t.Fatal("nothing was changed")
			}
			err := Decode([]byte(in), new(sample))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestRoundTripOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := sample{
			head:   head{At: rapid.Int64().Draw(t, "at")},
			Amount: uint128.New(rapid.Uint64().Draw(t, "lo"), rapid.Uint64().Draw(t, "hi")),
			Items:  []item{{rapid.Uint64().Draw(t, "n"), rapid.String().Draw(t, "note")}},
			Raw:    rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
		}
		var out sample
		b := Encode(in)
		if err := Decode(b, &out); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if again := Encode(out); string(again) != string(b) {
			t.Fatalf("%s became %s", b, again)
		}
	})
}

// Whatever is accepted must encode to something that is accepted again and
// means the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a, b sample
		if Decode(data, &a) != nil {
			return
		}
		first := Encode(a)
		if err := Decode(first, &b); err != nil {
			t.Fatalf("own encoding refused: %v\n%s", err, first)
		}
		if second := Encode(b); string(second) != string(first) {
			t.Fatalf("%s became %s", first, second)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	c := Compile(sample{})
	for b.Loop() {
		if err := c.Decode([]byte(golden), new(sample)); err != nil {
			b.Fatal(err)
		}
	}
}
