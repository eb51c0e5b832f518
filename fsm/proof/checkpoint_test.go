package proof

import (
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

const goldenCheckpoint = "example.com/log\n923748\nnND/nri/U0xuHUrYSy0HtMeal2vzD9V4k/BO79C+QeI=\n"

func TestCheckpointGolden(t *testing.T) {
	cp, err := ParseCheckpoint(goldenCheckpoint)
	if err != nil {
		t.Fatal(err)
	}
	root, err := tlog.ParseHash("nND/nri/U0xuHUrYSy0HtMeal2vzD9V4k/BO79C+QeI=")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Checkpoint{"example.com/log", 923748, root}); cp != want {
		t.Errorf("parsed %v, want %v", cp, want)
	}
	if cp.Text() != goldenCheckpoint {
		t.Errorf("text %q, want %q", cp.Text(), goldenCheckpoint)
	}
}

func TestParseCheckpointRefuses(t *testing.T) {
	const root = "nND/nri/U0xuHUrYSy0HtMeal2vzD9V4k/BO79C+QeI="
	for name, text := range map[string]string{
		"empty":                 "",
		"no root":               "o\n1\n",
		"no last newline":       "o\n1\n" + root,
		"extension line":        "o\n1\n" + root + "\nextension\n",
		"empty line after":      "o\n1\n" + root + "\n\n",
		"empty origin":          "\n1\n" + root + "\n",
		"origin with space":     "o o\n1\n" + root + "\n",
		"origin with plus":      "o+o\n1\n" + root + "\n",
		"origin with hash":      "o#o\n1\n" + root + "\n",
		"origin with tab":       "o\to\n1\n" + root + "\n",
		"origin beyond ASCII":   "ö\n1\n" + root + "\n",
		"origin with no-break":  "o\u00a0o\n1\n" + root + "\n",
		"origin too long":       strings.Repeat("o", 256) + "\n1\n" + root + "\n",
		"carriage return":       "o\r\n1\n" + root + "\n",
		"size with zero":        "o\n01\n" + root + "\n",
		"size with plus":        "o\n+1\n" + root + "\n",
		"negative size":         "o\n-1\n" + root + "\n",
		"size with space":       "o\n1 \n" + root + "\n",
		"hexadecimal size":      "o\n0x1\n" + root + "\n",
		"size not a number":     "o\none\n" + root + "\n",
		"empty size":            "o\n\n" + root + "\n",
		"size above the limit":  "o\n281474976710657\n" + root + "\n",
		"size above 64 bits":    "o\n18446744073709551616\n" + root + "\n",
		"short root":            "o\n1\nnND/\n",
		"root with unused bits": "o\n1\n" + root[:42] + "J=\n",
		"root without padding":  "o\n1\n" + root[:43] + "\n",
		"root in URL alphabet":  "o\n1\n" + strings.ReplaceAll(root, "/", "_") + "\n",
		"root with a return":    "o\n1\n" + root + "\r\n",
	} {
		if cp, err := ParseCheckpoint(text); err == nil {
			t.Errorf("%s: %q was accepted as %v", name, text, cp)
		}
	}
	for _, text := range []string{"o\n0\n" + root + "\n", "o\n281474976710656\n" + root + "\n", strings.Repeat("o", 255) + "\n1\n" + root + "\n"} {
		if _, err := ParseCheckpoint(text); err != nil {
			t.Errorf("%q was refused: %v", text, err)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(goldenCheckpoint)
	f.Add(newFixture(1, 1, 3).checkpoint().Text())
	f.Add("o\n01\nnND/nri/U0xuHUrYSy0HtMeal2vzD9V4k/BO79C+QeI=\n")
	f.Fuzz(func(t *testing.T, text string) {
		if cp, err := ParseCheckpoint(text); err == nil && cp.Text() != text {
			t.Errorf("%q was accepted and is written as %q", text, cp.Text())
		}
	})
}
