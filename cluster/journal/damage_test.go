package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// damageSize makes sealed and plain segments, runs of two levels and a generation
// file in a tiny journal.
const damageSize = 150

// settle waits until the workers have nothing left to do.
func settle(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	j.workers.stop()
	j.workers.done, j.index.stopped = nil, nil
	for {
		more := false
		for _, q := range j.sequences() {
			did, err := q.sealNext()
			if err != nil {
				t.Fatal(err)
			}
			more = more || did
		}
		for _, step := range []func() (bool, error){j.index.writeNext, j.index.mergeNext} {
			did, err := step()
			if err != nil {
				t.Fatal(err)
			}
			more = more || did
		}
		if !more {
			break
		}
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
}

// damaged opens and verifies a journal and returns what was found.
func damaged(dir string) error {
	j, err := open(dir, tiny, true)
	if err != nil {
		return err
	}
	return errors.Join(j.Verify(nil), j.Close())
}

// files lists the files of a journal that a mark speaks for.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() && name != lockName {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func makeDamageable(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	j := openTiny(t, dir)
	fill(t, j, damageSize)
	settle(t, j)
	mustClose(t, j)
	kinds := make(map[string]int)
	for _, name := range files(t, dir) {
		kinds[filepath.Ext(name)]++
	}
	if kinds[sealedSuffix] == 0 || kinds[plainSuffix] == 0 || kinds[runSuffix] == 0 || kinds[genSuffix] == 0 {
		t.Fatalf("the journal lacks a kind of file: %v", kinds)
	}
	if err := damaged(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A flipped byte anywhere is found by opening or by verifying, and its file named.
func TestEveryFlippedByteIsNamed(t *testing.T) {
	dir := makeDamageable(t)
	for _, name := range files(t, dir) {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// Every byte of both ends; inside, a stride that meets every column of every
		// kind of row.
		for at := 0; at < len(data); at++ {
			if testing.Short() && at%5 != 0 || at > 120 && at < len(data)-120 && at%23 != 0 {
				continue
			}
			spoilt := bytes.Clone(data)
			spoilt[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, spoilt, 0o600); err != nil {
				t.Fatal(err)
			}
			wantDamage(t, damaged(dir), name, "byte %d of %d flipped", at, len(data))
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := damaged(dir); err != nil {
		t.Fatalf("the restored journal is damaged: %v", err)
	}
}

func wantDamage(t *testing.T, err error, name, what string, args ...any) {
	t.Helper()
	d, ok := errors.AsType[*DamagedError](err)
	if !ok || d.File != name {
		t.Errorf("%s: "+what+": %v", append(append([]any{name}, args...), err)...)
	}
}

func TestEveryShortenedFileIsNamed(t *testing.T) {
	dir := makeDamageable(t)
	for _, name := range files(t, dir) {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 10, len(data) / 2, len(data) - 5, len(data) - 1} {
			if err := os.WriteFile(path, data[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			wantDamage(t, damaged(dir), name, "cut to %d of %d bytes", n, len(data))
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryMissingFileIsNamed(t *testing.T) {
	dir := makeDamageable(t)
	for _, name := range files(t, dir) {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		_, err = open(dir, tiny, false)
		d, ok := errors.AsType[*DamagedError](err)
		if !ok || d.File == "" || !strings.HasPrefix(name, d.File) {
			t.Errorf("%s removed: %v", name, err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := damaged(dir); err != nil {
		t.Fatalf("the restored journal is damaged: %v", err)
	}
}

// Swapping two files of one kind leaves every checksum right but one's place wrong.
func TestSwappedFilesAreNamed(t *testing.T) {
	dir := makeDamageable(t)
	swap := func(a, b string) {
		t.Helper()
		third := filepath.Join(dir, "third")
		for _, step := range [][2]string{{a, third}, {b, a}, {third, b}} {
			if err := os.Rename(step[0], step[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, pair := range [][2]string{
		{"leaves/0000000000.sealed", "leaves/0000000001.sealed"},
		{"leaves/0000000000.sealed", "outcomes/0000000000.sealed"},
		{"leaves/0000000009.plain", "outcomes/0000000009.plain"},
	} {
		a, b := filepath.Join(dir, pair[0]), filepath.Join(dir, pair[1])
		swap(a, b)
		wantDamage(t, damaged(dir), pair[0], "swapped with %s", pair[1])
		swap(a, b)
	}
}
