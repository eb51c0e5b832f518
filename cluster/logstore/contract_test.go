package logstore

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// What Raft expects of its log store, asked of the library's own stores and of this
// one alike.
func TestContract(t *testing.T) {
	stores := []struct {
		name string
		open func(t *testing.T) raft.LogStore
	}{
		{"in memory", func(*testing.T) raft.LogStore { return raft.NewInmemStore() }},
		{"bolt", func(t *testing.T) raft.LogStore { return openBare(t) }},
		{"logstore", func(t *testing.T) raft.LogStore { return newRig(t).store }},
		{"logstore below a cache", func(t *testing.T) raft.LogStore {
			c, err := raft.NewLogCache(8, newRig(t).store)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}},
	}
	for _, s := range stores {
		for _, c := range contract {
			t.Run(s.name+"/"+c.name, func(t *testing.T) {
				store := s.open(t)
				for _, step := range c.steps {
					if err := step(store); err != nil {
						t.Fatal(err)
					}
				}
				first, err1 := store.FirstIndex()
				last, err2 := store.LastIndex()
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				if first != c.first || last != c.last {
					t.Errorf("it holds %d to %d, want %d to %d", first, last, c.first, c.last)
				}
				checkHeld(t, store, c.held)
			})
		}
	}
}

// checkHeld reads entries 0 to 40 and expects those of held with their terms.
func checkHeld(t *testing.T, store raft.LogStore, held map[uint64]uint64) {
	t.Helper()
	for i := range uint64(41) {
		var l raft.Log
		err := store.GetLog(i, &l)
		term, ok := held[i]
		switch {
		case !ok && !errors.Is(err, raft.ErrLogNotFound):
			t.Errorf("entry %d was read: %v %v", i, l, err)
		case ok && (err != nil || !sameEntry(l, *entries(i, 1, term)[0])):
			t.Errorf("entry %d of term %d: %v %v", i, term, l, err)
		}
	}
}

type step func(raft.LogStore) error

func stores(first uint64, n int, term uint64) step {
	return func(s raft.LogStore) error { return s.StoreLogs(entries(first, n, term)) }
}

func deletes(from, to uint64) step {
	return func(s raft.LogStore) error { return s.DeleteRange(from, to) }
}

// terms are the indices from first to last, all of one term.
func terms(first, last, term uint64) map[uint64]uint64 {
	m := make(map[uint64]uint64)
	for i := first; i <= last; i++ {
		m[i] = term
	}
	return m
}

var contract = []struct {
	name        string
	steps       []step
	first, last uint64
	held        map[uint64]uint64
}{
	{"new", nil, 0, 0, nil},
	{"no entries", []step{stores(1, 0, 1)}, 0, 0, nil},
	{"one entry", []step{func(s raft.LogStore) error { return s.StoreLog(entries(1, 1, 1)[0]) }}, 1, 1, terms(1, 1, 1)},
	{"many entries", []step{stores(1, 20, 1), stores(21, 15, 1)}, 1, 35, terms(1, 35, 1)},
	{"begins late", []step{stores(17, 4, 3)}, 17, 20, terms(17, 20, 3)},
	{"front deleted", []step{stores(1, 30, 1), deletes(1, 12)}, 13, 30, terms(13, 30, 1)},
	{"front deleted twice", []step{stores(1, 30, 1), deletes(1, 12), deletes(13, 20)}, 21, 30, terms(21, 30, 1)},
	{"front deleted from 0", []step{stores(5, 10, 1), deletes(0, 9)}, 10, 14, terms(10, 14, 1)},
	{"back deleted and written anew", []step{stores(1, 30, 1), deletes(11, 30), stores(11, 2, 2), deletes(12, 12), stores(12, 1, 3)}, 1, 12, func() map[uint64]uint64 {
		m := terms(1, 10, 1)
		m[11], m[12] = 2, 3
		return m
	}()},
	{"all deleted", []step{stores(1, 30, 1), deletes(1, 30)}, 0, 0, nil},
	{"all deleted and written anew", []step{stores(1, 30, 1), deletes(1, 30), stores(31, 5, 2)}, 31, 35, terms(31, 35, 2)},
}

