package logstore

import (
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/hashicorp/raft"
)

// StoreLog appends an entry.
func (s *Store) StoreLog(log *raft.Log) error { return s.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries, durably. There may be a gap before and between them,
// but an index that the log has reached is refused: Raft deletes before it writes
// again.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	return s.ending(s.storeLogs(logs))
}

func (s *Store) storeLogs(logs []*raft.Log) error {
	defer s.begin("append to Raft's log")()
	if err := s.failure.get(); err != nil || len(logs) == 0 {
		return err
	}
	last := s.chain.last
	for _, l := range logs {
		if l.Index <= last {
			return fmt.Errorf("entry %d is to be stored in raft's log, which has reached %d", l.Index, last)
		}
		last = l.Index
	}
	out, sums, err := sealed(logs, s.chain.generation, s.chain.tip)
	if err != nil {
		return fmt.Errorf("store raft's entries from %d: %w", logs[0].Index, err)
	}
	if err := guard(func() error { return s.bolt.StoreLogs(out) }); err != nil {
		return fmt.Errorf("store raft's entries from %d: %w", logs[0].Index, err)
	}
	s.mu.Lock()
	for i, l := range logs {
		s.chain.append(l.Index, sums[i])
	}
	s.mu.Unlock()
	return s.mark.write(s.state(), s.mark.due())
}

// DeleteRange deletes entries, both ends included, from the front, from the back, or
// all.
//
// The log legitimately goes back here, so the mark first names both positions, on
// disk. After a crash either is right; nothing else is. When it has returned the mark
// names the new one alone, so what was deleted cannot come back.
func (s *Store) DeleteRange(from, to uint64) error {
	return s.ending(s.deleteRange(from, to))
}

func (s *Store) deleteRange(from, to uint64) error {
	defer s.begin("delete from Raft's log")()
	if err := s.failure.get(); err != nil {
		return err
	}
	after, err := s.chain.without(from, to)
	if err != nil || after == s.chain.position {
		return err
	}
	if err := s.mark.write(s.state(after), true); err != nil {
		return err
	}
	// Readers must not take what bolt is about to delete for missing.
	s.mu.Lock()
	s.chain.cut(after)
	s.mu.Unlock()
	if err := guard(func() error { return s.bolt.DeleteRange(from, to) }); err != nil {
		return fmt.Errorf("delete raft's entries %d to %d: %w", from, to, err)
	}
	if err := s.boltAgrees(); err != nil {
		return err
	}
	return s.mark.write(s.state(), true)
}

// Set stores a setting, durably.
func (s *Store) Set(key, value []byte) error {
	return s.ending(s.set(string(key), value))
}

// set must have the mark on disk before it returns: Raft answers with its term and
// its vote, and may never answer otherwise.
func (s *Store) set(key string, value []byte) error {
	defer s.begin("store Raft's term or vote")()
	if err := s.failure.get(); err != nil {
		return err
	}
	next := setting{append([]byte{}, value...), s.sets + 1}
	m := s.state()
	m.settings, m.sets = maps.Clone(m.settings), next.set
	m.settings[key] = next
	if err := m.fits(); err != nil {
		return fmt.Errorf("set raft's %s: %w", key, err)
	}
	if err := guard(func() error { return s.bolt.Set([]byte(key), next.seal(s.id, key)) }); err != nil {
		return fmt.Errorf("set raft's %s: %w", key, err)
	}
	s.mu.Lock()
	s.settings, s.sets = m.settings, m.sets
	s.mu.Unlock()
	return s.mark.write(m, true)
}

// SetUint64 stores a number, durably.
func (s *Store) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 returns a number.
func (s *Store) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("raft's %s is no number", key)
	}
	return binary.BigEndian.Uint64(value), nil
}

// begin makes the caller the only writer and has it watched from then on: waiting for
// another one is no sign of a disk that hangs.
func (s *Store) begin(what string) (end func()) {
	s.write.Lock()
	over := s.watch(what)
	return func() {
		over()
		s.write.Unlock()
	}
}

// state is what the mark is to say, of the log as it stands and perhaps as it will
// stand after a deletion. The caller holds write, so nothing changes meanwhile.
func (s *Store) state(after ...position) mark {
	return mark{store: s.id, sets: s.sets, settings: s.settings, logs: append([]position{s.chain.position}, after...)}
}

// ending makes an error of a writer the store's last. No lock is held.
func (s *Store) ending(err error) error {
	if err == nil {
		return nil
	}
	return s.failure.stop(err)
}
