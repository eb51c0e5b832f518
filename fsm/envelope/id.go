package envelope

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// KeyID names a public key: the first 16 bytes of its SHA-256.
type KeyID [16]byte

// KeyIDOf computes the id of a raw public key.
func KeyIDOf(public []byte) KeyID {
	sum := sha256.Sum256(public)
	return KeyID(sum[:16])
}

// String is the id in lower-case hex.
func (k KeyID) String() string { return hex.EncodeToString(k[:]) }

// ParseKeyID reads 32 lower-case hex digits.
func ParseKeyID(s string) (KeyID, error) {
	var k KeyID
	if err := ParseHex(k[:], s); err != nil {
		return k, fmt.Errorf("keyid: %w", err)
	}
	return k, nil
}

// Identity names a command: the SHA-256 of its PAE.
type Identity [32]byte

// IdentityOf computes the identity of a payload under its type.
func IdentityOf(payloadType string, payload []byte) Identity {
	return sha256.Sum256(PAE(payloadType, payload))
}

// String is the identity in lower-case hex.
func (i Identity) String() string { return hex.EncodeToString(i[:]) }

// ParseIdentity reads 64 lower-case hex digits.
func ParseIdentity(s string) (Identity, error) {
	var i Identity
	if err := ParseHex(i[:], s); err != nil {
		return i, fmt.Errorf("identity: %w", err)
	}
	return i, nil
}

// ParseHex fills dst from exactly as many lower-case hex digits as it takes.
// Upper case is refused so that every value has one spelling.
func ParseHex(dst []byte, s string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("%d hex digits, want %d", len(s), 2*len(dst))
	}
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'F' {
			return fmt.Errorf("hex digit %q is upper case", s[i])
		}
	}
	_, err := hex.Decode(dst, []byte(s))
	return err
}
