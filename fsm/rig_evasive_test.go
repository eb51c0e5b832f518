package fsm

import (
	"crypto/sha512"
	"slices"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// evasive is a node's own cosignature with an R of small order: good by ZIP-215, and
// refused by everybody who verifies receipts with a program of his own.
func (r *rig) evasive(node int, unixSeconds uint64, cp proof.Checkpoint) Cosignature {
	r.t.Helper()
	key := r.cosigner[node]
	scalarOf := func(b []byte) *scalar.Scalar {
		s, err := scalar.New().SetBytesModOrderWide(b)
		if err != nil {
			r.t.Fatal(err)
		}
		return s
	}
	var small curve.CompressedEdwardsY
	small.SetEdwardsPoint(curve.EIGHT_TORSION[1])
	public := publicOf(key)
	hash := sha512.Sum512(slices.Concat(small[:], public[:], proof.CosignedMessage(unixSeconds, cp)))
	secret := sha512.Sum512(key.Seed())
	secret[0] &= 248
	secret[31] = secret[31]&127 | 64
	s := scalarOf(append(secret[:32:32], make([]byte, 32)...))
	c := Cosignature{Node: uint8(node), Time: unixSeconds}
	copy(c.Sig[:], small[:])
	if err := s.Mul(s, scalarOf(hash[:])).ToBytes(c.Sig[32:]); err != nil {
		r.t.Fatal(err)
	}
	m := r.m.state.members[node]
	if !m.cosigner.Verify(proof.CosignedMessage(unixSeconds, cp), &c.Sig) ||
		proof.MadeBy("node", public, unixSeconds, c.Sig).Verify(public, cp) {
		r.t.Fatal("the cosignature is not one on which verifiers disagree")
	}
	return c
}
