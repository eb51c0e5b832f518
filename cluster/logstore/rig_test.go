package logstore

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// fastDir is a directory in memory where there is such a thing: these tests sync
// thousands of times and pull no plugs.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "logstore")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A rig is a store in a directory, and what it should hold.
type rig struct {
	t     testing.TB
	dir   string
	store *Store
	fails []error
	model model
}

// A model is what a store should hold, as plain maps.
type model struct {
	entries  map[uint64]raft.Log
	settings map[string]string
}

func (m model) ends() (first, last uint64) {
	for i := range m.entries {
		if first == 0 || i < first {
			first = i
		}
		last = max(last, i)
	}
	return first, last
}

// apply is the plain meaning of an operation.
func (m model) store(logs []*raft.Log) {
	for _, l := range logs {
		m.entries[l.Index] = *l
	}
}

func (m model) delete(from, to uint64) {
	maps.DeleteFunc(m.entries, func(i uint64, _ raft.Log) bool { return from <= i && i <= to })
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: fastDir(t), model: model{make(map[uint64]raft.Log), make(map[string]string)}}
	if err := Create(r.path()); err != nil {
		t.Fatal(err)
	}
	r.open()
	t.Cleanup(func() { r.kill() })
	return r
}

func (r *rig) path() string { return filepath.Join(r.dir, "log.db") }

func (r *rig) config() Config {
	return Config{Path: r.path(), Fail: func(err error) { r.fails = append(r.fails, err) }}
}

func (r *rig) open() {
	r.t.Helper()
	s, err := Open(r.config())
	if err != nil {
		r.t.Fatal(err)
	}
	r.store = s
}

// kill ends the use of the store as the death of its process does.
func (r *rig) kill() {
	if r.store != nil {
		_ = r.store.bolt.Close()
		_ = r.store.mark.file.Close()
		r.store = nil
	}
}

// cutPower is kill, and the loss of what the disk was not told to keep: of the mark
// that was not synced only rubbish is left.
func (r *rig) cutPower() {
	r.t.Helper()
	lost := (r.store.mark.safe + 1) % slots
	r.kill()
	f, err := os.OpenFile(r.path()+markSuffix, os.O_WRONLY, 0)
	r.must(err)
	_, err = f.WriteAt(make([]byte, slotSize/2), int64(lost)*slotSize)
	r.must(errors.Join(err, f.Close()))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) append(logs ...*raft.Log) {
	r.t.Helper()
	r.must(r.store.StoreLogs(logs))
	r.model.store(logs)
}

// grow appends n entries behind the last one.
func (r *rig) grow(n int, term uint64) {
	r.t.Helper()
	_, last := r.model.ends()
	r.append(entries(last+1, n, term)...)
}

func (r *rig) delete(from, to uint64) {
	r.t.Helper()
	r.must(r.store.DeleteRange(from, to))
	r.model.delete(from, to)
}

func (r *rig) set(key, value string) {
	r.t.Helper()
	r.must(r.store.Set([]byte(key), []byte(value)))
	r.model.settings[key] = value
}

// entries makes entries of many sizes, some with extensions, some without data, some
// larger than a page; all differ.
func entries(first uint64, n int, term uint64) []*raft.Log {
	logs := make([]*raft.Log, n)
	for i := range logs {
		index := first + uint64(i)
		l := &raft.Log{Index: index, Term: term, Type: raft.LogType(index % 6)}
		if index%7 != 0 {
			zone := time.FixedZone("somewhere", int(index%20)*1801-9000)
			l.AppendedAt = time.Unix(1_800_000_000+int64(index), int64(term)).In(zone)
		}
		for at := range (index * 37) % 400 {
			l.Data = append(l.Data, byte(index+at*term))
		}
		if index%23 == 0 {
			l.Data = append(l.Data, make([]byte, 9000)...)
		}
		if index%5 == 0 {
			l.Extensions = fmt.Appendf(nil, "extension of %d in %d", index, term)
		}
		logs[i] = l
	}
	return logs
}

// check compares all that the store holds with the model.
func (r *rig) check() {
	r.t.Helper()
	if err := differs(r.store, r.model); err != nil {
		r.t.Fatal(err)
	}
	if len(r.fails) > 0 {
		r.t.Fatalf("the store failed: %v", r.fails)
	}
}

// differs says how a store's content differs from a model.
func differs(s *Store, want model) error {
	first, err1 := s.FirstIndex()
	last, err2 := s.LastIndex()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if f, l := want.ends(); first != f || last != l {
		return fmt.Errorf("it holds entries %d to %d, want %d to %d", first, last, f, l)
	}
	for i := first; i <= last+1; i++ {
		var have raft.Log
		w, ok := want.entries[i]
		err := s.GetLog(i, &have)
		if !ok && errors.Is(err, raft.ErrLogNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("entry %d, stored %v: %w", i, ok, err)
		}
		if !ok || !sameEntry(have, w) {
			return fmt.Errorf("entry %d: got %v, want %v", i, have, w)
		}
	}
	for key, value := range want.settings {
		have, err := s.Get([]byte(key))
		if err != nil {
			return fmt.Errorf("setting %s: %w", key, err)
		}
		if string(have) != value {
			return fmt.Errorf("setting %s is %q, want %q", key, have, value)
		}
	}
	if len(s.settings) != len(want.settings) {
		return fmt.Errorf("it holds %d settings, want %d", len(s.settings), len(want.settings))
	}
	return nil
}

// sameEntry ignores what a round trip through bolt may change: nil against empty, and
// the name of a time zone.
func sameEntry(a, b raft.Log) bool {
	same := a.AppendedAt.Equal(b.AppendedAt) && string(a.Data) == string(b.Data) && string(a.Extensions) == string(b.Extensions)
	a.AppendedAt, b.AppendedAt = time.Time{}, time.Time{}
	a.Data, b.Data, a.Extensions, b.Extensions = nil, nil, nil, nil
	return same && reflect.DeepEqual(a, b)
}

// files reads both files of a store.
func (r *rig) files() (bolt, mark []byte) {
	r.t.Helper()
	bolt, err := os.ReadFile(r.path())
	r.must(err)
	mark, err = os.ReadFile(r.path() + markSuffix)
	r.must(err)
	return bolt, mark
}

func (r *rig) restore(bolt, mark []byte) {
	r.t.Helper()
	r.must(os.WriteFile(r.path(), bolt, 0o600))
	r.must(os.WriteFile(r.path()+markSuffix, mark, 0o600))
}
