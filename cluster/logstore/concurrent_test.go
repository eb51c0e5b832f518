package logstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
)

// Replication reads while a snapshot deletes from the front and a new leader from the
// back. A reader gets an entry that was stored there at some time, or none, and what is
// deleted under its eyes is not taken for damage.
func TestReadersDuringDeletions(t *testing.T) {
	r := newRig(t)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for seed := range uint64(4) {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := readOne(r.store, random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for term := uint64(1); term <= 150; term++ {
		r.grow(20, term)
		first, last := r.model.ends()
		r.delete(last-term%15, last)
		r.delete(first, first+term%9)
	}
	close(done)
	readers.Wait()
	r.check()
}

func readOne(s *Store, random *rand.Rand) error {
	first, err1 := s.FirstIndex()
	last, err2 := s.LastIndex()
	if err := errors.Join(err1, err2); err != nil || last < first {
		return err
	}
	index := first + random.Uint64N(last-first+3)
	var l raft.Log
	if err := s.GetLog(index, &l); errors.Is(err, raft.ErrLogNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if !sameEntry(l, *entries(index, 1, l.Term)[0]) {
		return fmt.Errorf("entry %d was never stored: %v", index, l)
	}
	return nil
}

// The same at the worst moment: the entry goes between the look at the chain and the
// look into bolt, and in one case another comes in its place.
func TestEntryDeletedUnderItsReader(t *testing.T) {
	for _, again := range []bool{false, true} {
		r := newRig(t)
		r.grow(10, 1)
		bolt := r.store.bolt
		r.store.bolt = &beforeRead{bolt, func() {
			r.store.bolt = bolt
			r.delete(8, 10)
			if again {
				r.grow(3, 2)
			}
		}}
		var l raft.Log
		err := r.store.GetLog(9, &l)
		if !again && !errors.Is(err, raft.ErrLogNotFound) || again && (err != nil || l.Term != 2) {
			t.Errorf("written again %v: got %v, %v", again, l, err)
		}
		r.check()
	}
}

// A beforeRead does something just before bolt is read.
type beforeRead struct {
	backend
	first func()
}

func (b *beforeRead) GetLog(index uint64, l *raft.Log) error {
	b.first()
	return b.backend.GetLog(index, l)
}

// A page from before a new leader rewrote the end of the log: the entry is whole, was
// stored under this index once, and is not the one that is there now.
func TestStaleEntryIsNotRead(t *testing.T) {
	r := newRig(t)
	r.grow(10, 1)
	old := new(raft.Log)
	r.must(r.store.bolt.GetLog(9, old))
	r.delete(8, 10)
	r.grow(3, 2)
	r.store.bolt = &staleRead{r.store.bolt, *old}
	var l raft.Log
	if err := r.store.GetLog(9, &l); !isDamage(err) || l.Index != 0 || len(r.fails) != 1 {
		t.Errorf("got %v, %v, reported %v", l, err, r.fails)
	}
}

// A staleRead gives one entry whatever it is asked for.
type staleRead struct {
	backend
	old raft.Log
}

func (b *staleRead) GetLog(_ uint64, l *raft.Log) error {
	*l = b.old
	return nil
}

// Bolt says that it deleted and did not. The store does not go on with a log whose
// ends are elsewhere.
func TestDeletionThatDidNotHappen(t *testing.T) {
	r := newRig(t)
	r.grow(10, 1)
	r.store.bolt = &between{r.store.bolt, func(func() error) error { return nil }}
	if err := r.store.DeleteRange(1, 5); !isDamage(err) || !strings.Contains(err.Error(), "1 to 10, not 6 to 10") || len(r.fails) != 1 {
		t.Errorf("got %v, reported %v", err, r.fails)
	}
}
