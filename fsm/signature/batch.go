package signature

import (
	"io"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// Batch checks many signatures together. It accepts exactly what Verify accepts.
type Batch struct {
	claims []claim // those that could be taken apart
	places []int   // which signature a claim is
	count  int
}

// NewBatch makes room for n signatures.
func NewBatch(n int) *Batch {
	return &Batch{claims: make([]claim, 0, n), places: make([]int, 0, n)}
}

// Add puts one signature into the batch.
func (b *Batch) Add(k *PublicKey, message []byte, sig *[Size]byte) {
	if c, ok := open(k, message, sig); ok {
		b.claims = append(b.claims, c)
		b.places = append(b.places, b.count)
	}
	b.count++
}

// Verify returns one verdict for each signature in the order of Add. The
// random bytes blind the linear combination; they never change a verdict but
// with a probability of 2^-128.
func (b *Batch) Verify(random io.Reader) []bool {
	verdicts := make([]bool, b.count)
	together := len(b.claims) > 1 && b.combined(random)
	for i := range b.claims {
		verdicts[b.places[i]] = together || b.claims[i].holds()
	}
	return verdicts
}

// blindSize is the length of a random factor in bytes.
const blindSize = 16

// combined checks a random combination of all claims.
func (b *Batch) combined(random io.Reader) bool {
	blinds := make([]byte, blindSize*len(b.claims))
	if _, err := io.ReadFull(random, blinds); err != nil {
		return false // each is checked by itself then
	}
	factors := make([]scalar.Scalar, 1+len(b.claims)) // of B, then of each R
	scalars := make([]*scalar.Scalar, len(factors))
	points := make([]*curve.EdwardsPoint, len(factors))
	scalars[0], points[0] = &factors[0], curve.ED25519_BASEPOINT_POINT
	keys := newKeySum()
	var product scalar.Scalar
	for i := range b.claims {
		c, z := &b.claims[i], &factors[1+i]
		var bits [scalar.ScalarSize]byte
		copy(bits[:], blinds[blindSize*i:])
		if _, err := z.SetBits(bits[:]); err != nil {
			return false
		}
		scalars[1+i], points[1+i] = z, &c.r
		factors[0].Add(&factors[0], product.Mul(z, &c.s))
		keys.add(c.key, product.Mul(z, &c.k))
	}
	factors[0].Neg(&factors[0])
	for _, sum := range keys.scalars {
		sum.Neg(sum) // the table is of -A
	}
	var off curve.EdwardsPoint
	return off.ExpandedMultiscalarMulVartime(keys.scalars, keys.points, scalars, points).IsSmallOrder()
}

// A keySum collects the factors of distinct keys.
type keySum struct {
	places  map[*PublicKey]int
	last    *PublicKey
	at      int // the place of last
	scalars []*scalar.Scalar
	points  []*curve.ExpandedEdwardsPoint
}

func newKeySum() *keySum { return &keySum{places: make(map[*PublicKey]int)} }

// add counts a factor of a key. Neighbours usually have the same key.
func (s *keySum) add(key *PublicKey, factor *scalar.Scalar) {
	if key != s.last {
		s.last, s.at = key, s.place(key)
	}
	sum := s.scalars[s.at]
	sum.Add(sum, factor)
}

// place finds where the factors of a key are summed.
func (s *keySum) place(key *PublicKey) int {
	at, known := s.places[key]
	if !known {
		at = len(s.scalars)
		s.places[key] = at
		s.scalars = append(s.scalars, scalar.New())
		s.points = append(s.points, key.minus)
	}
	return at
}
