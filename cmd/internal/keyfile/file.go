package keyfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Write creates a private key file, encrypted when the passphrase is not
// empty. It never overwrites, and the file is on disk when it returns.
func Write(path string, key Key, passphrase string) error {
	return write(path, key, passphrase, workFactor)
}

func write(path string, key Key, passphrase string, factor int) error {
	content := []byte(key.format(nameOf(path)))
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
	if err := create(path, []byte(public.format(nameOf(path))), 0o644); err != nil {
		return fmt.Errorf("writing the public key file %s: %w", path, err)
	}
	return nil
}

// Read opens a private key file. If it is encrypted, ask is called once with
// the words to show to a person; it may be nil where nobody can answer.
func Read(path string, ask func(prompt string) (string, error)) (Key, error) {
	content, err := load(path, true)
	if err != nil {
		return Key{}, fmt.Errorf("reading the key file: %w", err)
	}
	if isEncrypted(content) {
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
	key, err := parse(string(content))
	if err != nil {
		return Key{}, fmt.Errorf("reading the key file %s: %w", path, err)
	}
	return key, nil
}

// ReadPublic opens a public key file. Anybody may be able to read it.
func ReadPublic(path string) (Public, error) {
	content, err := load(path, false)
	if err != nil {
		return Public{}, fmt.Errorf("reading the public key file: %w", err)
	}
	public, err := parsePublic(string(content))
	if err != nil {
		return Public{}, fmt.Errorf("reading the public key file %s: %w", path, err)
	}
	return public, nil
}

// load reads a small regular file whole. Mode and type are taken from the
// opened file, not from the path, so nobody can exchange it in between and a
// symbolic link counts as its target.
func load(path string, private bool) ([]byte, error) {
	// Without O_NONBLOCK opening a named pipe would wait for its writer.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // Nothing was written to it.
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if private {
		if err := ownerOnly(path, info.Mode()); err != nil {
			return nil, err
		}
	}
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxSize {
		return nil, fmt.Errorf("%s is larger than the %d bytes that such a file can have", path, maxSize)
	}
	return content, nil
}

// ownerOnly refuses a file which group or others can do anything with.
func ownerOnly(path string, mode os.FileMode) error {
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	return fmt.Errorf("%s can be read or changed by others (mode %04o): make it yours alone with: chmod 600 %s",
		path, mode.Perm(), quoted(path))
}

// quoted makes a path safe to paste into a shell.
func quoted(path string) string {
	plain := strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-", r)
	}) < 0
	if plain && path != "" && path[0] != '-' {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
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
