package signature

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/iotest"

	circl "github.com/cloudflare/circl/sign/ed25519"
	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"pgregory.net/rapid"
)

// A signer makes keys that are the same whenever they have the same number.
type signer struct {
	private circl.PrivateKey
	public  *PublicKey
}

func newSigner(t rapid.TB, number int) signer {
	seed := bytes.Repeat([]byte{byte(number + 1)}, circl.SeedSize)
	private := circl.NewKeyFromSeed(seed)
	public, err := CheckPublicKey([32]byte(private.Public().(circl.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	return signer{private, public}
}

// A batch, single verification and the library's own verification agree on every
// signature, whoever of a few signed how many, whatever was done to some of them.
func TestBatchAgreesWithLibrary(t *testing.T) {
	options := &ed25519.Options{Verify: ed25519.VerifyOptionsZIP_215}
	rapid.Check(t, func(t *rapid.T) {
		var signers []signer
		for i := range rapid.IntRange(1, 5).Draw(t, "signers") {
			signers = append(signers, newSigner(t, i))
		}
		n := rapid.IntRange(0, 40).Draw(t, "signatures")
		batch := NewBatch(n)
		var want []bool
		for i := range n {
			by := rapid.SampledFrom(signers).Draw(t, "by")
			message := fmt.Appendf(nil, "message %d", i)
			sig := [Size]byte(circl.Sign(by.private, message))
			switch rapid.SampledFrom([]string{"nothing", "nothing", "nothing", "bit", "other", "high"}).Draw(t, "damage") {
			case "bit":
				bit := rapid.IntRange(0, 8*Size-1).Draw(t, "which")
				sig[bit/8] ^= 1 << (bit % 8)
			case "other":
				by = rapid.SampledFrom(signers).Draw(t, "claimed")
			case "high":
				for j := 32; j < Size; j++ {
					sig[j] = 0xff
				}
			}
			batch.Add(by.public, message, &sig)
			verdict := ed25519.VerifyWithOptions(by.public.raw[:], message, sig[:], options)
			if single := by.public.Verify(message, &sig); single != verdict {
				t.Fatalf("signature %d: single %v, the library %v", i, single, verdict)
			}
			want = append(want, verdict)
		}
		got := batch.Verify(rand.Reader)
		if len(got) != n {
			t.Fatalf("%d verdicts on %d signatures", len(got), n)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("signature %d of %d: batch %v, the library %v", i, n, got[i], want[i])
			}
		}
	})
}

// Errors that cancel each other out in a plain sum do not in a random combination:
// two signatures of one key with s exchanged are both bad.
func TestBatchSeesErrorsThatCancel(t *testing.T) {
	by := newSigner(t, 0)
	first, second := []byte("first"), []byte("second")
	a, b := [Size]byte(circl.Sign(by.private, first)), [Size]byte(circl.Sign(by.private, second))
	for i := 32; i < Size; i++ {
		a[i], b[i] = b[i], a[i]
	}
	batch := NewBatch(2)
	batch.Add(by.public, first, &a)
	batch.Add(by.public, second, &b)
	if got := batch.Verify(rand.Reader); got[0] || got[1] {
		t.Errorf("verdicts %v on two bad signatures", got)
	}
}

// A signature that another key made over the hash of the claimed one is bad wherever
// it stands among good ones of both: each must count for the key that it claims.
func TestBatchHoldsEachToItsKey(t *testing.T) {
	victim, thief := newSigner(t, 0), newSigner(t, 1)
	forged := crossed(t, victim.public, thief, []byte("forged"))
	for _, order := range []string{"f", "vtf", "vtvf", "tvtf", "vtvfv", "vtvff", "tvf", "vf", "tf", "vvttvf"} {
		batch := NewBatch(len(order))
		for i, by := range order {
			message := fmt.Appendf(nil, "message %d", i)
			switch by {
			case 'f':
				batch.Add(victim.public, []byte("forged"), &forged)
			case 'v':
				sig := [Size]byte(circl.Sign(victim.private, message))
				batch.Add(victim.public, message, &sig)
			case 't':
				sig := [Size]byte(circl.Sign(thief.private, message))
				batch.Add(thief.public, message, &sig)
			}
		}
		for i, good := range batch.Verify(rand.Reader) {
			if good != (order[i] != 'f') {
				t.Errorf("order %s: verdict %v on signature %d", order, good, i)
			}
		}
	}
}

// crossed is what the thief can make of a message: [s]B = R + [k]T with the thief's key
// T, where k names the victim's.
func crossed(t *testing.T, victim *PublicKey, thief signer, message []byte) (sig [Size]byte) {
	t.Helper()
	scalarOf := func(b []byte) *scalar.Scalar {
		s, err := scalar.New().SetBytesModOrderWide(b)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	nonce := scalarOf(bytes.Repeat([]byte{7}, 64))
	var r curve.EdwardsPoint
	var compressed curve.CompressedEdwardsY
	compressed.SetEdwardsPoint(r.Mul(curve.ED25519_BASEPOINT_POINT, nonce))
	copy(sig[:], compressed[:])
	sum := sha512.Sum512(slices.Concat(sig[:32], victim.raw[:], message))
	expanded := sha512.Sum512(thief.private.Seed())
	expanded[0] &= 248
	expanded[31] = expanded[31]&127 | 64
	secret := scalarOf(append(expanded[:32:32], make([]byte, 32)...))
	s := secret.Mul(secret, scalarOf(sum[:]))
	if err := s.Add(s, nonce).ToBytes(sig[32:]); err != nil {
		t.Fatal(err)
	}
	return sig
}

// Whoever signs in whatever order, good signatures hold together: nothing falls back
// to checking each by itself.
func TestBatchHoldsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var signers []signer
		for i := range 3 {
			signers = append(signers, newSigner(t, i))
		}
		batch := NewBatch(0)
		for i, by := range rapid.SliceOfN(rapid.SampledFrom(signers), 2, 12).Draw(t, "by") {
			message := fmt.Appendf(nil, "message %d", i)
			sig := [Size]byte(circl.Sign(by.private, message))
			batch.Add(by.public, message, &sig)
		}
		if !batch.combined(rand.Reader) {
			t.Fatal("good signatures do not hold together")
		}
	})
}

