// Package signature is verification rule 1: which Ed25519 signatures and which
// public keys every replica accepts.
//
// Signatures follow ZIP-215, as CometBFT does: cofactored, and identical
// whether checked alone or in a batch. Standard implementations disagree on
// small-order and non-canonical points, so a rule that is not written down
// would split replicas; github.com/oasisprotocol/curve25519-voi implements this
// one at a pinned version.
//
// ZIP-215 alone would let a small-order key sign every message. Therefore
// CheckPublicKey stands before a key enters the key table: it must decode
// canonically, must not be of small order and must be free of torsion.
//
// A signature (R, s) of a message under the key A is good when s is below the
// group's order, R decodes, canonically or not, and with k = SHA-512(R, A, message)
//
//	[8]([s]B - [k]A - R) = 0
//
// A [Batch] asks that of a random combination of many: with 128 random bits z for
// each signature,
//
//	[8](-[sum z s]B + sum [z]R + sum over distinct keys [sum z k]A) = 0
//
// A signature that programs of others must accept as well is held to the narrower
// rule by which they judge, RFC 8032 without the cofactor ([PublicKey.VerifyExact]): R
// is the very encoding of [s]B - [k]A. Under a registered key, whatever is good by it
// is good by ZIP-215 too.
//
// The library's own batch has a term for the key of each signature. A provider
// signs for thousands of meters with one key, and terms of one key are one term:
// that is a quarter to a half of the work.
package signature

import (
	"bytes"
	"crypto/sha512"
	"errors"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// Size is the length of a signature in bytes.
const Size = 64

// Why a public key may not be registered.
var (
	ErrKeyEncoding   = errors.New("public key is not a canonical encoding of a curve point")
	ErrKeySmallOrder = errors.New("public key is of small order")
	ErrKeyTorsion    = errors.New("public key has a torsion component")
)

// PublicKey is a checked key, expanded for fast verification.
type PublicKey struct {
	raw   [32]byte
	minus *curve.ExpandedEdwardsPoint // -A, with its table of multiples
}

// CheckPublicKey decodes a raw public key under the registration rule.
func CheckPublicKey(raw [32]byte) (*PublicKey, error) {
	compressed := curve.CompressedEdwardsY(raw)
	if !compressed.IsCanonicalVartime() {
		return nil, ErrKeyEncoding
	}
	var point curve.EdwardsPoint
	if _, err := point.SetCompressedY(&compressed); err != nil {
		return nil, ErrKeyEncoding
	}
	if point.IsSmallOrder() {
		return nil, ErrKeySmallOrder
	}
	if !point.IsTorsionFree() {
		return nil, ErrKeyTorsion
	}
	return expand(raw, &point), nil
}

func expand(raw [32]byte, point *curve.EdwardsPoint) *PublicKey {
	var minus curve.EdwardsPoint
	return &PublicKey{raw: raw, minus: curve.NewExpandedEdwardsPoint(minus.Neg(point))}
}

// Raw is the key's 32-byte encoding.
func (k *PublicKey) Raw() [32]byte { return k.raw }

// Verify checks one signature.
func (k *PublicKey) Verify(message []byte, sig *[Size]byte) bool {
	c, ok := open(k, message, sig)
	return ok && c.holds()
}

// VerifyExact checks one signature by the narrower rule, as crypto/ed25519 does.
func (k *PublicKey) VerifyExact(message []byte, sig *[Size]byte) bool {
	c, ok := open(k, message, sig)
	if !ok {
		return false
	}
	// Not the sum that holds asks for: it is a multiple of what is left over.
	var r curve.EdwardsPoint
	var encoded curve.CompressedEdwardsY
	encoded.SetEdwardsPoint(r.ExpandedDoubleScalarMulBasepointVartime(&c.k, k.minus, &c.s))
	return bytes.Equal(encoded[:], sig[:32])
}

// A claim is a signature taken apart: that [s]B = R + [k]A.
type claim struct {
	key  *PublicKey
	r    curve.EdwardsPoint
	s, k scalar.Scalar
}

// open takes a signature apart, if that can be done.
func open(key *PublicKey, message []byte, sig *[Size]byte) (c claim, ok bool) {
	c.key = key
	if !scalar.ScMinimalVartime(sig[32:]) {
		return c, false
	}
	compressed := curve.CompressedEdwardsY(sig[:32])
	if _, err := c.r.SetCompressedY(&compressed); err != nil {
		return c, false
	}
	if _, err := c.s.SetBytesModOrder(sig[32:]); err != nil {
		return c, false
	}
	h := sha512.New()
	h.Write(sig[:32])
	h.Write(key.raw[:])
	h.Write(message)
	var sum [sha512.Size]byte
	_, err := c.k.SetBytesModOrderWide(h.Sum(sum[:0]))
	return c, err == nil
}

// holds checks one claim by itself.
func (c *claim) holds() bool {
	var off curve.EdwardsPoint
	return off.ExpandedTripleScalarMulBasepointVartime(&c.k, c.key.minus, &c.s, &c.r).IsSmallOrder()
}
