package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// tiny meets every boundary within a few hundred records.
var tiny = layout{segment: 16, block: 4, generation: 32, fanout: 2, waiting: 2, cacheBytes: 1 << 10}

// leafOf is the i-th leaf of every test: a text, of a length that varies and at
// times is larger than a cached block may be.
func leafOf(i uint64) []byte {
	n := int(i*7%50) + 1
	if i%37 == 5 {
		n = 3000
	}
	return append([]byte(fmt.Sprintf("{leaf %d ", i)), bytes.Repeat([]byte{byte('a' + i%26)}, n)...)
}

func leavesOf(first, n uint64) (leaves [][]byte, hashes []tlog.Hash) {
	for i := first; i < first+n; i++ {
		leaves = append(leaves, leafOf(i))
		hashes = append(hashes, tlog.RecordHash(leafOf(i)))
	}
	return leaves, hashes
}

func outcomesOf(first, n uint64) (records [][]byte) {
	for i := first; i < first+n; i++ {
		records = append(records, []byte(fmt.Sprintf("outcome %d", i)))
	}
	return records
}

func keyOf(i uint64) Key { return IndexKey('t', []byte(fmt.Sprint(i))) }

// rootOf is the root over the first n test leaves, by way of a list of hashes.
func rootOf(n uint64) tlog.Hash {
	_, hashes := leavesOf(0, n)
	return proof.RootOf(hashes)
}

