package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// Readers run beside appends, syncs, sealing and merging, and see each leaf whole,
// with its hashes, as soon as Size counts it.
func TestReadersBesideTheWriter(t *testing.T) {
	j := openTiny(t, t.TempDir())
	const n = 2000
	done := make(chan struct{})
	var readers sync.WaitGroup
	for r := range uint64(3) {
		readers.Go(func() {
			for i := r; ; i += 7 {
				select {
				case <-done:
					return
				default:
				}
				if err := readAt(j, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := j.Sync(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	fill(t, j, n)
	close(done)
	readers.Wait()
	expect(t, j, n)
	mustClose(t, j)
}

func readAt(j *Journal, i uint64) error {
	size := j.Size()
	if size == 0 {
		return nil
	}
	i %= size
	leaf, err := j.Leaf(i)
	if err != nil || !bytes.Equal(leaf, leafOf(i)) {
		return fmt.Errorf("leaf %d of %d = %q, %w", i, size, leaf, err)
	}
	root, err := j.Root(size)
	if err != nil {
		return err
	}
	p, err := j.ProveRecord(size, i)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(p, int64(size), root, int64(i), tlog.RecordHash(leaf)); err != nil {
		return err
	}
	values, err := j.Get(keyOf(i))
	// The row of the last batch may not have been put yet.
	if err != nil || len(values) > 1 || len(values) == 0 && i+7 < size {
		return fmt.Errorf("index of %d of %d = %v, %w", i, size, values, err)
	}
	return nil
}

func TestVerifyBesideTheWriter(t *testing.T) {
	j := openTiny(t, t.TempDir())
	fill(t, j, 300)
	var verify sync.WaitGroup
	verify.Go(func() {
		for range 5 {
			if err := j.Verify(nil); err != nil {
				t.Error(err)
			}
		}
	})
	fill(t, j, 900)
	verify.Wait()
	mustClose(t, j)
}

func TestVerifyReportsProgress(t *testing.T) {
	j := openTiny(t, t.TempDir())
	fill(t, j, 333)
	last, calls := uint64(0), 0
	err := j.Verify(func(done, total uint64) {
		if done <= last || total != 333 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
		calls++
	})
	if err != nil || last != 333 || calls != (333+15)/16 {
		t.Errorf("verified %d leaves in %d steps: %v", last, calls, err)
	}
	mustClose(t, j)
}

// The first write error is the last word: nothing is written after it, and the mark
// stays where it was.
func TestWriteErrorIsFinal(t *testing.T) {
	for name, breakIt := range map[string]func(j *Journal) error{
		"hashes":   func(j *Journal) error { return j.hashes.file.Close() },
		"leaves":   func(j *Journal) error { return j.leaves.at(39).plain.file.Close() },
		"outcomes": func(j *Journal) error { return j.outcomes.at(39).plain.file.Close() },
	} {
		dir := t.TempDir()
		j := openTiny(t, dir)
		fill(t, j, 40)
		if err := j.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := breakIt(j); err != nil {
			t.Fatal(err)
		}
		leaves, hashes := leavesOf(40, 3)
		err := errors.Join(j.Append(40, leaves, hashes), j.AppendOutcomes(40, outcomesOf(40, 3)))
		if !errors.Is(err, os.ErrClosed) {
			t.Fatalf("%s: append got %v", name, err)
		}
		first := j.failure.get()
		for what, err := range map[string]error{
			"append": j.Append(40, leaves, hashes), "outcomes": j.AppendOutcomes(40, outcomesOf(40, 3)),
			"put": j.Put(keyOf(1), 1), "sync": j.Sync(), "close": j.Close(),
		} {
			if !errors.Is(err, first) {
				t.Errorf("%s: %s after the error: %v, want %v", name, what, err, first)
			}
		}
		j = openTiny(t, dir)
		expect(t, j, 40)
		mustClose(t, j)
	}
}

// An error in the background reaches the writer, even one that waits for it.
func TestBackgroundErrorReachesTheWriter(t *testing.T) {
	j := openTiny(t, t.TempDir())
	if err := os.RemoveAll(j.index.dir); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := uint64(0); err == nil; i++ {
		if i > uint64((tiny.waiting+2)*tiny.generation) {
			t.Fatal("rows are accepted without bound although none can be written")
		}
		err = j.Put(keyOf(i), i)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("put: %v", err)
	}
	if err := j.Sync(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("sync: %v", err)
	}
	if err := j.Close(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("close: %v", err)
	}
}

// What a crash between two steps of sealing leaves behind is cleared away.
func TestCrashWhileSealing(t *testing.T) {
	dir := t.TempDir()
	j := openTiny(t, dir)
	fill(t, j, 40)
	plain, err := os.ReadFile(filepath.Join(dir, "leaves", numbered(0, plainSuffix)))
	if err != nil {
		t.Fatal(err)
	}
	settle(t, j)
	mustClose(t, j)
	both := filepath.Join(dir, "leaves", numbered(0, plainSuffix))
	temp := filepath.Join(dir, "leaves", numbered(1, sealedSuffix+tempSuffix))
	for _, path := range []string{both, temp} {
		if err := os.WriteFile(path, plain, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j = openTiny(t, dir)
	expect(t, j, 40)
	mustClose(t, j)
	for _, path := range []string{both, temp} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

// A damaged plain record is not sealed into a file with good checksums.
func TestSealingChecksWhatItReads(t *testing.T) {
	dir := t.TempDir()
	j := openTiny(t, dir)
	fill(t, j, 15)
	f, err := os.OpenFile(filepath.Join(dir, "leaves", numbered(0, plainSuffix)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{'!'}, plainHeaderSize+recordHeader+2); err != nil {
		t.Fatal(err)
	}
	f.Close()
	leaves, hashes := leavesOf(15, 1)
	if err := j.Append(15, leaves, hashes); err != nil {
		t.Fatal(err)
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	j.workers.stop()
	j.workers.done = nil
	if _, err := j.leaves.sealNext(); err != nil && !isDamage(err) {
		t.Errorf("sealing: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "leaves", numbered(0, sealedSuffix))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the damaged segment was sealed: %v", err)
	}
	j.release()
}

func TestBlockCacheIsBounded(t *testing.T) {
	c := newBlockCache(100)
	for i := range uint64(50) {
		c.put(blockID{1, i}, block{data: make([]byte, 30)})
		if _, ok := c.get(blockID{1, 0}); !ok {
			t.Fatalf("the block used last is gone after %d more", i)
		}
	}
	if c.bytes != 90 || len(c.byID) != 3 || c.used.Len() != 3 {
		t.Errorf("%d bytes in %d blocks are kept", c.bytes, len(c.byID))
	}
	c.put(blockID{2, 0}, block{data: make([]byte, 101)})
	if _, ok := c.get(blockID{2, 0}); ok {
		t.Error("a block larger than the cache is kept")
	}
}
