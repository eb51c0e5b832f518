package smallfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if content, err := Read(path, 5); err != nil || string(content) != "12345" {
		t.Errorf("at the limit: %q, %v", content, err)
	}
	if content, err := Read(path, 4); err == nil || !strings.Contains(err.Error(), "file is larger than the 4 bytes") || content != nil {
		t.Errorf("above the limit: %q, %v", content, err)
	}
	if _, err := Read(path+"s", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Read(t.TempDir(), 4); err == nil {
		t.Error("a directory was read")
	}
}

// TestReadEndless reads what has no end and says of itself that it is empty.
func TestReadEndless(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("SKIPPED: no /dev/zero here")
	}
	if _, err := Read("/dev/zero", 1<<20); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an endless device: %v", err)
	}
}
