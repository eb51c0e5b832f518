package keytext

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func newKey(t *testing.T, kind Kind) Key {
	t.Helper()
	var seed [size]byte
	_, _ = rand.Read(seed[:]) // it never fails
	key, err := FromSeed(kind, seed)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestFormatIsWhatTheDocSays(t *testing.T) {
	key, err := FromSeed(Ed25519, [32]byte(bytes.Repeat([]byte{2}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(key.Text("alice")) {
		if !bytes.Contains(doc, []byte("//\t"+line)) {
			t.Errorf("the example in doc.go lacks the line %q", line)
		}
	}
}

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{
		"keys/alice.key": "keys/alice.key",
		"it's mine.key":  `'it'\''s mine.key'`,
		"-rf":            "'-rf'",
		"$(id)":          "'$(id)'",
	} {
		if got := quoted(path); got != want {
			t.Errorf("quoted(%q) = %s, want %s", path, got, want)
		}
	}
}

// TestEveryManglingIsRefused cuts a file at each length and flips each bit of
// it. Only the comment may change unnoticed, and only while it stays one.
func TestEveryManglingIsRefused(t *testing.T) {
	key := newKey(t, Ed25519)
	whole := key.Text("alice")
	for length := range len(whole) {
		if _, err := Parse(whole[:length]); err == nil {
			t.Errorf("cut to %d of %d bytes it was still read", length, len(whole))
		}
	}
	comment := strings.Index(whole, "#")
	end := comment + strings.Index(whole[comment:], "\n")
	for i := range len(whole) {
		for bit := range 8 {
			mangled := []byte(whole)
			mangled[i] ^= 1 << bit
			_, err := Parse(string(mangled))
			if err == nil && (i <= comment || i >= end) {
				t.Errorf("byte %d (%q) with bit %d flipped was still read", i, whole[i], bit)
			}
			if err != nil && strings.Contains(err.Error(), fmt.Sprintf("%x", key.Seed)) {
				t.Fatalf("the error shows the seed: %v", err)
			}
		}
	}
	for name, mangled := range map[string]string{
		"trailing line":    whole + "seed 00\n",
		"trailing byte":    whole + " ",
		"a field twice":    strings.Replace(whole, "seed ", "public x\nseed ", 1),
		"upper-case hex":   strings.Replace(whole, fmt.Sprintf("%x", key.Seed), fmt.Sprintf("%X", key.Seed), 1),
		"windows lines":    strings.ReplaceAll(whole, "\n", "\r\n"),
		"other version":    strings.Replace(whole, " v1 ", " v2 ", 1),
		"public half only": key.PublicHalf().Text("alice"),
		"another's public": strings.Replace(whole, fmt.Sprintf("%x", key.Public), fmt.Sprintf("%x", newKey(t, Ed25519).Public), 1),
		"kind exchanged":   strings.Replace(whole, " ed25519\n", " x25519\n", 1),
	} {
		if _, err := Parse(mangled); err == nil {
			t.Errorf("%s: it was still read", name)
		}
	}
}

func TestPrintsItsPublicHalfOnly(t *testing.T) {
	key := newKey(t, Ed25519)
	seed := fmt.Sprintf("%x", key.Seed)
	encoded, err := json.Marshal(struct{ Key Key }{key})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
		shown = append(shown, fmt.Sprintf(verb, key), fmt.Sprintf(verb, &key))
	}
	for _, text := range shown {
		if strings.Contains(strings.ToLower(text), seed) || !strings.Contains(text, key.String()) {
			t.Errorf("a key shows as %q", text)
		}
	}
}

// FuzzParse feeds both parsers anything: what they accept must be what they
// would have written, comments apart.
func FuzzParse(f *testing.F) {
	key, err := FromSeed(Ed25519, [32]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.Text("alice"))
	f.Add(key.PublicHalf().Text("alice"))
	f.Add("tallyvault-key v1 x25519\nid \npublic \nseed \n")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := Parse(text); err == nil && bare(text) != bare(key.Text("")) {
			t.Errorf("%q was read as %q", text, key.Text(""))
		}
		if public, err := ParsePublic(text); err == nil && bare(text) != bare(public.Text("")) {
			t.Errorf("%q was read as %q", text, public.Text(""))
		}
	})
}

// bare takes the comments out of a file.
func bare(text string) string {
	var rest strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			rest.WriteString(line)
		}
	}
	return rest.String()
}
