package diskspace

import (
	"os"
	"runtime"
	"testing"
)

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		magic           uint32
		name            string
		memory, network bool
	}{
		{magicTmpfs, "tmpfs", true, false},
		{magicRamfs, "ramfs", true, false},
		{0xef53, "ext", false, false},
		{magicNFS, "nfs", false, true},
		{0x12345678, "0x12345678", false, false},
	} {
		want := Space{FileSystem: c.name, Memory: c.memory, Network: c.network}
		if got := kindOf(c.magic); got != want {
			t.Errorf("%#x: %+v, want %+v", c.magic, got, want)
		}
	}
}

// The system's own answer, and about a file system in memory where there is one.
func TestOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system cannot be asked")
	}
	s, err := Of(t.TempDir())
	if err != nil || s.Total == 0 || s.Free > s.Total {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Of("/no/such/directory"); err == nil {
		t.Error("a directory that is not there has room")
	}
	if _, err := os.Stat("/dev/shm"); err != nil {
		t.Skip("SKIPPED: there is no /dev/shm")
	}
	if s, err := Of("/dev/shm"); err != nil || !s.Memory {
		t.Errorf("/dev/shm: %+v, %v", s, err)
	}
}
