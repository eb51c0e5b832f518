package logstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"github.com/tallyvault/tallyvault/cluster/cosign"
)

// lockTimeout is how long bolt waits for its own lock. The mark's lock is held by
// then, so only a tool that somebody runs on the file can be in the way.
const lockTimeout = 2 * time.Second

// A Config says where a log is and whom to tell.
type Config struct {
	// Path of bolt's file. The mark lies beside it, under the same name and ".mark".
	Path string
	// Fail is told the first error after which the store must not be used, once. It
	// is called on the goroutine that met the error, perhaps Raft's own, so it must
	// not wait for Raft; it should end the process.
	Fail func(error)
	// Progress is told from time to time how many bytes have been checked at opening.
	// It may be nil.
	Progress func(checked, total uint64)
	// Watch is told of each write that begins, in words, and its result of its end. A
	// write that hangs can be noticed so. It may be nil.
	Watch func(what string) (end func())
}

// Create makes the mark of a log that has never been written, once in a node's life:
// whoever opens a log without a mark has lost one. Creating it again before anything
// was written changes nothing.
func Create(path string) error {
	if _, err := os.Stat(path + markSuffix); err == nil {
		return unwritten(path)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("create raft's log: %s exists", path), err)
	}
	m := mark{number: 1}
	if _, err := rand.Read(m.store[:]); err != nil {
		return fmt.Errorf("create raft's log: %w", err)
	}
	m.logs = []position{{base: start(m.store), tip: start(m.store)}}
	var text []byte
	for range slots {
		slot, err := m.slot()
		if err != nil {
			return fmt.Errorf("create raft's log: %w", err)
		}
		text = append(text, slot...)
		m.number++
	}
	if err := cosign.WriteFile(path+markSuffix, text); err != nil {
		return fmt.Errorf("create raft's log: %w", err)
	}
	return nil
}

// unwritten refuses to create a log over one that was used.
func unwritten(path string) error {
	f, m, err := openMark(path + markSuffix)
	if err != nil {
		return err
	}
	if !m.pristine() {
		err = fmt.Errorf("create raft's log: %s exists and has been written", path)
	}
	return errors.Join(err, f.file.Close())
}

// Open checks a log wholly and opens it. It changes nothing until the check is
// passed. The error is a [*DamagedError] if something acknowledged is not there, and
// [ErrLocked] while another process has it open.
func Open(c Config) (*Store, error) {
	if c.Fail == nil {
		return nil, errors.New("open raft's log: nobody is to be told of a failure")
	}
	if c.Progress == nil {
		c.Progress = func(uint64, uint64) {}
	}
	if c.Watch == nil {
		c.Watch = func(string) func() { return func() {} }
	}
	file, m, err := openMark(c.Path + markSuffix)
	if err != nil {
		return nil, err
	}
	s, err := openChecked(c, file, m)
	if err != nil {
		return nil, errors.Join(err, file.file.Close())
	}
	return s, nil
}

func openChecked(c Config, file *markFile, m mark) (*Store, error) {
	found, err := readContent(c.Path, m.store, c.Progress)
	if err != nil {
		return nil, err
	}
	if err := found.judge(m); err != nil {
		if d, ok := errors.AsType[*DamagedError](err); ok {
			d.Path = c.Path
		}
		return nil, err
	}
	s := &Store{path: c.Path, mark: file, id: m.store, settings: found.settings, chain: found.chain, sets: m.sets, watch: c.Watch}
	for _, have := range found.settings {
		s.sets = max(s.sets, have.set)
	}
	s.failure.report = c.Fail
	err = guard(func() (err error) { s.bolt, err = openBolt(c.Path); return err })
	if _, broken := errors.AsType[*brokenError](err); broken {
		return nil, &DamagedError{Path: c.Path, What: "bolt cannot open it", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("open raft's log %s: %w", c.Path, err)
	}
	if err := s.ready(); err != nil {
		return nil, errors.Join(err, s.bolt.Close())
	}
	return s, nil
}

func openBolt(path string) (backend, error) {
	store, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout: lockTimeout, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
		},
	})
	if err != nil {
		return nil, err // not store: a nil pointer in an interface is not nil
	}
	return store, nil
}

// ready makes names durable, asks bolt whether it sees what was checked, and writes
// the mark anew, twice: both slots are valid then, and say what is there.
func (s *Store) ready() error {
	if err := syncDir(s.path); err != nil {
		return fmt.Errorf("sync the directory of raft's log: %w", err)
	}
	if err := s.boltAgrees(); err != nil {
		return err
	}
	if s.chain.first != 0 {
		var l raft.Log
		if err := s.read(s.chain.last, s.chain.tip, &l); err != nil {
			return err
		}
	}
	for range slots {
		if err := s.mark.write(s.state(), true); err != nil {
			return err
		}
	}
	return nil
}
