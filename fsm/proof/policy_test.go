package proof

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestPolicyGolden(t *testing.T) {
	for name, f := range map[string]*fixture{
		"policy-1.golden": newFixture(1, 1, 1), "policy-3.golden": newFixture(3, 2, 1), "policy-7.golden": newFixture(7, 5, 1),
	} {
		text := f.policy.Format()
		golden(t, filepath.Join("testdata", name), text)
		p, err := ParsePolicy(text)
		if err != nil || !reflect.DeepEqual(p, f.policy) {
			t.Errorf("%s: parsed %v, %v", name, p, err)
		}
	}
}

func TestPolicyCommentsMeanNothing(t *testing.T) {
	p := newFixture(3, 2, 1).policy
	bare := strings.Join(p.lines(), "\n") + "\n"
	for _, head := range []string{"", "#\n", "# one\n# two\n"} {
		got, err := ParsePolicy([]byte(head + bare))
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("with head %q: %v, %v", head, got, err)
		}
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	p := newFixture(3, 2, 1).policy
	lines := p.lines()
	edit := func(change func(l []string) []string) string {
		return strings.Join(change(append([]string(nil), lines...)), "\n") + "\n"
	}
	replace := func(i int, line string) string {
		return edit(func(l []string) []string { l[i] = line; return l })
	}
	for name, c := range map[string]struct{ text, says string }{
		"empty":                    {"", "no newline"},
		"no last newline":          {strings.Join(lines, "\n"), "no newline"},
		"no log":                   {edit(func(l []string) []string { return l[1:] }), "origin"},
		"two logs":                 {edit(func(l []string) []string { return append(l[:1], l...) }), "line 2"},
		"log key of a cosigner":    {replace(0, "log "+CosignerVKey(p.Origin, p.LogKey)), "line 1"},
		"log with something":       {replace(0, lines[0]+" x"), "line 1"},
		"log key hash in capitals": {replace(0, strings.Replace(lines[0], "+fd8fb37d+", "+FD8FB37D+", 1)), "line 1"},
		"wrong key hash":           {replace(0, strings.Replace(lines[0], "+fd8fb37d+", "+fd8fb37e+", 1)), "line 1"},
		"witness key of a log":     {replace(2, "witness node-b "+LogVKey("cosigner.node-b", p.Witnesses[1].Key)+" https://x"), "line 3"},
		"witness without URL":      {replace(2, strings.Join(strings.Fields(lines[2])[:3], " ")), "line 3"},
		"witness with a bad URL":   {replace(2, strings.Replace(lines[2], "https://", "ftp://", 1)), "node-b"},
		"witness with a tab":       {replace(2, strings.Replace(lines[2], " ", "\t", 1)), "line 3"},
		"witness with two spaces":  {replace(2, strings.Replace(lines[2], " ", "  ", 1)), "line 3"},
		"witness called none":      {replace(2, strings.Replace(lines[2], "node-b ", "none ", 1)), "reserved"},
		"witness called committee": {replace(2, strings.Replace(lines[2], "node-b ", "committee ", 1)), "reserved"},
		"witness twice":            {edit(func(l []string) []string { l[2] = l[1]; return l }), "taken"},
		"key twice":                {replace(2, strings.Replace(lines[1], "node-a ", "node-b ", 1)), "key name"},
		"same key, other names":    {replace(2, "witness node-b "+CosignerVKey("other", p.Witnesses[0].Key)+" https://x"), "the key is"},
		"threshold 0":              {replace(4, strings.Replace(lines[4], " 2 ", " 0 ", 1)), "line 5"},
		"threshold 02":             {replace(4, strings.Replace(lines[4], " 2 ", " 02 ", 1)), "line 5"},
		"threshold above n":        {replace(4, strings.Replace(lines[4], " 2 ", " 4 ", 1)), "4 of 3"},
		"threshold any":            {replace(4, strings.Replace(lines[4], " 2 ", " any ", 1)), "line 5"},
		"another group name":       {replace(4, strings.Replace(lines[4], "committee", "others", 1)), "line 5"},
		"group lacks a node":       {replace(4, strings.TrimSuffix(lines[4], " node-c")), "line 5"},
		"group in another order":   {replace(4, "group committee 2 node-b node-a node-c"), "line 5"},
		"two groups":               {edit(func(l []string) []string { return append(l[:5], l[4], l[5]) }), "line 6"},
		"no group":                 {edit(func(l []string) []string { return append(l[:4], l[5]) }), "threshold"},
		"quorum none":              {replace(5, "quorum none"), "line 6"},
		"no quorum":                {edit(func(l []string) []string { return l[:5] }), "line 6"},
		"something after":          {edit(func(l []string) []string { return append(l, "# more") }), "line 7"},
		"empty line":               {edit(func(l []string) []string { return append(l, "") }), "line 7"},
		"comment in the middle":    {edit(func(l []string) []string { return append(l[:2:2], append([]string{"# x"}, l[2:]...)...) }), "line 3"},
		"comment behind":           {replace(5, "quorum committee # all"), "line 6"},
		"too long":                 {strings.Repeat("#\n", maxPolicySize), "bytes"},
	} {
		_, err := ParsePolicy([]byte(c.text))
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q does not say %q", name, err, c.says)
		}
	}
}

func TestErrorLinesCountComments(t *testing.T) {
	text := append([]byte("# a\n# b\n"), newFixture(3, 2, 1).policy.Format()...)
	_, err := ParsePolicy(append(text, "more\n"...))
	if err == nil || !strings.Contains(err.Error(), "line 10") {
		t.Errorf("got %v, want a complaint about line 10", err)
	}
}

func TestPolicyLimits(t *testing.T) {
	full := newFixture(MaxWitnesses, MaxWitnesses, 1).policy
	if _, err := ParsePolicy(full.Format()); err != nil {
		t.Errorf("the largest policy: %v", err)
	}
	over := newFixture(MaxWitnesses+1, 1, 1).policy
	if over.Validate() == nil {
		t.Error("a policy with too many witnesses is valid")
	}
	if _, err := ParsePolicy(over.Format()); err == nil {
		t.Error("a policy with too many witnesses was parsed")
	}
}

// A policy is a trust anchor that nothing signs, so a changed digit can make
// another valid one. But nothing that is checkable may slip: after any flipped bit
// it is refused, or the same in everything but the threshold and a URL.
func TestPolicyMangled(t *testing.T) {
	want := newFixture(3, 2, 1).policy
	text := want.Format()
	for i := range text {
		for bit := range 8 {
			mangled := bytes.Clone(text)
			mangled[i] ^= 1 << bit
			got, err := ParsePolicy(mangled)
			if err != nil {
				continue
			}
			got.K = want.K
			for w := range got.Witnesses {
				got.Witnesses[w].URL = want.Witnesses[w].URL
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("byte %d, bit %d: accepted as\n%s", i, bit, got.Format())
			}
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(newFixture(1, 1, 1).policy.Format())
	f.Add(newFixture(4, 3, 1).policy.Format())
	f.Add([]byte("log x\nquorum none\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		bare := string(text)
		for strings.HasPrefix(bare, "#") {
			_, bare, _ = strings.Cut(bare, "\n")
		}
		if got := strings.Join(p.lines(), "\n") + "\n"; got != bare {
			t.Errorf("%q was accepted and is written as %q", bare, got)
		}
		if again, err := ParsePolicy(p.Format()); err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%q does not come back: %v", p.Format(), err)
		}
	})
}
