package logstore

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/raft"
)

// life is a list of writes in which everything happens; each has its meaning for the
// model beside it.
func (r *rig) life() []write {
	set := func(key, value string) write {
		return write{func(s *Store) error { return s.Set([]byte(key), []byte(value)) }, func(m model) { m.settings[key] = value }}
	}
	grow := func(first uint64, n int, term uint64) write {
		logs := entries(first, n, term)
		return write{func(s *Store) error { return s.StoreLogs(logs) }, func(m model) { m.store(logs) }}
	}
	del := func(from, to uint64) write {
		return write{func(s *Store) error { return s.DeleteRange(from, to) }, func(m model) { m.delete(from, to) }}
	}
	return []write{
		set("CurrentTerm", "\x00\x00\x00\x00\x00\x00\x00\x01"), grow(1, 10, 1), set("LastVoteCand", "north"), grow(11, 30, 1), del(1, 5),
		del(21, 40), grow(21, 2, 2), set("CurrentTerm", "\x00\x00\x00\x00\x00\x00\x00\x02"), del(6, 22), grow(23, 3, 3),
	}
}

type write struct {
	do   func(*Store) error
	mean func(model)
}

// The n-th write to bolt fails, for each n and in two ways: nothing was written, or all
// was and the sync failed. Nothing after it is answered, and what was answered before
// is there after a restart.
func TestFailedWritesAreTheLast(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, late := range []bool{false, true} {
			clean := false
			for n := 1; !clean; n++ {
				r := newRig(t)
				count := 0
				r.store.bolt = &between{r.store.bolt, func(op func() error) error {
					if count++; count != n {
						return op()
					}
					if late {
						r.must(op())
					}
					return &os.PathError{Op: "fdatasync", Path: r.path(), Err: cause}
				}}
				clean = r.liveUntilFailure(cause, late)
			}
		}
	}
}

// The n-th write of the mark fails. Bolt has the write by then, or not yet.
func TestFailedMarksAreTheLast(t *testing.T) {
	for n := range newRig(t).life() {
		r := newRig(t)
		count := 0
		r.store.bolt = &between{r.store.bolt, func(op func() error) error {
			if count == n {
				r.must(r.store.mark.file.Close())
			}
			count++
			return op()
		}}
		if r.liveUntilFailure(os.ErrClosed, true) {
			t.Errorf("write %d did not need the mark", n)
		}
	}
}

// A deletion whose mark cannot be written does not begin.
func TestNoDeletionWithoutMark(t *testing.T) {
	r := newRig(t)
	r.grow(10, 1)
	r.must(r.store.mark.file.Close())
	if err := r.store.DeleteRange(1, 5); !errors.Is(err, os.ErrClosed) || len(r.fails) != 1 {
		t.Fatal(err, r.fails)
	}
	r.fails = nil
	r.kill()
	r.open()
	r.check()
}

// liveUntilFailure carries out the life of the rig until a write fails with cause, and
// checks what follows from that. It says whether nothing failed.
func (r *rig) liveUntilFailure(cause error, mayStand bool) (clean bool) {
	r.t.Helper()
	for i, w := range r.life() {
		err := w.do(r.store)
		if err == nil {
			w.mean(r.model)
			continue
		}
		if !errors.Is(err, cause) || len(r.fails) != 1 || !errors.Is(r.fails[0], cause) {
			r.t.Fatalf("write %d: got %v, reported %v", i, err, r.fails)
		}
		r.allRefuse(err)
		if len(r.fails) != 1 {
			r.t.Errorf("reported again: %v", r.fails)
		}
		_ = r.store.Close()
		r.kill()
		r.fails = nil
		r.open()
		if differs(r.store, r.model) != nil && mayStand {
			w.mean(r.model) // it was not answered, yet it may have been done
		}
		r.check()
		return false
	}
	return true
}