// Without random bytes each signature is checked by itself.
func TestBatchWithoutRandom(t *testing.T) {
	by, message := newSigner(t, 0), []byte("message")
	good := [Size]byte(circl.Sign(by.private, message))
	bad := good
	bad[0] ^= 1
	batch := NewBatch(3)
	batch.Add(by.public, message, &good)
	batch.Add(by.public, message, &bad)
	batch.Add(by.public, message, &good)
	got := batch.Verify(iotest.ErrReader(errors.New("no entropy")))
	if !got[0] || got[1] || !got[2] {
		t.Errorf("verdicts %v", got)
	}
}

// BenchmarkBatch verifies 128 signatures by one key, by as many keys as there are, and
// between.
func BenchmarkBatch(b *testing.B) {
	for _, keys := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			var signers []signer
			for i := range keys {
				signers = append(signers, newSigner(b, i))
			}
			messages, sigs := make([][]byte, 128), make([][Size]byte, 128)
			for i := range messages {
				messages[i] = bytes.Repeat([]byte{byte(i)}, 400)
				sigs[i] = [Size]byte(circl.Sign(signers[i%keys].private, messages[i]))
			}
			for b.Loop() {
				batch := NewBatch(len(sigs))
				for i := range sigs {
					batch.Add(signers[i%keys].public, messages[i], &sigs[i])
				}
				for i, ok := range batch.Verify(rand.Reader) {
					if !ok {
						b.Fatalf("signature %d is refused", i)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(sigs)), "us/signature")
		})
	}
}
