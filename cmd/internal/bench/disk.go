package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Types of file systems as Linux numbers them.
const (
	magicTmpfs = 0x01021994
	magicRamfs = 0x858458f6
)

var fileSystems = map[uint32]string{
	magicTmpfs: "tmpfs", magicRamfs: "ramfs", 0xef53: "ext", 0x58465342: "xfs", 0x9123683e: "btrfs",
	0x794c7630: "overlay", 0x2fc12fc1: "zfs", 0xf2f52010: "f2fs", 0x6969: "nfs", 0x65735546: "fuse",
}

// nameOf names a file system by its number, and refuses one that is in memory.
func nameOf(magic uint32) (string, error) {
	name, ok := fileSystems[magic]
	if !ok {
		name = fmt.Sprintf("%#x", magic)
	}
	if magic == magicTmpfs || magic == magicRamfs {
		return name, fmt.Errorf("it is on a %s, in memory: an fsync there says nothing about a disk", name)
	}
	return name, nil
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
