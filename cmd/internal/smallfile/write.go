package smallfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Create makes a new file, of any size, and overwrites none: that is an [fs.ErrExist].
// Its name is on disk when Create returns, and never, not after a crash either, with a
// part of the content.
func Create(path string, content io.Reader) error {
	return write(path, content, func(temporary string) error {
		err := os.Link(temporary, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		// A file system without links. Between the look and the renaming somebody could
		// make the file, which no other way of theirs prevents.
		if _, there := os.Lstat(path); !errors.Is(there, fs.ErrNotExist) {
			return fs.ErrExist
		}
		return os.Rename(temporary, path)
	})
}

// Replace writes a file so that after a crash there is the old one or the new one,
// whole, and it is on disk when Replace returns. Of a symbolic link the target is
// replaced.
func Replace(path string, content io.Reader) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return write(path, content, func(temporary string) error { return os.Rename(temporary, path) })
}

// write makes a whole file beside the path, which give then gives its name.
func write(path string, content io.Reader, give func(temporary string) error) error {
	temporary := fmt.Sprintf("%s.new-%s", path, rand.Text()[:8])
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = give(temporary)
	}
	if removing := os.Remove(temporary); err == nil && !errors.Is(removing, fs.ErrNotExist) {
		err = removing
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