// Only bolt and this store, and not the one in memory, take these.
func TestContractOfGaps(t *testing.T) {
	for name, s := range map[string]raft.LogStore{"bolt": openBare(t), "logstore": newRig(t).store} {
		t.Run(name, func(t *testing.T) {
			for _, step := range []step{
				deletes(1, 5), stores(1, 5, 1), deletes(6, 100), stores(21, 4, 2), stores(31, 3, 2),
				deletes(1, 2), deletes(8, 15), deletes(32, 1<<63), stores(36, 1, 3),
			} {
				if err := step(s); err != nil {
					t.Fatal(err)
				}
			}
			checkHeld(t, s, map[uint64]uint64{3: 1, 4: 1, 5: 1, 21: 2, 22: 2, 23: 2, 24: 2, 31: 2, 36: 3})
		})
	}
}

// The stable store, in which Raft knows a key that was never set by the error's text.
func TestContractOfSettings(t *testing.T) {
	bare, err := raftboltdb.NewBoltStore(filepath.Join(t.TempDir(), "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	for name, s := range map[string]raft.StableStore{"bolt": bare, "logstore": newRig(t).store} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Get([]byte("CurrentTerm")); err == nil || err.Error() != "not found" {
				t.Errorf("a key that was never set: %v", err)
			}
			if _, err := s.GetUint64([]byte("CurrentTerm")); err == nil || err.Error() != "not found" {
				t.Errorf("a number that was never set: %v", err)
			}
			for _, term := range []uint64{1, 1 << 60, 0} {
				if err := s.SetUint64([]byte("CurrentTerm"), term); err != nil {
					t.Fatal(err)
				}
				if got, err := s.GetUint64([]byte("CurrentTerm")); err != nil || got != term {
					t.Errorf("got %d, %v, want %d", got, err, term)
				}
			}
			for _, name := range []string{"n1", "", "a longer name \x00\n\"quoted\""} {
				if err := s.Set([]byte("LastVoteCand"), []byte(name)); err != nil {
					t.Fatal(err)
				}
				if got, err := s.Get([]byte("LastVoteCand")); err != nil || string(got) != name {
					t.Errorf("got %q, %v, want %q", got, err, name)
				}
			}
		})
	}
}

// What Raft keeps in its cache and sends to peers is what it gave, not what is stored.
func TestEntriesGivenStayUntouched(t *testing.T) {
	r := newRig(t)
	logs, same := entries(1, 30, 1), entries(1, 30, 1)
	r.append(logs...)
	for i := range logs {
		if !sameEntry(*logs[i], *same[i]) || len(logs[i].Extensions) != len(same[i].Extensions) {
			t.Errorf("entry %d was changed: %v", i+1, logs[i])
		}
	}
	r.check()
}

// An index that was reached is not written over, and no hole is made: both would be
// mistakes of somebody, and end the use of the store.
func TestImpossibleWritesEndTheStore(t *testing.T) {
	for name, write := range map[string]step{
		"over the last":  stores(10, 1, 2),
		"over the first": stores(1, 20, 2),
		"not ascending":  func(s raft.LogStore) error { return s.StoreLogs(append(entries(11, 2, 1), entries(12, 1, 1)...)) },
		"index 0":        func(s raft.LogStore) error { return s.StoreLogs(entries(0, 1, 1)) },
		"a hole":         deletes(4, 6),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.grow(10, 1)
			err := write(r.store)
			if err == nil || len(r.fails) != 1 || !errors.Is(r.fails[0], err) {
				t.Fatalf("got %v, reported %v", err, r.fails)
			}
			r.kill()
			r.fails = nil
			r.open()
			r.check()
		})
	}
}
