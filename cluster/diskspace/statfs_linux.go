package diskspace

import (
	"fmt"
	"syscall"
)

// Of asks the system about a directory.
func Of(dir string) (Space, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return Space{}, fmt.Errorf("ask for the file system of %s: %w", dir, err)
	}
	s := kindOf(uint32(stat.Type))
	s.Free, s.Total = stat.Bavail*uint64(stat.Bsize), stat.Blocks*uint64(stat.Bsize)
	return s, nil
}
