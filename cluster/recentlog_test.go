package cluster

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"github.com/hashicorp/raft"
)

// stingy counts what is read from it, and can refuse to write.
type stingy struct {
	*raft.InmemStore
	read int
	full error
}

func (s *stingy) GetLog(index uint64, into *raft.Log) error {
	s.read++
	return s.InmemStore.GetLog(index, into)
}

func (s *stingy) StoreLogs(logs []*raft.Log) error {
	if s.full != nil {
		return s.full
	}
	return s.InmemStore.StoreLogs(logs)
}

func (s *stingy) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func store(t *testing.T, r *recentLog, from, to, term uint64, size int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := r.StoreLog(&raft.Log{Index: i, Term: term, Data: bytes.Repeat([]byte{byte(i)}, size)}); err != nil {
			t.Fatal(err)
		}
	}
}

// recalled reads entries and says how many of them came from below.
func recalled(t *testing.T, r *recentLog, below *stingy, from, to, term uint64) int {
	t.Helper()
	before := below.read
	for i := from; i <= to; i++ {
		var l raft.Log
		if err := r.GetLog(i, &l); err != nil || l.Index != i || l.Term != term || l.Data[0] != byte(i) {
			t.Fatalf("entry %d: %d of term %d, %v", i, l.Index, l.Term, err)
		}
	}
	return below.read - before
}

func TestRecentLogIsBoundedInBytes(t *testing.T) {
	below := &stingy{InmemStore: raft.NewInmemStore()}
	r := &recentLog{LogStore: below}
	const size, kept = 1 << 20, recentBytes >> 20
	store(t, r, 1, 2*kept, 1, size)
	if n := recalled(t, r, below, kept+1, 2*kept, 1); n != 0 {
		t.Errorf("%d of the last %d entries were read from disk", n, kept)
	}
	if n := recalled(t, r, below, 1, kept, 1); n != kept {
		t.Errorf("%d of the first %d entries were read from disk", n, kept)
	}
	var l raft.Log
	if err := r.GetLog(2*kept+1, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("an entry that was never written: %v", err)
	}
}

func TestRecentLogForgets(t *testing.T) {
	below := &stingy{InmemStore: raft.NewInmemStore()}
	r := &recentLog{LogStore: below}
	store(t, r, 1, 9, 1, 8)
	if err := r.DeleteRange(5, 9); err != nil {
		t.Fatal(err)
	}
	var l raft.Log
	if err := r.GetLog(5, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("a deleted entry: %d, %v", l.Index, err)
	}
	store(t, r, 5, 7, 2, 8)
	recalled(t, r, below, 1, 4, 1)
	if n := recalled(t, r, below, 5, 7, 2); n != 0 {
		t.Errorf("%d new entries were read from disk", n)
	}
	// Behind an installed snapshot the log begins elsewhere.
	store(t, r, 20, 22, 3, 8)
	if n := recalled(t, r, below, 20, 22, 3); n != 0 {
		t.Errorf("%d entries behind a gap were read from disk", n)
	}
	recalled(t, r, below, 5, 7, 2)
	below.full = errors.New("full")
	if err := r.StoreLog(&raft.Log{Index: 23, Term: 3}); !errors.Is(err, below.full) {
		t.Errorf("a write that failed: %v", err)
	}
	if err := r.GetLog(23, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("an entry that is not on disk: %d, %v", l.Index, err)
	}
}

// An entry that its proposer made lies inside a larger thing, here as in the library,
// and that must not be kept.
func TestRecentLogKeepsOnlyEntries(t *testing.T) {
	type future struct {
		log raft.Log
		_   [1 << 20]byte
	}
	freed := make(chan struct{})
	r := &recentLog{LogStore: discards{}}
	func() {
		f := &future{log: raft.Log{Index: 1, Term: 1, Data: []byte("entry")}}
		runtime.AddCleanup(f, func(done chan struct{}) { close(done) }, freed)
		if err := r.StoreLog(&f.log); err != nil {
			t.Fatal(err)
		}
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-freed:
			if !r.recall(1, &raft.Log{}) {
				t.Error("the entry itself is gone")
			}
			return
		default:
		}
	}
	t.Error("the cache keeps what a proposer waited with")
}

// discards keeps nothing.
type discards struct{ raft.LogStore }

func (discards) StoreLogs([]*raft.Log) error { return nil }
