package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
)

// maxKeyFile is more than any key file has.
const maxKeyFile = 16 << 10

// ReadKey reads a private key file as tallyvault key new makes it without a passphrase. One
// that others than its owner may read is refused: its key must be treated as known.
func ReadKey(path string) (ed25519.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("key file %s has mode %04o: others may read or write it; want 0600, and a new key if anybody did", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return key, nil
}

// ParseKey reads the text of a private key file, and holds its id and its public key
// against its seed.
func ParseKey(text string) (ed25519.PrivateKey, error) {
	if strings.HasPrefix(text, "-----BEGIN AGE") {
		return nil, errors.New("it is under a passphrase: open it with age -d, or make a key without one")
	}
	first, rest, _ := strings.Cut(text, "\n")
	if first != "tallyvault-key v1 ed25519" {
		return nil, errors.New("its first line is not one of a private signing key")
	}
	var fields []string
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "#") {
			fields = append(fields, line)
		}
	}
	if len(fields) != 3 {
		return nil, fmt.Errorf("%d fields, want id, public and seed", len(fields))
	}
	seedHex, ok := strings.CutPrefix(fields[2], "seed ")
	seed, err := hex.DecodeString(strings.TrimSuffix(seedHex, "\n"))
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("its third field is no seed of 32 bytes in hex") // the seed stays out of messages
	}
	key := ed25519.NewKeyFromSeed(seed)
	public := key.Public().(ed25519.PublicKey)
	if fields[0] != fmt.Sprintf("id %s\n", envelope.KeyIDOf(public)) || fields[1] != fmt.Sprintf("public %x\n", []byte(public)) ||
		fields[2] != fmt.Sprintf("seed %x\n", seed) {
		return nil, errors.New("it is damaged: id, public key and seed do not belong together")
	}
	return key, nil
}
