package smallfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
}

// alone says that nothing but these files is left behind.
func alone(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the directory has %q, want %q", got, want)
	}
}

// watched is content that looks, before it ends, whether its file has its name already.
type watched struct {
	t    *testing.T
	path string
	want error
}

func (w watched) Read([]byte) (int, error) {
	if _, err := os.Stat(w.path); !errors.Is(err, w.want) {
		w.t.Errorf("while it is written: %v", err)
	}
	return 0, io.EOF
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := Create(path, io.MultiReader(strings.NewReader("one"), watched{t, path, fs.ErrNotExist})); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "one")
	if err := Create(path, strings.NewReader("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := Create(filepath.Join(dir, "b"), strings.NewReader("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a link to nowhere: %v", err)
	}
	broken := errors.New("broken")
	if err := Create(filepath.Join(dir, "c"), io.MultiReader(strings.NewReader("part"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("content that breaks off: %v", err)
	}
	holds(t, path, "one")
	alone(t, dir, "a", "b")
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "a"), filepath.Join(dir, "link")
	if err := Replace(path, strings.NewReader("one")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	if err := Replace(link, strings.NewReader("two")); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "two")
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	broken := errors.New("broken")
	if err := Replace(path, io.MultiReader(strings.NewReader("part"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("content that breaks off: %v", err)
	}
	holds(t, path, "two")
	alone(t, dir, "a", "link")
}