func openTiny(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := open(dir, tiny, false)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// fill appends leaves, outcomes and index rows up to n each, in batches of seven.
func fill(t testing.TB, j *Journal, n uint64) {
	t.Helper()
	for at := j.Size(); at < n; at = j.Size() {
		step := min(7, n-at)
		leaves, hashes := leavesOf(at, step)
		if err := j.Append(at, leaves, hashes); err != nil {
			t.Fatal(err)
		}
		if err := j.AppendOutcomes(at, outcomesOf(at, step)); err != nil {
			t.Fatal(err)
		}
		for i := at; i < at+step; i++ {
			if err := j.Put(keyOf(i), i); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// expect reads everything back and compares it with what fill wrote.
func expect(t testing.TB, j *Journal, n uint64) {
	t.Helper()
	if j.Size() != n || j.OutcomeCount() != n {
		t.Fatalf("journal holds %d leaves and %d outcomes, want %d", j.Size(), j.OutcomeCount(), n)
	}
	for i := range n {
		leaf, err := j.Leaf(i)
		if err != nil || !bytes.Equal(leaf, leafOf(i)) {
			t.Fatalf("leaf %d = %q, %v", i, leaf, err)
		}
		outcome, err := j.Outcome(i)
		if err != nil || string(outcome) != fmt.Sprintf("outcome %d", i) {
			t.Fatalf("outcome %d = %q, %v", i, outcome, err)
		}
		values, err := j.Get(keyOf(i))
		if err != nil || len(values) != 1 || values[0] != i {
			t.Fatalf("index of %d = %v, %v", i, values, err)
		}
	}
	if values, err := j.Get(keyOf(n)); err != nil || len(values) != 0 {
		t.Fatalf("index of %d, which was never put, = %v, %v", n, values, err)
	}
	if root, err := j.Root(n); err != nil || root != rootOf(n) {
		t.Fatalf("root of %d = %v, %v, want %v", n, root, err, rootOf(n))
	}
	if err := j.Verify(nil); err != nil {
		t.Fatalf("verify: %v", err)
	}
}

func mustClose(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestJournalKeepsWhatWasClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	n := uint64(0)
	for _, step := range []uint64{0, 1, 15, 16, 1, 40, 100, 300} {
		j := openTiny(t, dir)
		expect(t, j, n)
		n += step
		fill(t, j, n)
		expect(t, j, n)
		mustClose(t, j)
	}
	j := openTiny(t, dir)
	expect(t, j, n)
	mustClose(t, j)
}

// A crash loses what came after the last sync, and only that.
func TestCrashGoesBackToTheMark(t *testing.T) {
	for _, marked := range []uint64{0, 3, 16, 17, 64, 150} {
		for _, beyond := range []uint64{1, 13, 16, 70} {
			dir := t.TempDir()
			j := openTiny(t, dir)
			fill(t, j, marked)
			if err := j.Sync(); err != nil {
				t.Fatal(err)
			}
			fill(t, j, marked+beyond)
			if err := j.release(); err != nil {
				t.Fatal(err)
			}
			j = openTiny(t, dir)
			expect(t, j, marked)
			fill(t, j, marked+beyond)
			expect(t, j, marked+beyond)
			mustClose(t, j)
		}
	}
}

func TestAppendAgain(t *testing.T) {
	j := openTiny(t, t.TempDir())
	defer mustClose(t, j)
	fill(t, j, 50)
	leaves, hashes := leavesOf(10, 60)
	if err := j.Append(10, leaves, hashes); err != nil {
		t.Fatal(err)
	}
	if err := j.AppendOutcomes(10, outcomesOf(10, 60)); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(70) {
		if err := j.Put(keyOf(i), i); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, j, 70)
}

func TestAppendRefuses(t *testing.T) {
	j := openTiny(t, t.TempDir())
	defer mustClose(t, j)
	fill(t, j, 50)
	leaves, hashes := leavesOf(51, 1)
	var gap *GapError
	if err := j.Append(51, leaves, hashes); !errors.As(err, &gap) || gap.Have != 50 || gap.First != 51 {
		t.Errorf("append behind a gap: %v", err)
	}
	if err := j.AppendOutcomes(51, outcomesOf(51, 1)); !errors.As(err, &gap) || gap.Sequence != "outcomes" {
		t.Errorf("append outcomes behind a gap: %v", err)
	}
	leaves, hashes = leavesOf(45, 10)
	hashes[3][0] ^= 1
	var diverged *DivergedError
	if err := j.Append(45, leaves, hashes); !errors.As(err, &diverged) || diverged.Index != 48 {
		t.Errorf("append over other leaves: %v", err)
	}
	records := outcomesOf(45, 10)
	records[2] = []byte("other")
	if err := j.AppendOutcomes(45, records); !errors.As(err, &diverged) || diverged.Index != 47 || diverged.Sequence != "outcomes" {
		t.Errorf("append over other outcomes: %v", err)
	}
	var outside *RangeError
	big := make([]byte, MaxRecord+1)
	if err := j.Append(50, [][]byte{big}, []tlog.Hash{tlog.RecordHash(big)}); !errors.As(err, &outside) {
		t.Errorf("append of too large a leaf: %v", err)
	}
	if err := j.Append(50, [][]byte{{}}, nil); err == nil {
		t.Error("append of a leaf without hash was accepted")
	}
	expect(t, j, 50)
	big = big[:MaxRecord]
	if err := j.Append(50, [][]byte{big}, []tlog.Hash{tlog.RecordHash(big)}); err != nil {
		t.Errorf("append of the largest leaf: %v", err)
	}
	if leaf, err := j.Leaf(50); err != nil || !bytes.Equal(leaf, big) {
		t.Errorf("the largest leaf does not come back: %v", err)
	}
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	j := openTiny(t, dir)
	fill(t, j, 40)
	if _, err := open(dir, tiny, false); !errors.Is(err, ErrLocked) {
		t.Errorf("a second writer got %v", err)
	}
	mustClose(t, j)
	mustClose(t, j) // closing twice is harmless
	if _, err := j.Leaf(39); !errors.Is(err, ErrClosed) {
		t.Errorf("reading a closed journal: %v", err)
	}
	if _, err := j.Root(39); !errors.Is(err, ErrClosed) {
		t.Errorf("root of a closed journal: %v", err)
	}
	if err := j.Put(keyOf(1), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("writing a closed journal: %v", err)
	}
	if err := j.Sync(); !errors.Is(err, ErrClosed) {
		t.Errorf("syncing a closed journal: %v", err)
	}
}

func TestReadOnlyBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	if _, err := open(dir, tiny, true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading an empty directory: %v", err)
	}
	j := openTiny(t, dir)
	fill(t, j, 70)
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	fill(t, j, 90)
	r, err := open(dir, tiny, true)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, r, 70)
	// The writer seals what the reader has open, merges its runs and moves the mark.
	fill(t, j, 400)
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	expect(t, r, 70)
	if err := r.Append(70, nil, nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("append to a read-only journal: %v", err)
	}
	mustClose(t, r)
	expect(t, j, 400)
	mustClose(t, j)
}
