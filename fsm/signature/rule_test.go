package signature

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key32(t *testing.T, s string) [32]byte { return [32]byte(unhex(t, s)) }

// RFC 8032, section 7.1, test 2.
func TestRFC8032(t *testing.T) {
	key, err := CheckPublicKey(key32(t, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
	if err != nil {
		t.Fatal(err)
	}
	sig := [Size]byte(unhex(t, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"))
	if !key.Verify([]byte{0x72}, &sig) {
		t.Error("the RFC's signature is refused")
	}
	sig[0] ^= 1
	if key.Verify([]byte{0x72}, &sig) {
		t.Error("a changed signature is accepted")
	}
}

func TestRegistration(t *testing.T) {
	tests := []struct {
		name, key string
		want      error
	}{
		{"neutral element", "0100000000000000000000000000000000000000000000000000000000000000", ErrKeySmallOrder},
		{"order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", ErrKeySmallOrder},
		{"order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", ErrKeySmallOrder},
		{"torsion", "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", ErrKeyTorsion},
		{"y = p + 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", ErrKeyEncoding},
		{"no point", "0200000000000000000000000000000000000000000000000000000000000000", ErrKeyEncoding},
		{"RFC 8032", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", nil},
	}
	for _, test := range tests {
		if _, err := CheckPublicKey(key32(t, test.key)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func testdata(t *testing.T, name string, into any) {
	t.Helper()
	dir := os.Getenv("TALLYVAULT_TESTDATA")
	if dir == "" {
		t.Skip("TALLYVAULT_TESTDATA is not set: the published vectors are not there")
	}
	b, err := os.ReadFile(filepath.Join(dir, "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// wycheproofZIP215 is the one vector on which ZIP-215 differs by design: it
// accepts a non-canonical encoding of R.
const wycheproofZIP215 = 151

func TestWycheproof(t *testing.T) {
	var file struct {
		TestGroups []struct {
			PublicKey struct{ Pk string }
			Tests     []struct {
				TcID             int
				Comment          string
				Msg, Sig, Result string
			}
		}
	}
	testdata(t, "wycheproof/ed25519_test.json", &file)
	n := 0
	for _, group := range file.TestGroups {
		key, err := CheckPublicKey(key32(t, group.PublicKey.Pk))
		if err != nil {
			t.Fatalf("key %s: %v", group.PublicKey.Pk, err)
		}
		for _, test := range group.Tests {
			raw := unhex(t, test.Sig)
			got := len(raw) == Size // an envelope holds no other length
			exact := got
			if got {
				sig := [Size]byte(raw)
				got, exact = key.Verify(unhex(t, test.Msg), &sig), key.VerifyExact(unhex(t, test.Msg), &sig)
			}
			if exact != (test.Result == "valid") {
				t.Errorf("%d %s: by the narrower rule %v, want %s", test.TcID, test.Comment, exact, test.Result)
			}
			if test.TcID == wycheproofZIP215 {
				got = !got
			}
			if got != (test.Result == "valid") {
				t.Errorf("%d %s: %v, want %s", test.TcID, test.Comment, got, test.Result)
			}
			n++
		}
	}
	t.Logf("%d vectors", n)
}

// ed25519-speccheck lists signatures on which implementations disagree. Under
// the registration rule none of their keys, or none of their signatures, gets
// in; under bare ZIP-215 single and batch agree with its published verdicts.
func TestSpeccheck(t *testing.T) {
	var cases []struct {
		Message, Signature string
		PubKey             string `json:"pub_key"`
	}
	testdata(t, "ed25519-speccheck/cases.json", &cases)
	zip215Verdicts := []bool{true, true, true, true, true, true, false, false, false, true, true, true}
	for i, c := range cases {
		raw, message, sig := key32(t, c.PubKey), unhex(t, c.Message), [Size]byte(unhex(t, c.Signature))
		if key, err := CheckPublicKey(raw); err == nil && key.Verify(message, &sig) {
			t.Errorf("case %d gets in", i)
		}
		var point curve.EdwardsPoint
		compressed := curve.CompressedEdwardsY(raw)
		if _, err := point.SetCompressedY(&compressed); err != nil {
			t.Errorf("case %d: %v", i, err)
			continue
		}
		key := expand(raw, &point)
		batch := NewBatch(2)
		batch.Add(key, message, &sig)
		batch.Add(key, message, &sig)
		single, many := key.Verify(message, &sig), batch.Verify(rand.Reader)
		if single != many[0] || single != many[1] || single != zip215Verdicts[i] {
			t.Errorf("case %d: single %v, batch %v, want %v", i, single, many, zip215Verdicts[i])
		}
		if theirs := ed25519.VerifyWithOptions(raw[:], message, sig[:], &ed25519.Options{Verify: ed25519.VerifyOptionsZIP_215}); theirs != single {
			t.Errorf("case %d: the library says %v, single %v", i, theirs, single)
		}
	}
}
