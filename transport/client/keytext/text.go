package keytext

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	privateFormat = "tallyvault-key v1 "
	publicFormat  = "tallyvault-public v1 "

	// sealedFormat begins the armor of an age file, as no plain key file does.
	sealedFormat = "-----BEGIN AGE ENCRYPTED FILE-----"
)

// Sealed says whether the content of a file is a key under a passphrase.
func Sealed(content []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(content, " \t\r\n"), []byte(sealedFormat))
}

// ErrDamaged is the ground of every refusal of a file's content.
var ErrDamaged = errors.New("damaged key file")

// Text is the text of a private key file; name is for people.
func (k Key) Text(name string) string {
	return k.PublicHalf().under(privateFormat, name) + "seed " + hex.EncodeToString(k.Seed[:]) + "\n"
}

// Text is the text of a public key file.
func (p Public) Text(name string) string { return p.under(publicFormat, name) }

// under writes a public key under the first line of a format.
func (p Public) under(format, name string) string {
	id := p.ID()
	return format + string(p.Kind) + "\n" +
		fmt.Sprintf("# %s, key id %x\n", oneLine(name), id) +
		fmt.Sprintf("id %x\n", id) +
		fmt.Sprintf("public %x\n", p.Key)
}

// oneLine keeps a file name with odd characters from adding lines of its own.
func oneLine(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
}

// Parse reads the text of a private key file and holds its fields against each
// other.
func Parse(text string) (Key, error) {
	kind, fields, err := split(text, privateFormat, "id", "public", "seed")
	if err != nil {
		return Key{}, err
	}
	var seed [size]byte
	if err := unhex(seed[:], "seed", fields[2]); err != nil {
		return Key{}, err
	}
	key, err := FromSeed(kind, seed)
	if err != nil {
		return Key{}, err
	}
	// The seed itself stays out of every message below.
	stated, err := statedPublic(kind, fields[0], fields[1])
	if err != nil {
		return Key{}, err
	}
	if stated.Key != key.Public {
		return Key{}, fmt.Errorf("%w: its public key does not belong to its seed", ErrDamaged)
	}
	return key, nil
}

// ParsePublic reads the text of a public key file.
func ParsePublic(text string) (Public, error) {
	if strings.HasPrefix(text, privateFormat) {
		return Public{}, errors.New("this is a private key file where a public one is wanted: keep it to yourself and give the .pub file")
	}
	kind, fields, err := split(text, publicFormat, "id", "public")
	if err != nil {
		return Public{}, err
	}
	if kind != Ed25519 && kind != X25519 {
		return Public{}, fmt.Errorf("unknown kind of key %q: want %s or %s", kind, Ed25519, X25519)
	}
	return statedPublic(kind, fields[0], fields[1])
}

func statedPublic(kind Kind, idHex, publicHex string) (Public, error) {
	public := Public{Kind: kind}
	if err := unhex(public.Key[:], "public", publicHex); err != nil {
		return Public{}, err
	}
	var id [16]byte
	if err := unhex(id[:], "id", idHex); err != nil {
		return Public{}, err
	}
	if id != public.ID() {
		return Public{}, fmt.Errorf("%w: its key id is not that of its public key", ErrDamaged)
	}
	return public, nil
}

// split takes a file apart: the first line in the wanted format, then the
// named fields in order with comments between them, and nothing else. The last
// line must be a whole one, since a cut hex field would otherwise be a shorter
// file with a less telling message.
func split(text, format string, names ...string) (Kind, []string, error) {
	first, rest, whole := strings.Cut(text, "\n")
	kind, ours := strings.CutPrefix(first, format)
	if !ours || !whole {
		return "", nil, fmt.Errorf("%w: its first line is not %q", ErrDamaged, format+"<kind>")
	}
	fields := make([]string, 0, len(names))
	for line := range strings.Lines(rest) {
		if !strings.HasSuffix(line, "\n") {
			return "", nil, fmt.Errorf("%w: it is cut off in its last line", ErrDamaged)
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) == len(names) {
			return "", nil, fmt.Errorf("%w: more lines than a key file has", ErrDamaged)
		}
		value, named := strings.CutPrefix(line[:len(line)-1], names[len(fields)]+" ")
		if !named {
			return "", nil, fmt.Errorf("%w: the field %q is not where it belongs", ErrDamaged, names[len(fields)])
		}
		fields = append(fields, value)
	}
	if len(fields) < len(names) {
		return "", nil, fmt.Errorf("%w: it is cut off before the field %q", ErrDamaged, names[len(fields)])
	}
	return Kind(kind), fields, nil
}

// unhex fills dst from lower-case hex of exactly its length. The value is not
// quoted in errors: it may be most of a seed.
func unhex(dst []byte, name, text string) error {
	if len(text) != hex.EncodedLen(len(dst)) || strings.ToLower(text) != text {
		return fmt.Errorf("%w: the field %q is not %d bytes of lower-case hex", ErrDamaged, name, len(dst))
	}
	if _, err := hex.Decode(dst, []byte(text)); err != nil {
		return fmt.Errorf("%w: the field %q is not %d bytes of lower-case hex", ErrDamaged, name, len(dst))
	}
	return nil
}
