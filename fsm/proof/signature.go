package proof

import (
	"cmp"
	stded25519 "crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudflare/circl/sign/ed25519"
)

// Algorithm bytes of signed notes, from c2sp.org/signed-note.
const (
	algEd25519       = 0x01
	algCosignatureV1 = 0x04
)

const (
	sigPrefix     = "— " // an em dash and a space begin each signature line
	keyHashSize   = 4
	timestampSize = 8
)

// keyHash is the short identifier that a signature line carries of its key.
func keyHash(name string, alg byte, pub [32]byte) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', alg})
	h.Write(pub[:])
	return binary.BigEndian.Uint32(h.Sum(nil))
}

func vkey(name string, alg byte, pub [32]byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, alg, pub), encode64(append([]byte{alg}, pub[:]...)))
}

// LogVKey is the verifier key of a log: its name is the origin.
func LogVKey(origin string, pub [32]byte) string { return vkey(origin, algEd25519, pub) }

// CosignerVKey is the verifier key of a cosigner.
func CosignerVKey(name string, pub [32]byte) string { return vkey(name, algCosignatureV1, pub) }

// parseVKey is strict: what it accepts is what vkey writes.
func parseVKey(s string, alg byte) (name string, pub [32]byte, err error) {
	name, rest, _ := strings.Cut(s, "+")
	_, key64, _ := strings.Cut(rest, "+")
	if err := checkName(name); err != nil {
		return "", pub, err
	}
	key, err := decode64(key64)
	if err != nil {
		return "", pub, err
	}
	if len(key) != 1+len(pub) || key[0] != alg {
		return "", pub, fmt.Errorf("vkey %q is not one of algorithm %#02x with a key of %d bytes", clip(s), alg, len(pub))
	}
	copy(pub[:], key[1:])
	if vkey(name, alg, pub) != s {
		return "", pub, fmt.Errorf("vkey %q has a key hash that is not its key's", clip(s))
	}
	return name, pub, nil
}

// SignLog signs a checkpoint with the log key of its origin and returns the
// signature line with its newline.
func SignLog(origin string, priv ed25519.PrivateKey, cp Checkpoint) (string, error) {
	if err := checkName(origin); err != nil {
		return "", fmt.Errorf("sign checkpoint: origin: %w", err)
	}
	if cp.Origin != origin {
		return "", fmt.Errorf("sign checkpoint: the key is %q's, the checkpoint %q's", origin, cp.Origin)
	}
	if len(priv) != ed25519.PrivateKeySize {
		return "", errors.New("sign checkpoint: not an Ed25519 private key")
	}
	hash := keyHash(origin, algEd25519, publicKey(priv))
	return sigLine(origin, hash, ed25519.Sign(priv, []byte(cp.Text()))), nil
}

func publicKey(priv ed25519.PrivateKey) [32]byte {
	return [32]byte(priv[ed25519.SeedSize:])
}

func sigLine(name string, hash uint32, sig []byte) string {
	raw := binary.BigEndian.AppendUint32(nil, hash)
	return sigPrefix + name + " " + encode64(append(raw, sig...)) + "\n"
}

// A Cosignature is one node's word that it computed a checkpoint's root itself,
// at the stated time in Unix seconds.
type Cosignature struct {
	Name    string
	KeyHash uint32
	Time    uint64
	Sig     [64]byte
}

// CosignedMessage is what a cosigner signs. It is exported so that the replicated
// rules can verify cosignatures with the verifier they have pinned.
func CosignedMessage(unixSeconds uint64, cp Checkpoint) []byte {
	return []byte("cosignature/v1\ntime " + strconv.FormatUint(unixSeconds, 10) + "\n" + cp.Text())
}

// Cosign signs a checkpoint at a time that the caller states. Ready-made signers
// of this format read the clock themselves, which nothing below cluster may do.
func Cosign(name string, priv ed25519.PrivateKey, unixSeconds uint64, cp Checkpoint) Cosignature {
	sig := [64]byte(ed25519.Sign(priv, CosignedMessage(unixSeconds, cp)))
	return MadeBy(name, publicKey(priv), unixSeconds, sig)
}

// MadeBy is a cosignature that the owner of pub has made, put together from its parts.
func MadeBy(name string, pub [32]byte, unixSeconds uint64, sig [64]byte) Cosignature {
	return Cosignature{Name: name, KeyHash: keyHash(name, algCosignatureV1, pub), Time: unixSeconds, Sig: sig}
}

// Line is the cosignature as a line of a signed note, with its newline.
func (c Cosignature) Line() string {
	raw := binary.BigEndian.AppendUint64(nil, c.Time)
	return sigLine(c.Name, c.KeyHash, append(raw, c.Sig[:]...))
}

// ParseCosignature reads what Line writes and refuses everything else.
func ParseCosignature(line string) (Cosignature, error) {
	body, ok := strings.CutPrefix(line, sigPrefix)
	if !ok || !strings.HasSuffix(body, "\n") {
		return Cosignature{}, errors.New("cosignature: not a signature line")
	}
	name, b64, _ := strings.Cut(strings.TrimSuffix(body, "\n"), " ")
	if err := checkName(name); err != nil {
		return Cosignature{}, fmt.Errorf("cosignature: %w", err)
	}
	raw, err := decode64(b64)
	if err != nil {
		return Cosignature{}, fmt.Errorf("cosignature: %w", err)
	}
	c := Cosignature{Name: name}
	if len(raw) != keyHashSize+timestampSize+len(c.Sig) {
		return Cosignature{}, fmt.Errorf("cosignature: %d bytes, want %d", len(raw), keyHashSize+timestampSize+len(c.Sig))
	}
	c.KeyHash = binary.BigEndian.Uint32(raw)
	c.Time = binary.BigEndian.Uint64(raw[keyHashSize:])
	copy(c.Sig[:], raw[keyHashSize+timestampSize:])
	return c, nil
}

// Verify reports whether pub's owner cosigned cp under c's name and time.
//
// It uses crypto/ed25519 because every independent verifier of this format does
// so: a cosignature that only a laxer rule accepts would be worthless outside.
// A ready-made verifier would add a dependency for these three lines.
func (c Cosignature) Verify(pub [32]byte, cp Checkpoint) bool {
	return c.KeyHash == keyHash(c.Name, algCosignatureV1, pub) &&
		stded25519.Verify(pub[:], CosignedMessage(c.Time, cp), c.Sig[:])
}

// Assemble writes the signed note: the log's line, then the cosignatures ordered
// by name, so that nodes which hold the same set publish the same bytes. Of two
// by the same key the earlier one stays, since readers count one per key.
func Assemble(cp Checkpoint, logLine string, cosigs []Cosignature) []byte {
	sorted := slices.Clone(cosigs)
	slices.SortFunc(sorted, func(a, b Cosignature) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.KeyHash, b.KeyHash),
			cmp.Compare(a.Time, b.Time), slices.Compare(a.Sig[:], b.Sig[:]))
	})
	sorted = slices.CompactFunc(sorted, func(a, b Cosignature) bool {
		return a.Name == b.Name && a.KeyHash == b.KeyHash
	})
	out := []byte(cp.Text() + "\n" + logLine)
	for _, c := range sorted {
		out = append(out, c.Line()...)
	}
	return out
}
