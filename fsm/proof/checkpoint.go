package proof

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxSize bounds the size of a tree. The tlog library loops for ever on sizes
// above 2^62, so a size that no journal can reach is refused while parsing,
// before any arithmetic is done with it.
const MaxSize = 1 << 48

// maxNameLen bounds a name so that a line has a bound too.
const maxNameLen = 255

// A Checkpoint states that the journal called Origin had Root when it held Size
// leaves.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
}

// Text is the checkpoint as it is signed: three lines, each with its newline.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + encode64(c.Root[:]) + "\n"
}

// ParseCheckpoint reads what Text writes and refuses everything else.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	switch {
	case len(lines) < 4:
		return Checkpoint{}, errors.New("checkpoint: fewer than three lines")
	case len(lines) > 4 || lines[3] != "":
		return Checkpoint{}, errors.New("checkpoint: something follows the root line")
	}
	if err := checkName(lines[0]); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: origin: %w", err)
	}
	size, err := parseCount(lines[1])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: size: %w", err)
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: root: %w", err)
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// checkName holds every origin, key name and policy component to one alphabet.
func checkName(name string) error {
	if name == "" || len(name) > maxNameLen {
		return fmt.Errorf("name of %d bytes, want 1 to %d", len(name), maxNameLen)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == '+' || c == '#' {
			return fmt.Errorf("name %q has a character that is not allowed at byte %d", name, i)
		}
	}
	return nil
}

// parseCount reads a decimal number up to MaxSize in its one canonical form.
func parseCount(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not a plain decimal number", clip(s))
	}
	if n > MaxSize {
		return 0, fmt.Errorf("%d is more than %d", n, uint64(MaxSize))
	}
	return n, nil
}

func parseHash(s string) (tlog.Hash, error) {
	b, err := decode64(s)
	if err != nil {
		return tlog.Hash{}, err
	}
	if len(b) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("hash of %d bytes, want %d", len(b), tlog.HashSize)
	}
	return tlog.Hash(b), nil
}

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// decode64 accepts the one canonical base64 text of some bytes. The library
// alone would skip carriage returns and ignore the unused low bits at the end.
func decode64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || encode64(b) != s {
		return nil, fmt.Errorf("%q is not canonical base64", clip(s))
	}
	return b, nil
}

// clip keeps an error about a long input readable.
func clip(s string) string {
	if len(s) <= 64 {
		return s
	}
	return s[:64] + "..."
}
