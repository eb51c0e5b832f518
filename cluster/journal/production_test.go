package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// The sizes that nodes use, with enough leaves to seal two segments and enough
// rows to merge runs.
func TestProductionLayout(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	const n = 2*16_384 + 1000
	record := func(i uint64) []byte { return fmt.Appendf(nil, "{record %d}", i) }
	for at := uint64(0); at < n; at += 1000 {
		var leaves [][]byte
		var hashes []tlog.Hash
		for i := at; i < min(at+1000, n); i++ {
			leaves = append(leaves, record(i))
			hashes = append(hashes, tlog.RecordHash(record(i)))
			for k := range uint64(9) {
				if err := j.Put(benchKey(9*i+k), i); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := errors.Join(j.Append(at, leaves, hashes), j.AppendOutcomes(at, leaves)); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, j)
	for _, q := range j.sequences() {
		if q.at(0).sealed == nil || q.at(n-1).plain == nil {
			t.Errorf("%s: the full segments are not sealed, or the last one is", q.name)
		}
	}
	r, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range []*Journal{j, r} {
		for i := uint64(0); i < n; i += 331 {
			leaf, err1 := j.Leaf(i)
			outcome, err2 := j.Outcome(i)
			values, err3 := j.Get(benchKey(9*i + 8))
			if err := errors.Join(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			if string(leaf) != string(record(i)) || string(outcome) != string(leaf) || len(values) != 1 || values[0] != i {
				t.Fatalf("record %d: leaf %q, outcome %q, index %v", i, leaf, outcome, values)
			}
		}
		if err := j.Verify(nil); err != nil {
			t.Error(err)
		}
		mustClose(t, j)
	}
}

// Opening for reading works at any moment of a writer that moves its mark, seals,
// merges and removes what it merged.
func TestOpenReadOnlyAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading an empty directory: %v", err)
	}
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := uint64(0); ; i++ {
			select {
			case <-done:
				return
			default:
			}
			leaf := fmt.Appendf(nil, "{record %d}", i)
			if err := errors.Join(w.Append(i, [][]byte{leaf}, []tlog.Hash{tlog.RecordHash(leaf)}), w.Put(benchKey(i), i), w.Sync()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 100 {
		r, err := OpenReadOnly(dir)
		if err != nil {
			t.Error(err)
			break
		}
		if n := r.Size(); n > 0 {
			if values, err := r.Get(benchKey(n - 1)); err != nil || len(values) != 1 {
				t.Errorf("index of the last of %d leaves: %v, %v", n, values, err)
			}
		}
		mustClose(t, r)
	}
	close(done)
	writer.Wait()
	mustClose(t, w)
}

func TestErrorsSayWhatHappened(t *testing.T) {
	const remedy = "; nothing here may be repaired or removed: keep the directory, and replace this node by a new one " +
		"(the committee's threshold command replace_node, see runbooks/replace-node.md)"
	for _, c := range []struct {
		err  error
		want string
	}{
		{&DamagedError{File: "hashes", What: "it is short", Index: 7}, "journal is damaged: hashes: it is short (at 7)" + remedy},
		{&DamagedError{File: "mark", What: "it is gone", Err: os.ErrNotExist}, "journal is damaged: mark: it is gone (at 0): file does not exist" + remedy},
		{&DivergedError{Sequence: "leaves", Index: 4}, "leaves record 4 differs from the one that the journal holds"},
		{&GapError{Sequence: "outcomes", Have: 3, First: 5}, "outcomes record 5 was offered, the journal holds 3"},
		{&RangeError{What: "leaf", Got: 9, Max: 9}, "leaf 9 is out of range, want less than 9"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
