package bench

import "syscall"

// fileSystem names the file system that a path is on, and refuses memory.
func fileSystem(path string) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return "", err
	}
	return nameOf(uint32(stat.Type))
}
