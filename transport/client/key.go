package client

import (
	"errors"
	"fmt"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/transport/client/keytext"
)

// ReadKey reads a private key file as tallyvault key new makes it without a passphrase. One
// that others than its owner may read is refused: its key must be treated as known.
func ReadKey(path string) (ed25519.PrivateKey, error) {
	text, err := keytext.Read(path, true)
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("reading the key file %s: %w", path, err)
	}
	return key, nil
}

// ParseKey reads the text of a private key file, and holds its id and its public key
// against its seed.
func ParseKey(text string) (ed25519.PrivateKey, error) {
	if keytext.Sealed([]byte(text)) {
		return nil, errors.New("it is under a passphrase: open it with age -d, or make a key without one")
	}
	key, err := keytext.Parse(text)
	if err != nil {
		return nil, err
	}
	if key.Kind != keytext.Ed25519 {
		return nil, fmt.Errorf("%s is no key that signs: want one of kind %s", key, keytext.Ed25519)
	}
	return key.Ed25519(), nil
}
