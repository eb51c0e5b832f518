package keytext

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// maxSize bounds what is read; the largest honest file, with an age header around
// its key, is under a kilobyte.
const maxSize = 16 << 10

// Read reads the file of one key whole; what holds a private key, or a passphrase,
// only if nobody but its owner can touch it (where files have modes). Mode and type are taken from the
// opened file, not from the path, so nobody can exchange it in between and a
// symbolic link counts as its target.
func Read(path string, private bool) ([]byte, error) {
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
	if private && runtime.GOOS != "windows" { // whose modes say nothing of who may read
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
