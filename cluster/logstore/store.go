package logstore

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// A backend is what the store needs of raft-boltdb's store. Tests put one between
// that fails.
type backend interface {
	raft.LogStore
	Set(key, value []byte) error
	Stats() bbolt.Stats
	Close() error
}

// A Store is Raft's log store and stable store. Its methods may be called from
// several goroutines.
type Store struct {
	path    string
	id      digest
	bolt    backend
	failure failure
	watch   func(what string) (end func())

	// write is held from before bolt's transaction until after the mark, so that the
	// mark never speaks of something that another writer is about to take back.
	write sync.Mutex
	mark  *markFile

	// mu guards what is known of the content; only a holder of write changes it.
	mu       sync.RWMutex
	chain    chain
	settings map[string]setting
	sets     uint64
}

var (
	_ raft.LogStore    = (*Store)(nil)
	_ raft.StableStore = (*Store)(nil)
)

// FirstIndex returns the index of the first entry, 0 if there is none.
func (s *Store) FirstIndex() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.chain.first, s.failure.get()
}

// LastIndex returns the index of the last entry, 0 if there is none.
func (s *Store) LastIndex() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.chain.last, s.failure.get()
}

// GetLog reads an entry. It returns raft.ErrLogNotFound for one that the log does
// not hold, and never an entry other than the one that was stored.
func (s *Store) GetLog(index uint64, log *raft.Log) error {
	for {
		if err := s.failure.get(); err != nil {
			return err
		}
		sum, ok := s.sum(index)
		if !ok {
			return raft.ErrLogNotFound
		}
		err := s.read(index, sum, log)
		if err == nil {
			return nil
		}
		// Snapshots delete from the front, and a new leader from the back, while
		// others read. Only what is wrong while it should be there is damage.
		if now, ok := s.sum(index); ok && now == sum {
			return s.failure.stop(err)
		}
	}
}

func (s *Store) sum(index uint64) (digest, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.chain.sum(index)
}

// read gets an entry from bolt and compares it with its digest, which covers all of
// it and all before it.
func (s *Store) read(index uint64, sum digest, log *raft.Log) error {
	var l raft.Log
	if err := guard(func() error { return s.bolt.GetLog(index, &l) }); err != nil {
		return &DamagedError{Path: s.path, Index: index, What: "it cannot be read", Err: err}
	}
	found, err := unseal(&l)
	if err != nil {
		return &DamagedError{Path: s.path, Index: index, What: err.Error()}
	}
	if found.sum != sum {
		return &DamagedError{Path: s.path, Index: index, What: "another entry lies in its place"}
	}
	*log = l
	return nil
}

// Get returns a setting. Raft knows an unknown key by the text of the error.
func (s *Store) Get(key []byte) ([]byte, error) {
	if err := s.failure.get(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	have, ok := s.settings[string(key)]
	if !ok {
		return nil, raftboltdb.ErrKeyNotFound
	}
	return append([]byte{}, have.value...), nil
}

// Stats returns bolt's statistics.
func (s *Store) Stats() bbolt.Stats { return s.bolt.Stats() }

// boltAgrees asks bolt where its log begins and ends.
func (s *Store) boltAgrees() error {
	var first, last uint64
	err := guard(func() (err error) {
		if first, err = s.bolt.FirstIndex(); err == nil {
			last, err = s.bolt.LastIndex()
		}
		return err
	})
	if err != nil {
		return &DamagedError{Path: s.path, What: "the log's ends cannot be read", Err: err}
	}
	if first != s.chain.first || last != s.chain.last {
		return &DamagedError{Path: s.path, What: fmt.Sprintf("bolt holds entries %d to %d, not %d to %d", first, last, s.chain.first, s.chain.last)}
	}
	return nil
}

// Close syncs the mark and closes the files. After a failure it only closes them.
func (s *Store) Close() error {
	defer s.begin("close Raft's log")()
	var err error
	failed := s.failure.get()
	if failed == nil {
		err = s.mark.write(s.state(), true)
	}
	if errors.Is(failed, ErrClosed) {
		return nil
	}
	_ = s.failure.stop(ErrClosed)
	// Bolt may have given up with its locks held; then closing it would wait for ever.
	if _, broken := errors.AsType[*brokenError](failed); !broken {
		err = errors.Join(err, s.bolt.Close())
	}
	return errors.Join(err, s.mark.file.Close())
}
