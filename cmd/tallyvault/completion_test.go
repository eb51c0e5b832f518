package main

import (
	"io"
	"strings"
	"testing"
)

func TestCandidates(t *testing.T) {
	app := newApp([]string{"tallyvault"}, strings.NewReader(""), io.Discard, io.Discard)
	for words, want := range map[string]string{
		"me":                                "meter",
		"explain --tim":                     "--timeout",
		"node ":                             "",
		"meter re":                          "register",
		"meter register --ca":               "--capacity",
		"status --w":                        "--watch",
		"status --key ":                     "",
		"status --json --di":                "--digests",
		"energy submit-":                    "submit-reading",
		"energy submit-reading --register-": "--register-units",
		"nonsense words ":                   "",
		"complet":                           "completion",
		"nonsense words here":               "",
		"NOT AN ID":                         "",
	} {
		got := strings.Join(candidates(app, strings.Split(words, " ")), " ")
		if words == "node " {
			if !strings.Contains(got, "init") || !strings.Contains(got, "show") {
				t.Errorf("%q: %q", words, got)
			}
			continue
		}
		if got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
	if got := candidates(app, nil); got != nil {
		t.Errorf("of no words: %q", got)
	}
}