// allRefuse calls everything and wants the first error from it.
func (r *rig) allRefuse(want error) {
	r.t.Helper()
	s, key := r.store, []byte("CurrentTerm")
	_, first := s.FirstIndex()
	_, last := s.LastIndex()
	_, get := s.Get(key)
	_, number := s.GetUint64(key)
	for name, err := range map[string]error{
		"FirstIndex": first, "LastIndex": last, "Get": get, "GetUint64": number,
		"GetLog": s.GetLog(8, new(raft.Log)), "Set": s.Set(key, key), "SetUint64": s.SetUint64(key, 9),
		"StoreLogs": s.StoreLogs(entries(1000, 1, 1)), "StoreLog": s.StoreLog(entries(1001, 1, 1)[0]),
		"DeleteRange": s.DeleteRange(1, 9),
	} {
		if !errors.Is(err, want) {
			r.t.Errorf("%s after the failure: %v", name, err)
		}
	}
}

// The file goes bad under an open store: an entry is altered, a page is another, the
// file is cut short so that the memory map has nothing behind it. Reading says so, and
// the store is not used again.
func TestDamageWhileOpen(t *testing.T) {
	for name, spoil := range map[string]func(r *rig, bolt []byte) error{
		"altered": func(r *rig, bolt []byte) error {
			return overwrite(r.path(), bolt, func(b byte) byte { return b ^ 0x5a })
		},
		"zeroed": func(r *rig, bolt []byte) error { return overwrite(r.path(), bolt, func(byte) byte { return 0 }) },
		"cut":    func(r *rig, _ []byte) error { return os.Truncate(r.path(), 2*page) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.grow(100, 1)
			bolt, mark := r.files()
			r.must(spoil(r, bolt))
			var l raft.Log
			err := r.store.GetLog(50, &l)
			if !isDamage(err) || len(r.fails) != 1 || l.Index != 0 {
				t.Fatalf("got %v, %v, reported %v", l, err, r.fails)
			}
			r.allRefuse(err)
			r.restore(bolt, mark)
		})
	}
}

// overwrite spoils all pages but the first two.
func overwrite(path string, bolt []byte, spoil func(byte) byte) error {
	spoilt := bytes.Clone(bolt[2*page:])
	for i := range spoilt {
		spoilt[i] = spoil(spoilt[i])
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(spoilt, 2*page)
	return errors.Join(err, f.Close())
}

// An entry that bolt no longer has, although nobody deleted it, is damage, not a gap.
func TestMissingEntryIsDamage(t *testing.T) {
	r := newRig(t)
	r.grow(10, 1)
	r.must(r.store.bolt.DeleteRange(5, 5))
	var l raft.Log
	if err := r.store.GetLog(5, &l); !isDamage(err) || len(r.fails) != 1 {
		t.Errorf("got %v, reported %v", err, r.fails)
	}
}

// Bolt gave up in the middle, perhaps with its locks held: nobody waits for them.
func TestBrokenBoltIsNotClosed(t *testing.T) {
	r := newRig(t)
	r.grow(10, 1)
	bolt := r.store.bolt
	r.store.bolt = &broken{backend: bolt}
	err := r.store.GetLog(5, new(raft.Log))
	if !isDamage(err) || !strings.Contains(err.Error(), "bolt cannot go on: page 7") {
		t.Errorf("got %v", err)
	}
	r.must(r.store.Close())
	r.must(bolt.Close())
}

// A broken panics when it is read, and would wait for ever to be closed.
type broken struct{ backend }

func (*broken) GetLog(uint64, *raft.Log) error { panic("page 7") }

func (*broken) Close() error { return errors.New("waits for ever") }

func TestClosedStoreSaysSo(t *testing.T) {
	r := newRig(t)
	r.grow(10, 1)
	r.must(r.store.Close())
	r.must(r.store.Close())
	r.allRefuse(ErrClosed)
	if len(r.fails) > 0 {
		t.Errorf("closing was reported: %v", r.fails)
	}
	r.open()
	r.check()
}
