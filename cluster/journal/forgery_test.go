package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

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
