package keyfile

import (
	"fmt"
	"io"

	"github.com/tallyvault/tallyvault/transport/client/keytext"
)

// What is kept in files, and its kinds; see package keytext.
type (
	Key    = keytext.Key
	Public = keytext.Public
	Kind   = keytext.Kind
)

// The kinds of key a file can hold.
const (
	Ed25519 = keytext.Ed25519
	X25519  = keytext.X25519
)

// Generate makes a new key of the kind from 32 bytes of random, which must be
// crypto/rand.Reader outside of tests.
func Generate(kind Kind, random io.Reader) (Key, error) {
	var seed [32]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return Key{}, fmt.Errorf("drawing a seed: %w", err)
	}
	return keytext.FromSeed(kind, seed)
}
