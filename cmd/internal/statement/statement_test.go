package statement

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"
)

func key(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func TestRoundTrip(t *testing.T) {
	want, err := New(key(1), [16]byte{7}, "alice", "admin")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(want.Format())
	if err != nil || got != want {
		t.Fatalf("parsed %+v, %v", got, err)
	}
	if err := got.For([16]byte{7}); err != nil {
		t.Error(err)
	}
	if err := got.For([16]byte{8}); err == nil || !strings.Contains(err.Error(), "key prove") {
		t.Errorf("another cluster: error %v, want one that says how to go on", err)
	}
	if _, err := got.Founder(); err == nil {
		t.Error("a cluster's statement passed for a founder's")
	}
}

func TestFounder(t *testing.T) {
	s, err := New(key(1), [16]byte{}, "oracle-a", "oracle")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Founder()
	if err != nil || p.Principal != "oracle-a" || p.PublicKey != s.PublicKey {
		t.Fatalf("founder %+v, %v", p, err)
	}
	if err := s.For([16]byte{1}); err == nil {
		t.Error("a founder's statement passed for a cluster's")
	}
}

// Every member is under the proof, so whatever is changed must be noticed.
func TestChangedMembersAreRefused(t *testing.T) {
	s, err := New(key(1), [16]byte{}, "alice", "admin")
	if err != nil {
		t.Fatal(err)
	}
	text := string(s.Format())
	other, err := New(key(2), [16]byte{}, "alice", "admin")
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := hex.EncodeToString(s.PublicKey[:]), hex.EncodeToString(other.PublicKey[:])
	for name, changed := range map[string]string{
		"cluster":   strings.Replace(text, `"cluster": "00`, `"cluster": "01`, 1),
		"principal": strings.Replace(text, "alice", "alicf", 1),
		"role":      strings.Replace(text, "admin", "oracle", 1),
		"key":       strings.Replace(text, mine, theirs, 1),
		"bad name":  strings.Replace(text, "alice", "Alice", 1),
		"bad role":  strings.Replace(text, "admin", "chief", 1),
		"unknown":   strings.Replace(text, `"role"`, `"rule"`, 1),
		"too long":  text + strings.Repeat(" ", maxSize),
	} {
		if changed == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := Parse([]byte(changed)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	s, err := New(key(1), [16]byte{}, "alice", "admin")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Format())
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(got.Format())
		if err != nil || again != got {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}
