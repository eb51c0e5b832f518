package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tallyvault/tallyvault/cluster/diskspace"
)

// fileSystem names the file system that a path is on, and refuses one that is in memory.
func fileSystem(path string) (string, error) {
	s, err := diskspace.Of(path)
	if err == nil && s.Memory {
		err = fmt.Errorf("it is on a %s, in memory: an fsync there says nothing about a disk", s.FileSystem)
	}
	return s.FileSystem, err
}

// claim makes the directory, or makes sure that nothing of anybody's is in it,
// and says what file system it is on.
func claim(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	name, err := fileSystem(dir)
	if err != nil {
		return "", fmt.Errorf("directory %s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("directory %s is not empty (it has %s): name another with --dir", dir, entries[0].Name())
	}
	return name, nil
}

// sizeOf adds up the files below a directory. Files come and go while a node
// runs; one that has just gone counts nothing.
func sizeOf(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				total += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return total, err
}
