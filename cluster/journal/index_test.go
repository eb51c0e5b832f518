package journal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestIndexKeySeparatesKinds(t *testing.T) {
	if IndexKey('a', []byte("bc")) == IndexKey('b', []byte("bc")) {
		t.Error("two kinds share a key")
	}
	// SHA-256("abc") begins so.
	if got, want := IndexKey('a', []byte("bc")), (Key{0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23}); got != want {
		t.Errorf("key %x, want %x", got, want)
	}
}

// randomRows draws rows whose keys often agree in the first eight bytes, or wholly.
func randomRows(t *rapid.T, most int) []row {
	heads := []uint64{0, 1, 1 << 40, 1<<64 - 1}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
		var r row
		order.PutUint64(r.key[:], rapid.SampledFrom(heads).Draw(t, "head"))
		order.PutUint64(r.key[8:], rapid.Uint64Range(0, 9).Draw(t, "tail"))
		r.value = rapid.Uint64Range(0, 300).Draw(t, "value")
		return r
	}), 1, most).Draw(t, "rows")
}

func valuesOf(rows []row, key Key) []uint64 {
	return model{rows: rows}.get(key)
}

// A run answers for every key as a search through its rows does, also when the rows
// of a key fill several blocks.
func TestRunAgainstSearch(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		rows := randomRows(t, 1500)
		sorted := sortedRows(rows)
		path := filepath.Join(dir, "run")
		atMost := uint64(len(sorted))
		if rapid.Bool().Draw(t, "without filter") {
			atMost = filterRowsMax + 1
		}
		r, err := writeRun(path, "run", 1, 0, atMost, sliceRows(sorted))
		if err != nil {
			t.Fatal(err)
		}
		defer r.file.Close()
		opened, err := openRun(path, "run", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.file.Close()
		for _, r := range []*run{r, opened} {
			if err := r.verify(); err != nil {
				t.Fatal(err)
			}
			for _, wanted := range rows {
				got, err := r.get(nil, wanted.key)
				if err != nil || !slices.Equal(got, valuesOf(rows, wanted.key)) {
					t.Fatalf("key %x = %v, %v, want %v", wanted.key, got, err, valuesOf(rows, wanted.key))
				}
			}
			absent := Key{0: 7}
			if got, err := r.get(nil, absent); err != nil || len(got) != 0 {
				t.Fatalf("an absent key = %v, %v", got, err)
			}
		}
	})
}

func TestMergeAgainstSort(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var all []row
		var runs []*run
		for n := range rapid.Uint64Range(1, 4).Draw(t, "runs") {
			rows := sortedRows(randomRows(t, 400))
			r, err := writeRun(filepath.Join(dir, numbered(n, runSuffix)), "run", n, 0, uint64(len(rows)), sliceRows(rows))
			if err != nil {
				t.Fatal(err)
			}
			defer r.file.Close()
			runs = append(runs, r)
			all = append(all, rows...)
		}
		m, err := newMerger(runs, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []row
		for {
			r, ok, err := m.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			got = append(got, r)
		}
		if !slices.Equal(got, sortedRows(all)) {
			t.Fatalf("merging %d rows in %d runs gave %d", len(all), len(runs), len(got))
		}
	})
}

func TestMergeStops(t *testing.T) {
	rows := make([]row, 2*mergeStride)
	for i := range rows {
		rows[i] = row{benchKey(uint64(i)), uint64(i)}
	}
	rows = sortedRows(rows)
	r, err := writeRun(filepath.Join(t.TempDir(), "run"), "run", 1, 0, uint64(len(rows)), sliceRows(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer r.file.Close()
	stopped := make(chan struct{})
	close(stopped)
	m, err := newMerger([]*run{r}, stopped)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		if _, ok, err := m.next(); errors.Is(err, errStopped) {
			return
		} else if !ok || n > mergeStride {
			t.Fatalf("the merge went on for %d rows", n)
		}
	}
}

// Blocks that changed places within a run have good bytes each.
func TestSwappedBlocksAreNamed(t *testing.T) {
	var rows []row
	for i := range uint64(3 * runBlockRows) {
		rows = append(rows, row{benchKey(i), i})
	}
	rows = sortedRows(rows)
	path := filepath.Join(t.TempDir(), "run")
	r, err := writeRun(path, "run", 1, 0, uint64(len(rows)), sliceRows(rows))
	if err != nil {
		t.Fatal(err)
	}
	r.file.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks := data[runHeaderSize:]
	second := bytes.Clone(blocks[runBlockSize : 2*runBlockSize])
	copy(blocks[runBlockSize:], blocks[2*runBlockSize:3*runBlockSize])
	copy(blocks[2*runBlockSize:], second)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = openRun(path, "run", 1); err != nil {
		t.Fatal(err)
	}
	defer r.file.Close()
	d, ok := errors.AsType[*DamagedError](r.verify())
	if !ok || d.Index != runBlockRows {
		t.Errorf("swapped blocks: %v", d)
	}
	if _, err := r.get(nil, rows[runBlockRows+5].key); !isDamage(err) {
		t.Errorf("a look-up in a swapped block: %v", err)
	}
}

// A filter forgets no key, and lets few others through.
func TestFilter(t *testing.T) {
	const keys = 100_000
	f := newFilter(keys)
	for i := range uint64(keys) {
		f.add(benchKey(i))
	}
	through := 0
	for i := range uint64(keys) {
		if !f.mayHold(benchKey(i)) {
			t.Fatalf("key %d is forgotten", i)
		}
		if f.mayHold(benchKey(keys + i)) {
			through++
		}
	}
	if through > keys/50 {
		t.Errorf("%d of %d absent keys pass", through, keys)
	}
	if newFilter(filterRowsMax+1) != nil || !filter(nil).mayHold(Key{}) {
		t.Error("a run too large for a filter has one, or is never searched")
	}
}

// However many rows there are, the number of runs grows with their logarithm, and
// nothing is lost on the way.
func TestRunsAreMerged(t *testing.T) {
	j := openTiny(t, t.TempDir())
	r := rand.New(rand.NewPCG(1, 1))
	const rows = 200 * 32
	for i := range uint64(rows) {
		if err := j.Put(keyOf(i), r.Uint64()); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, j)
	if n := len(j.index.runs); n > 8 { // 200 runs in levels of two: 200 is 11001000
		t.Errorf("%d runs are left of 200", n)
	}
	if len(j.index.retired) != 0 {
		t.Errorf("%d merged runs were not removed", len(j.index.retired))
	}
	for i := range uint64(rows) {
		if values, err := j.Get(keyOf(i)); err != nil || len(values) != 1 {
			t.Fatalf("key %d = %v, %v", i, values, err)
		}
	}
	entries, err := os.ReadDir(j.index.dir)
	if err != nil || len(entries) > 9 {
		t.Errorf("%d files are left: %v", len(entries), err)
	}
	mustClose(t, j)
}

// A key with more values than a generation has rows.
func TestKeyWithManyValues(t *testing.T) {
	dir := t.TempDir()
	j := openTiny(t, dir)
	var want []uint64
	for i := range uint64(1000) {
		value := i * 7919 % 1000
		want = append(want, i)
		for range 2 {
			if err := j.Put(keyOf(1), value); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		if got, err := j.Get(keyOf(1)); err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %d values, %v", len(got), err)
		}
		mustClose(t, j)
		j = openTiny(t, dir)
	}
	mustClose(t, j)
}
