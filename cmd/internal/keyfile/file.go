package keyfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/transport/client/keytext"
)

// Write creates a private key file, encrypted when the passphrase is not
// empty. It never overwrites, and the file is on disk when it returns.
func Write(path string, key Key, passphrase string) error {
	return write(path, key, passphrase, workFactor)
}

func write(path string, key Key, passphrase string, factor int) error {
	content := []byte(key.Text(nameOf(path)))
	if passphrase != "" {
		sealed, err := encrypt(content, passphrase, factor)
		if err != nil {
			return fmt.Errorf("encrypting the key for %s: %w", path, err)
		}
		content = sealed
	}
	if err := create(path, content, 0o600); err != nil {
		return fmt.Errorf("writing the key file %s: %w", path, err)
	}
	return nil
}

// WritePublic creates a public key file, readable by all. It never overwrites.
func WritePublic(path string, public Public) error {
	if err := create(path, []byte(public.Text(nameOf(path))), 0o644); err != nil {
		return fmt.Errorf("writing the public key file %s: %w", path, err)
	}
	return nil
}

// Read opens a private key file. If it is encrypted, ask is called once with
// the words to show to a person; it may be nil where nobody can answer.
func Read(path string, ask func(prompt string) (string, error)) (Key, error) {
	content, err := keytext.Read(path, true)
	if err != nil {
		return Key{}, fmt.Errorf("reading the key file: %w", notPrivate(path, err))
	}
	if keytext.Sealed(content) {
		if ask == nil {
			return Key{}, fmt.Errorf("reading the key file: %s is encrypted and there is nobody to ask for its passphrase", path)
		}
		passphrase, err := ask("Passphrase of " + path)
		if err != nil {
			return Key{}, fmt.Errorf("asking for the passphrase of %s: %w", path, err)
		}
		if content, err = decrypt(content, passphrase); err != nil {
			return Key{}, fmt.Errorf("opening %s: %w", path, err)
		}
	}
	key, err := keytext.Parse(string(content))
	if err != nil {
		return Key{}, fmt.Errorf("reading the key file %s: %w", path, smallfile.Other(err, content))
	}
	return key, nil
}

// notPrivate says it where a file that others may read is no private key at all:
// taking the right to read it from them would not help.
func notPrivate(path string, err error) error {
	content, opened := keytext.Read(path, false)
	if kind := smallfile.Kind(content); opened == nil && kind != "" && !strings.Contains(kind, "private") {
		return fmt.Errorf("%s looks like %s: give the file of the private key", path, kind)
	}
	return err
}

// ReadPublic opens a public key file. Anybody may be able to read it.
func ReadPublic(path string) (Public, error) {
	content, err := keytext.Read(path, false)
	if err != nil {
		return Public{}, fmt.Errorf("reading the public key file: %w", err)
	}
	public, err := keytext.ParsePublic(string(content))
	if err != nil {
		return Public{}, fmt.Errorf("reading the public key file %s: %w", path, err)
	}
	return public, nil
}

// create writes a new file and makes it durable: the content by its own fsync,
// its name by the directory's. What could not be written whole is removed
// again; after a crash in between [Read] finds it cut off.
func create(path string, content []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("there is one already and it is never overwritten: %w", err)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = syncDirectory(filepath.Dir(path))
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	err = directory.Sync()
	return errors.Join(err, directory.Close())
}

// nameOf is what the comment in the file calls the key.
func nameOf(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}
