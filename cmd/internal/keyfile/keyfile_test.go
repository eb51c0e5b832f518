package keyfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/transport/client/keytext"
)

// testFactor makes scrypt cheap; only tests may.
const testFactor = 4

func newKey(t *testing.T, kind Kind) Key {
	t.Helper()
	key, err := Generate(kind, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func answer(passphrase string) func(string) (string, error) {
	return func(string) (string, error) { return passphrase, nil }
}

func TestWriteThenRead(t *testing.T) {
	for _, kind := range []Kind{Ed25519, X25519} {
		for _, passphrase := range []string{"", "correct horse"} {
			t.Run(fmt.Sprintf("%s passphrase=%t", kind, passphrase != ""), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "alice.key")
				key := newKey(t, kind)
				if err := write(path, key, passphrase, testFactor); err != nil {
					t.Fatal(err)
				}
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode().Perm() != 0o600 {
					t.Errorf("the file has mode %04o, want 0600", info.Mode().Perm())
				}
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if sealed := keytext.Sealed(content); sealed != (passphrase != "") {
					t.Errorf("the file is encrypted: %t", sealed)
				}
				if passphrase != "" && bytes.Contains(content, []byte("seed")) {
					t.Error("the encrypted file shows its text")
				}
				got, err := Read(path, answer(passphrase))
				if err != nil {
					t.Fatal(err)
				}
				if got != key {
					t.Errorf("read back %s, wrote %s", got, key)
				}
			})
		}
	}
}

// TestOpenedByAge opens an encrypted file the way the age program does.
func TestOpenedByAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alice.key")
	key := newKey(t, Ed25519)
	if err := write(path, key, "correct horse", testFactor); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	identity, err := age.NewScryptIdentity("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := age.Decrypt(armor.NewReader(file), identity)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(opened); err != nil {
		t.Fatal(err)
	}
	if text.String() != key.Text("alice") {
		t.Errorf("age found %q", text.String())
	}
}

func TestKeysWork(t *testing.T) {
	signer := newKey(t, Ed25519)
	message := []byte("counted")
	signature := ed25519.Sign(signer.Ed25519(), message)
	if !ed25519.Verify(signer.Public[:], message, signature) {
		t.Error("a signature by the key does not verify under its public half")
	}

	opener := newKey(t, X25519)
	scheme := hpke.KEM_X25519_HKDF_SHA256.Scheme()
	public, err := scheme.UnmarshalBinaryPublicKey(opener.Public[:])
	if err != nil {
		t.Fatal(err)
	}
	private, err := scheme.UnmarshalBinaryPrivateKey(opener.Seed[:])
	if err != nil {
		t.Fatal(err)
	}
	sealed, sent, err := scheme.Encapsulate(public)
	if err != nil {
		t.Fatal(err)
	}
	received, err := scheme.Decapsulate(private, sealed)
	if err != nil || !bytes.Equal(sent, received) {
		t.Errorf("what was sealed to the public half does not open with the key: %v", err)
	}

	defer func() {
		if recover() == nil {
			t.Error("a sealing key was used to sign")
		}
	}()
	opener.Ed25519()
}

func TestNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alice.key")
	first := newKey(t, Ed25519)
	if err := Write(path, first, ""); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, newKey(t, Ed25519), ""); !errors.Is(err, fs.ErrExist) {
		t.Errorf("writing a second time: %v, want an error that the file exists", err)
	}
	if err := WritePublic(path, first.PublicHalf()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("writing the public half over the key: %v, want an error that the file exists", err)
	}
	if got, err := Read(path, nil); err != nil || got != first {
		t.Errorf("the first key is gone: %v", err)
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "alice.key")
	if err := Write(path, newKey(t, Ed25519), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("writing into a missing directory: %v", err)
	}
	if _, err := Generate(Ed25519, iotest.ErrReader(errors.New("no entropy"))); err == nil {
		t.Error("a key was made without random")
	}
	if _, err := Generate("rsa", rand.Reader); err == nil {
		t.Error("a key of an unknown kind was made")
	}
}

func TestRefusesWhatOthersCanTouch(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "it's alice.key")
	key := newKey(t, Ed25519)
	if err := Write(path, key, ""); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(directory, "link.key")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(link, nil); err != nil {
		t.Errorf("a link to a private file was refused: %v", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o620, 0o604, 0o602, 0o610, 0o666, 0o444} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, way := range []string{path, link} {
			_, err := Read(way, nil)
			if err == nil {
				t.Errorf("a file of mode %04o was read through %s", mode, filepath.Base(way))
				continue
			}
			// A path with an odd character is quoted.
			if want := map[string]string{path: "'" + strings.ReplaceAll(path, "'", `'\''`) + "'", link: link}[way]; !strings.Contains(err.Error(), "chmod 600 "+want) {
				t.Errorf("the message does not say what to run: %v", err)
			}
		}
	}
}

func TestRefusesWhatIsNoFile(t *testing.T) {
	directory := t.TempDir()
	if _, err := Read(directory, nil); err == nil {
		t.Error("a directory was read as a key")
	}
	if _, err := Read(filepath.Join(directory, "missing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	large := filepath.Join(directory, "large.key")
	if err := os.WriteFile(large, make([]byte, 16<<10+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(large, nil); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a file above the limit: %v", err)
	}
}

// TestNamedPipeDoesNotHang opens a pipe that nobody will ever write to.
func TestNamedPipeDoesNotHang(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.key")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("SKIPPED: no named pipes here: %v", err)
	}
	if _, err := Read(path, nil); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a named pipe: %v", err)
	}
}

func TestWrongPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alice.key")
	if err := write(path, newKey(t, Ed25519), "correct horse", testFactor); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "correct hors", "Correct horse"} {
		if _, err := Read(path, answer(wrong)); !errors.Is(err, ErrPassphrase) {
			t.Errorf("passphrase %q: %v, want ErrPassphrase", wrong, err)
		}
	}
	if _, err := Read(path, nil); err == nil {
		t.Error("an encrypted file was read without a passphrase")
	}
	gone := errors.New("nobody there")
	if _, err := Read(path, func(string) (string, error) { return "", gone }); !errors.Is(err, gone) {
		t.Errorf("asking failed with %v, want it wrapped", err)
	}
}

func TestEveryMangledArmorIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alice.key")
	if err := write(path, newKey(t, Ed25519), "correct horse", testFactor); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for length := range len(whole) - 1 {
		if _, err := decrypt(whole[:length], "correct horse"); err == nil {
			t.Errorf("cut to %d of %d bytes it was still opened", length, len(whole))
		}
	}
}

func TestPublicFile(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "alice.pub")
	public := newKey(t, X25519).PublicHalf()
	if err := WritePublic(path, public); err != nil {
		t.Fatal(err)
	}
	got, err := ReadPublic(path)
	if err != nil || got != public {
		t.Errorf("read back %s, wrote %s: %v", got, public, err)
	}
	private := filepath.Join(directory, "alice.key")
	if err := Write(private, newKey(t, Ed25519), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPublic(private); err == nil || !strings.Contains(err.Error(), "private") {
		t.Errorf("a private key file given as a public one: %v", err)
	}
}
