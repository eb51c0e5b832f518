package signature

import (
	stdlib "crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"testing"

	circl "github.com/cloudflare/circl/sign/ed25519"
	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"pgregory.net/rapid"
)

// twisted is the owner's own signature whose R has a part of small order: good by
// ZIP-215, and bad for everybody who judges without the cofactor.
func twisted(t rapid.TB, by signer, message []byte, torsion int) [Size]byte {
	t.Helper()
	var a, k, r, s scalar.Scalar
	expanded := sha512.Sum512(by.private.Seed())
	if _, err := a.SetBits(clamped(expanded[:32])); err != nil {
		t.Fatal(err)
	}
	nonce := sha512.Sum512(message)
	if _, err := r.SetBytesModOrderWide(nonce[:]); err != nil {
		t.Fatal(err)
	}
	var point curve.EdwardsPoint
	point.Add(point.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, &r), curve.EIGHT_TORSION[torsion])
	var encoded curve.CompressedEdwardsY
	encoded.SetEdwardsPoint(&point)
	hash := sha512.New()
	hash.Write(encoded[:])
	hash.Write(by.public.raw[:])
	hash.Write(message)
	if _, err := k.SetBytesModOrderWide(hash.Sum(nil)); err != nil {
		t.Fatal(err)
	}
	s.Add(s.Mul(&k, &a), &r)
	var sig [Size]byte
	copy(sig[:], encoded[:])
	if err := s.ToBytes(sig[32:]); err != nil {
		t.Fatal(err)
	}
	return sig
}

func clamped(b []byte) []byte {
	b[0] &= 248
	b[31] = b[31]&127 | 64
	return b
}

// The narrower rule is that of crypto/ed25519, whatever was done to a signature, and
// lets nothing pass that ZIP-215 refuses.
func TestExactAgreesWithStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by, message := newSigner(t, rapid.IntRange(0, 3).Draw(t, "by")), fmt.Appendf(nil, "message %d", rapid.Int().Draw(t, "message"))
		sig := [Size]byte(circl.Sign(by.private, message))
		damage := rapid.SampledFrom([]string{"nothing", "bit", "torsion", "other"}).Draw(t, "damage")
		switch damage {
		case "bit":
			bit := rapid.IntRange(0, 8*Size-1).Draw(t, "which")
			sig[bit/8] ^= 1 << (bit % 8)
		case "torsion":
			torsion := rapid.IntRange(1, 7).Draw(t, "of eight")
			sig = twisted(t, by, message, torsion)
			if !by.public.Verify(message, &sig) {
				t.Fatalf("ZIP-215 refuses R with torsion %d", torsion)
			}
		case "other":
			by = newSigner(t, 9)
		}
		exact := by.public.VerifyExact(message, &sig)
		if theirs := stdlib.Verify(by.public.raw[:], message, sig[:]); exact != theirs || exact != (damage == "nothing") {
			t.Fatalf("%s: exact %v, crypto/ed25519 %v", damage, exact, theirs)
		}
		if exact && !by.public.Verify(message, &sig) {
			t.Fatal("good by the narrower rule and not by ZIP-215")
		}
	})
}
