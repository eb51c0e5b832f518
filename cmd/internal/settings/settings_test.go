package settings

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	list, err := Parse([]byte(strings.Join([]string{
		"# node-a", "", "dir: /var/lib/tally vault # where", "api-listen: 0.0.0.0:8443\r", "public-reads: true",
		"api: # several", "  - https://a.example:8443", "- https://b.example#x", "  # and one more", `  - "c \"d\" \\ # e" # f`,
		"name: 'it''s'", `empty: ""`, "out: -", "",
	}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{3, "dir", []string{"/var/lib/tally vault"}, false},
		{4, "api-listen", []string{"0.0.0.0:8443"}, false},
		{5, "public-reads", []string{"true"}, false},
		{6, "api", []string{"https://a.example:8443", "https://b.example#x", `c "d" \ # e`}, true},
		{11, "name", []string{"it's"}, false},
		{12, "empty", []string{""}, false},
		{13, "out", []string{"-"}, false},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("parsed\n%+v, want\n%+v", list, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: 2\na: 3":       `line 3: "a" is set on line 1 already`,
		"a: 1\na:\n- 2":          "line 2",
		"a:":                     `line 1: "a" has no value`,
		"- a":                    "without a name",
		"a: 1\n- b":              "without a name",
		"a:\n  b: 1":             "nesting",
		"a: b: c":                "nested",
		"a: [1, 2]":              "begin with",
		"a: {b: 1}":              "begin with",
		"a: &x 1":                "begin with",
		"a: |\n  text":           "begin with",
		"a:1":                    "neither",
		"A: 1":                   "neither",
		"--- ":                   "neither",
		"just words":             "neither",
		"a:\t1":                  "tab",
		`a: "b`:                  "no closing quote",
		`a: "b" c`:               "follows the closing quote",
		`a: "b\n"`:               "are known",
		"a: 'b":                  "no closing quote",
		"a: \xff":                "UTF-8",
		strings.Repeat("#", 2e6): "at most",
		"a:\n- - b":              "begin with",
		"a:\n-b":                 "neither",
	} {
		if list, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, error %v, want one with %q", text, list, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a: 1\nb:\n  - \"c\" # d\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := Parse(text)
		if err != nil {
			return
		}
		for _, s := range list {
			if s.Name == "" || len(s.Values) == 0 || (!s.List && len(s.Values) != 1) {
				t.Fatalf("%q gave %+v", text, s)
			}
		}
	})
}
