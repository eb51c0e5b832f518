package keyfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	privateFormat = "tallyvault-key v1 "
	publicFormat  = "tallyvault-public v1 "

	// maxSize bounds what is read of a key file; the largest honest one, with
	// an age header around it, is under a kilobyte.
	maxSize = 16 << 10
)

// errDamaged is the ground of every refusal of a file's content.
var errDamaged = errors.New("damaged key file")

// format writes the text of a private key file; name is for people.
func (k Key) format(name string) string {
	return k.PublicHalf().text(privateFormat, name) + "seed " + hex.EncodeToString(k.Seed[:]) + "\n"
}

// format writes the text of a public key file.
func (p Public) format(name string) string { return p.text(publicFormat, name) }

func (p Public) text(format, name string) string {
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

// parse reads the text of a private key file and holds its fields against each
// other.
func parse(text string) (Key, error) {
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
		return Key{}, fmt.Errorf("%w: its public key does not belong to its seed", errDamaged)
	}
	return key, nil
}

// parsePublic reads the text of a public key file.
func parsePublic(text string) (Public, error) {
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
		return Public{}, fmt.Errorf("%w: its key id is not that of its public key", errDamaged)
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
		return "", nil, fmt.Errorf("%w: its first line is not %q", errDamaged, format+"<kind>")
	}
	fields := make([]string, 0, len(names))
	for line := range strings.Lines(rest) {
		if !strings.HasSuffix(line, "\n") {
			return "", nil, fmt.Errorf("%w: it is cut off in its last line", errDamaged)
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) == len(names) {
			return "", nil, fmt.Errorf("%w: more lines than a key file has", errDamaged)
		}
		value, named := strings.CutPrefix(line[:len(line)-1], names[len(fields)]+" ")
		if !named {
			return "", nil, fmt.Errorf("%w: the field %q is not where it belongs", errDamaged, names[len(fields)])
		}
		fields = append(fields, value)
	}
	if len(fields) < len(names) {
		return "", nil, fmt.Errorf("%w: it is cut off before the field %q", errDamaged, names[len(fields)])
	}
	return Kind(kind), fields, nil
}

// unhex fills dst from lower-case hex of exactly its length. The value is not
// quoted in errors: it may be most of a seed.
func unhex(dst []byte, name, text string) error {
	if len(text) != hex.EncodedLen(len(dst)) || strings.ToLower(text) != text {
		return fmt.Errorf("%w: the field %q is not %d bytes of lower-case hex", errDamaged, name, len(dst))
	}
	if _, err := hex.Decode(dst, []byte(text)); err != nil {
		return fmt.Errorf("%w: the field %q is not %d bytes of lower-case hex", errDamaged, name, len(dst))
	}
	return nil
}
