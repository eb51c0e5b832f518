package keytext

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/sign/ed25519"
)

// Kind says what a key is for. Its text is what stands in the file.
type Kind string

// The kinds of key a file can hold.
const (
	Ed25519 Kind = "ed25519" // signs commands, statements, checkpoints
	X25519  Kind = "x25519"  // opens what was sealed to its owner
)

// size is the length in bytes of the seed and of the public key, for both kinds.
const size = 32

// Key is a private key. It prints as its public half only, whatever the verb,
// so that a stray %+v in a log line discloses nothing.
type Key struct {
	Kind   Kind
	Seed   [size]byte
	Public [size]byte
}

// Public is the public half of a key.
type Public struct {
	Kind Kind
	Key  [size]byte
}

// FromSeed is the key that a seed stands for.
func FromSeed(kind Kind, seed [size]byte) (Key, error) {
	key := Key{Kind: kind, Seed: seed}
	switch kind {
	case Ed25519:
		// A circl private key is the seed followed by the public key.
		copy(key.Public[:], ed25519.NewKeyFromSeed(seed[:])[size:])
	case X25519:
		public, secret := x25519.Key{}, x25519.Key(seed)
		x25519.KeyGen(&public, &secret)
		key.Public = public
	default:
		return Key{}, fmt.Errorf("unknown kind of key %q: want %s or %s", kind, Ed25519, X25519)
	}
	return key, nil
}

// Ed25519 is the key in the form that circl signs with. Asking it of a key of
// another kind is a mistake in the program.
func (k Key) Ed25519() ed25519.PrivateKey {
	if k.Kind != Ed25519 {
		panic(fmt.Sprintf("keytext: %s is not a signing key", k))
	}
	return ed25519.NewKeyFromSeed(k.Seed[:])
}

// PublicHalf is the part that may be shown to anybody.
func (k Key) PublicHalf() Public { return Public{Kind: k.Kind, Key: k.Public} }

// ID is the key id: the first 16 bytes of SHA-256(public key).
func (k Key) ID() [16]byte { return k.PublicHalf().ID() }

// ID is the key id: the first 16 bytes of SHA-256(public key).
func (p Public) ID() [16]byte {
	digest := sha256.Sum256(p.Key[:])
	return [16]byte(digest[:16])
}

// String names the key by kind and id.
func (p Public) String() string {
	id := p.ID()
	return string(p.Kind) + ":" + hex.EncodeToString(id[:])
}

// String names the key by kind and id, never by its seed.
func (k Key) String() string { return k.PublicHalf().String() }

// Format answers every fmt verb with String, since %#v and %x would otherwise
// print the seed.
func (k Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.String()) }

// MarshalText answers encoders and structured loggers in the same way.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
