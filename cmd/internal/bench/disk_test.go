package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The system's own answer about a file system in memory, where there is one.
func TestClaimRefusesMemory(t *testing.T) {
	const shm = "/dev/shm"
	if _, err := fileSystem(shm); err == nil || os.IsNotExist(err) {
		t.Skipf("%s is not a file system in memory here", shm)
	}
	dir, err := os.MkdirTemp(shm, "bench-test-")
	if err != nil {
		t.Skipf("nothing can be written there: %v", err)
	}
	defer os.RemoveAll(dir)
	if _, err := claim(dir); err == nil || !strings.Contains(err.Error(), "in memory") {
		t.Errorf("claiming a directory in memory: %v", err)
	}
}

func TestClaimRefusesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	if _, err := fileSystem(dir); err != nil {
		t.Skipf("temporary files are in memory here: %v", err)
	}
	if _, err := claim(filepath.Join(dir, "new", "one")); err != nil {
		t.Errorf("an absent directory: %v", err)
	}
	if _, err := claim(dir); err == nil || !strings.Contains(err.Error(), "not empty (it has new)") {
		t.Errorf("a directory with something in it: %v", err)
	}
}

func TestSizeOfCountsAllFilesBelow(t *testing.T) {
	dir := t.TempDir()
	for path, size := range map[string]int{"a": 10, "sub/b": 100, "sub/deep/c": 1000} {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := sizeOf(dir); got != 1110 || err != nil {
		t.Errorf("%d bytes, %v; want 1110", got, err)
	}
}
