package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// A model is what a journal should hold, as plain slices and maps.
type model struct {
	leaves   [][]byte
	outcomes [][]byte
	rows     []row // in the order in which they were put
}

func (m model) clone() model {
	return model{slices.Clone(m.leaves), slices.Clone(m.outcomes), slices.Clone(m.rows)}
}

func (m model) get(key Key) []uint64 {
	var values []uint64
	for _, r := range m.rows {
		if r.key == key {
			values = append(values, r.value)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// A history is a journal under random use: replays, syncs and crashes included.
// The content of record i is always the same, as it is when a log is replayed.
type history struct {
	t      *rapid.T
	dir    string
	j      *Journal
	now    model // what was written
	synced model // what the last mark covers
}

func (h *history) check(err error) {
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) open() {
	var err error
	h.j, err = open(h.dir, tiny, false)
	h.check(err)
}

// appendLeaves offers leaves that overlap what is there by a random number.
func (h *history) appendLeaves() {
	have := uint64(len(h.now.leaves))
	first := have - min(have, rapid.Uint64Range(0, 40).Draw(h.t, "overlap"))
	leaves, hashes := leavesOf(first, rapid.Uint64Range(0, 60).Draw(h.t, "leaves"))
	h.check(h.j.Append(first, leaves, hashes))
	if end := first + uint64(len(leaves)); end > have {
		h.now.leaves = append(h.now.leaves, leaves[have-first:]...)
	}
}

func (h *history) appendOutcomes() {
	have := uint64(len(h.now.outcomes))
	first := have - min(have, rapid.Uint64Range(0, 40).Draw(h.t, "overlap"))
	records := outcomesOf(first, rapid.Uint64Range(0, 60).Draw(h.t, "records"))
	h.check(h.j.AppendOutcomes(first, records))
	if end := first + uint64(len(records)); end > have {
		h.now.outcomes = append(h.now.outcomes, records[have-first:]...)
	}
}

// put adds rows with few distinct keys, so that keys have many values, in many runs.
func (h *history) put() {
	for range rapid.IntRange(1, 70).Draw(h.t, "rows") {
		r := row{keyOf(rapid.Uint64Range(0, 12).Draw(h.t, "key")), rapid.Uint64Range(0, 99).Draw(h.t, "value")}
		h.check(h.j.Put(r.key, r.value))
		h.now.rows = append(h.now.rows, r)
	}
}

func (h *history) sync() {
	h.check(h.j.Sync())
	h.synced = h.now.clone()
}

func (h *history) reopen() {
	h.check(h.j.Close())
	h.synced = h.now.clone()
	h.open()
}

// crash stops without syncing and then does to the files what a crash may do: lose
// or garble anything beyond the mark.
func (h *history) crash() {
	h.check(h.j.release())
	h.spoilBeyondMark(rand.New(rand.NewPCG(rapid.Uint64().Draw(h.t, "crash"), 0)))
	h.open()
	h.now = h.synced.clone()
}

func (h *history) spoilBeyondMark(r *rand.Rand) {
	m, _, err := readMark(h.dir)
	h.check(err)
	h.check(spoil(filepath.Join(h.dir, hashesName), tlog.StoredHashCount(int64(m.leaves))*tlog.HashSize, r))
	for _, q := range []struct {
		name  string
		count uint64
	}{{"leaves", m.leaves}, {"outcomes", m.outcomes}} {
		entries, err := os.ReadDir(filepath.Join(h.dir, q.name))
		h.check(err)
		for _, e := range entries {
			path := filepath.Join(h.dir, q.name, e.Name())
			number, plain := parseNumbered(e.Name(), plainSuffix)
			if !plain {
				continue
			}
			kept := int64(min(tiny.segment, q.count-min(q.count, number*tiny.segment)))
			if kept == 0 {
				h.check(spoil(path, 0, r))
			} else {
				h.check(spoil(path, plainSize(q.name, number*tiny.segment, uint64(kept)), r))
			}
		}
		// A crash while sealing leaves a part of the file.
		h.check(os.WriteFile(filepath.Join(h.dir, q.name, numbered(0, sealedSuffix+tempSuffix)), []byte("TVSE"), 0o600))
	}
	h.check(h.spoilIndex(m, r))
}

// spoilIndex garbles or removes the index files that the mark does not name.
func (h *history) spoilIndex(m mark, r *rand.Rand) error {
	entries, err := os.ReadDir(filepath.Join(h.dir, indexName))
	if err != nil {
		return err
	}
	for _, e := range entries {
		number, isRun := parseNumbered(e.Name(), runSuffix)
		named := isRun && slices.ContainsFunc(m.runs, func(mr markRun) bool { return mr.number == number })
		if !named && e.Name() != m.generation {
			if err := spoil(filepath.Join(h.dir, indexName, e.Name()), 0, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainSize is how long a plain file with the first n records of a segment is.
func plainSize(sequence string, first, n uint64) int64 {
	size := int64(plainHeaderSize)
	for i := first; i < first+n; i++ {
		record := leafOf(i)
		if sequence == "outcomes" {
			record = []byte(fmt.Sprintf("outcome %d", i))
		}
		size += int64(recordHeader + len(record))
	}
	return size
}

// spoil cuts, extends, garbles or keeps what a file has beyond an offset, or removes
// it if nothing of it is to be kept.
func spoil(path string, keep int64, r *rand.Rand) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	beyond := info.Size() - keep
	switch r.IntN(5) {
	case 0:
		return nil
	case 1:
		return os.Truncate(path, keep+r.Int64N(beyond+1))
	case 2:
		return os.Truncate(path, info.Size()+r.Int64N(100))
	case 3:
		if keep == 0 {
			return os.Remove(path)
		}
		return os.Truncate(path, keep)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if beyond == 0 {
		return nil
	}
	_, err = f.WriteAt([]byte{0xde, 0xad, 0xbe, 0xef}, keep+r.Int64N(beyond))
	return err
}

// compare reads the whole journal.
func (h *history) compare() {
	j, m := h.j, h.now
	if j.Size() != uint64(len(m.leaves)) || j.OutcomeCount() != uint64(len(m.outcomes)) {
		h.t.Fatalf("journal holds %d leaves and %d outcomes, want %d and %d",
			j.Size(), j.OutcomeCount(), len(m.leaves), len(m.outcomes))
	}
	h.check(j.Leaves(0, j.Size(), func(i uint64, leaf []byte) error {
		if string(leaf) != string(m.leaves[i]) {
			return fmt.Errorf("leaf %d = %q, want %q", i, leaf, m.leaves[i])
		}
		return nil
	}))
	h.check(j.Outcomes(0, j.OutcomeCount(), func(i uint64, record []byte) error {
		if string(record) != string(m.outcomes[i]) {
			return fmt.Errorf("outcome %d = %q, want %q", i, record, m.outcomes[i])
		}
		return nil
	}))
	for k := range uint64(14) {
		got, err := j.Get(keyOf(k))
		h.check(err)
		if want := m.get(keyOf(k)); !slices.Equal(got, want) {
			h.t.Fatalf("index of key %d = %v, want %v", k, got, want)
		}
	}
	root, err := j.Root(j.Size())
	h.check(err)
	if want := rootOf(j.Size()); root != want {
		h.t.Fatalf("root of %d leaves = %v, want %v", j.Size(), root, want)
	}
}

func TestRandomHistories(t *testing.T) {
	n := 0
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		n++
		h := &history{t: rt, dir: filepath.Join(base, fmt.Sprint(n))}
		h.open()
		defer func() { h.j.release(); os.RemoveAll(h.dir) }()
		steps := map[string]func(*rapid.T){}
		for name, step := range map[string]func(){
			"leaves": h.appendLeaves, "outcomes": h.appendOutcomes, "put": h.put,
			"sync": h.sync, "reopen": h.reopen, "crash": h.crash, "": h.compare,
		} {
			steps[name] = func(t *rapid.T) { h.t = t; step() }
		}
		rt.Repeat(steps)
		h.t = rt
		h.check(h.j.Verify(nil))
	})
}
