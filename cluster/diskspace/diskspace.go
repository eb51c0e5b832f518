// Package diskspace says on what kind of file system a directory lies and how much room is
// left there.
//
//	s, err := diskspace.Of("/var/lib/tallyvault")
//	s.FileSystem // "ext"
//	s.Memory     // false: what is synced there survives a power cut
//	s.Free       // bytes that this process may still write
package diskspace

import "fmt"

// Space is what the system says of the file system below a directory.
type Space struct {
	FileSystem string // "unknown" where the system cannot be asked
	Memory     bool   // it is in memory, gone with the power
	Network    bool   // its syncs are another machine's word
	Free       uint64 // bytes, for this process
	Total      uint64 // bytes; 0 where the system cannot be asked
}

// Types of file systems as Linux numbers them.
const (
	magicTmpfs = 0x01021994
	magicRamfs = 0x858458f6
	magicNFS   = 0x6969
	magicSMB   = 0xfe534d42
	magicCIFS  = 0xff534d42
)

var fileSystems = map[uint32]string{
	magicTmpfs: "tmpfs", magicRamfs: "ramfs", 0xef53: "ext", 0x58465342: "xfs", 0x9123683e: "btrfs",
	0x794c7630: "overlay", 0x2fc12fc1: "zfs", 0xf2f52010: "f2fs", magicNFS: "nfs", magicSMB: "smb", magicCIFS: "cifs", 0x65735546: "fuse",
}

// kindOf names a file system by its number.
func kindOf(magic uint32) Space {
	s := Space{FileSystem: fileSystems[magic]}
	if s.FileSystem == "" {
		s.FileSystem = fmt.Sprintf("%#x", magic)
	}
	s.Memory = magic == magicTmpfs || magic == magicRamfs
	s.Network = magic == magicNFS || magic == magicSMB || magic == magicCIFS
	return s
}
