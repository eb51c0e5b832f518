package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
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
	j.workers.done = nil
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
		// Every byte of a small file and of both ends; inside, every eleventh, which
		// meets every column of every kind of row.
		for at := 0; at < len(data); at++ {
			if testing.Short() && at%5 != 0 || at > 300 && at < len(data)-300 && at%11 != 0 {
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

// Somebody who alters a leaf and repairs every checksum still cannot match the
// hashes.
func TestForgedLeafIsNamed(t *testing.T) {
	for _, forged := range []uint64{0, 7, 15, 16, 100, damageSize - 1} {
		dir := t.TempDir()
		j := openTiny(t, dir)
		for i := range uint64(damageSize) {
			leaf := leafOf(i)
			hash := tlog.RecordHash(leaf)
			if i == forged {
				leaf[3] ^= 1
			}
			if err := j.Append(i, [][]byte{leaf}, []tlog.Hash{hash}); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, j)
		err := j.Verify(nil)
		d, ok := errors.AsType[*DamagedError](err)
		if !ok || d.Index != forged || d.File != hashesName {
			t.Errorf("leaf %d forged: %v", forged, err)
		}
		mustClose(t, j)
	}
}

// Of several bad leaves the first is named, however the work is spread.
func TestFirstBadLeafIsNamed(t *testing.T) {
	j := openTiny(t, t.TempDir())
	for i := range uint64(400) {
		leaf := leafOf(i)
		hash := tlog.RecordHash(leaf)
		if i > 200 && i%3 == 0 {
			leaf[3] ^= 1
		}
		if err := j.Append(i, [][]byte{leaf}, []tlog.Hash{hash}); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if d, ok := errors.AsType[*DamagedError](j.Verify(nil)); !ok || d.Index != 201 {
			t.Fatalf("got %v, want leaf 201", d)
		}
	}
	mustClose(t, j)
}

// A wrong hash is not handed out in a proof or in a full tile.
func TestWrongHashIsNotServed(t *testing.T) {
	dir := t.TempDir()
	j := openTiny(t, dir)
	fill(t, j, 600)
	f, err := os.OpenFile(filepath.Join(dir, hashesName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff, 0xfe}, tlog.StoredHashIndex(0, 100)*tlog.HashSize); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.ProveRecord(600, 101); !isDamage(err) {
		t.Errorf("proof over a wrong hash: %v", err)
	}
	if _, err := j.ProveRecord(600, 100); !isDamage(err) {
		t.Errorf("proof of a leaf with a wrong hash: %v", err)
	}
	if _, err := j.TileData(0, 0, 256); !isDamage(err) {
		t.Errorf("tile with a wrong hash: %v", err)
	}
	if _, err := j.ProveTree(600, 101); !isDamage(err) {
		t.Errorf("consistency proof over a wrong hash: %v", err)
	}
	if _, err := j.ProveRecord(600, 300); err != nil {
		t.Errorf("proof elsewhere: %v", err)
	}
	if _, err := j.TileData(0, 1, 256); err != nil {
		t.Errorf("tile elsewhere: %v", err)
	}
	mustClose(t, j)
}

func isDamage(err error) bool {
	_, ok := errors.AsType[*DamagedError](err)
	return ok
}

// A mark that is put back is noticed by what was done under the newer one.
func TestOldMarkIsNoticed(t *testing.T) {
	dir := t.TempDir()
	j := openTiny(t, dir)
	fill(t, j, 20)
	settle(t, j)
	mustClose(t, j)
	old, err := os.ReadFile(filepath.Join(dir, markName))
	if err != nil {
		t.Fatal(err)
	}
	j = openTiny(t, dir)
	leaves, hashes := leavesOf(20, 20)
	if err := j.Append(20, leaves, hashes); err != nil {
		t.Fatal(err)
	}
	settle(t, j)
	mustClose(t, j)
	if err := os.WriteFile(filepath.Join(dir, markName), old, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open(dir, tiny, false)
	wantDamage(t, err, markName, "an older one put back")
}

// Opening alone notices a wrong right edge, which appending would build upon.
func TestWrongEdgeIsNotOpened(t *testing.T) {
	dir := makeDamageable(t)
	path := filepath.Join(dir, hashesName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range edgeIndexes(damageSize) {
		spoilt := bytes.Clone(data)
		spoilt[at*tlog.HashSize] ^= 1
		if err := os.WriteFile(path, spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := open(dir, tiny, false)
		wantDamage(t, err, hashesName, "stored hash %d", at)
	}
}

// Two records of equal length that changed places have good bytes each.
func TestSwappedRecordsAreNamed(t *testing.T) {
	dir := t.TempDir()
	j := openTiny(t, dir)
	if err := j.AppendOutcomes(0, outcomesOf(0, 10)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, j)
	path := filepath.Join(dir, "outcomes", numbered(0, plainSuffix))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const size = recordHeader + len("outcome 0")
	records := data[plainHeaderSize:]
	third := bytes.Clone(records[2*size : 3*size])
	copy(records[2*size:], records[5*size:6*size])
	copy(records[5*size:], third)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open(dir, tiny, false)
	if d, ok := errors.AsType[*DamagedError](err); !ok || d.Index != 2 {
		t.Errorf("swapped records 2 and 5: %v", err)
	}
}
