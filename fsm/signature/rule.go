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
package signature

import (
	"errors"
	"io"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// Size is the length of a signature in bytes.
const Size = ed25519.SignatureSize

var zip215 = &ed25519.Options{Verify: ed25519.VerifyOptionsZIP_215}

// Why a public key may not be registered.
var (
	ErrKeyEncoding   = errors.New("public key is not a canonical encoding of a curve point")
	ErrKeySmallOrder = errors.New("public key is of small order")
	ErrKeyTorsion    = errors.New("public key has a torsion component")
)

// PublicKey is a checked key, expanded for fast verification.
type PublicKey struct {
	raw      [32]byte
	expanded *ed25519.ExpandedPublicKey
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
	expanded, err := ed25519.NewExpandedPublicKey(raw[:])
	if err != nil {
		return nil, ErrKeyEncoding
	}
	return &PublicKey{raw: raw, expanded: expanded}, nil
}

// Raw is the key's 32-byte encoding.
func (k *PublicKey) Raw() [32]byte { return k.raw }

// Verify checks one signature.
func (k *PublicKey) Verify(message []byte, sig *[Size]byte) bool {
	return ed25519.VerifyExpandedWithOptions(k.expanded, message, sig[:], zip215)
}

// Batch checks many signatures together. It accepts exactly what Verify accepts.
type Batch struct{ verifier *ed25519.BatchVerifier }

// NewBatch makes room for n signatures.
func NewBatch(n int) *Batch {
	return &Batch{ed25519.NewBatchVerifierWithCapacity(n)}
}

// Add puts one signature into the batch.
func (b *Batch) Add(k *PublicKey, message []byte, sig *[Size]byte) {
	b.verifier.AddExpandedWithOptions(k.expanded, message, sig[:], zip215)
}

// Verify returns one verdict for each signature in the order of Add. The
// random bytes blind the linear combination; they never change a verdict but
// with a probability of 2^-128.
func (b *Batch) Verify(random io.Reader) []bool {
	_, each := b.verifier.Verify(random)
	return each
}
