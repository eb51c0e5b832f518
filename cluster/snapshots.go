package cluster

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"
)

// A snapshotStore stands between Raft and the files of its snapshots, and keeps the
// log fit for the newest of them.
//
// A snapshot from the leader replaces everything before it. The library leaves the
// log alone, and both what it then holds can do harm (hashicorp/raft issue 697):
//
//   - A log that reaches past the snapshot with entries that were never committed: the
//     node answers that its log ends there, none of its entries is the leader's, and
//     the leader sends the same snapshot for ever.
//   - A log that ends before the snapshot, perhaps with such entries: leading later,
//     the node would send them to others as if they led up to the snapshot.
//
// So a log that does not hold the snapshot's last entry is dropped once the snapshot
// is durable (Raft, figure 13, rule 7). Term and vote stay. In the second case that
// can be done under the running library, which counts from the snapshot on. In the
// first it has the log's end in its memory, so it is shut down and opened again.
type snapshotStore struct {
	raft.SnapshotStore
	log      *frontGuard
	replica  *replica
	conflict chan struct{} // says once that Raft must be reopened
}

func newSnapshotStore(inner raft.SnapshotStore, log *frontGuard, r *replica) *snapshotStore {
	return &snapshotStore{SnapshotStore: inner, log: log, replica: r, conflict: make(chan struct{}, 1)}
}

// settle makes the log fit the newest snapshot before Raft is opened.
func (s *snapshotStore) settle() error {
	kept, err := s.List()
	if err != nil {
		return fmt.Errorf("list Raft's snapshots: %w", err)
	}
	var index, term uint64
	if len(kept) > 0 {
		index, term = kept[0].Index, kept[0].Term
	}
	first, err := s.log.FirstIndex()
	if err != nil {
		return fmt.Errorf("read Raft's log: %w", err)
	}
	if first > index+1 {
		return fmt.Errorf("raft's log begins at entry %d and the newest snapshot ends with entry %d: a snapshot is missing, "+
			"or an older one was put back: %s", first, index, rebuildAdvice)
	}
	if len(kept) == 0 {
		return nil
	}
	fit, err := fitOf(s.log, index, term)
	if err != nil || fit == fits {
		return err
	}
	return s.drop(fit, index)
}

// rebuildAdvice is what there is to do about files that no longer tell the history.
const rebuildAdvice = "this node must be rebuilt from its peers (replace_node)"

// How a log relates to a snapshot.
const (
	fits    = iota
	behind  // it ends before the snapshot
	opposed // it reaches past the snapshot by another history
	hollow  // it goes on right behind the snapshot, and what it holds before does not lead there
)

// fitOf compares a log with a snapshot that ends with the entry of that index and
// term. A log that begins right behind the snapshot fits.
func fitOf(log raft.LogStore, index, term uint64) (int, error) {
	first, err := log.FirstIndex()
	if err != nil {
		return 0, fmt.Errorf("read Raft's log: %w", err)
	}
	last, err := log.LastIndex()
	if err != nil {
		return 0, fmt.Errorf("read Raft's log: %w", err)
	}
	if last == 0 || first == index+1 {
		return fits, nil
	}
	if last < index {
		return behind, nil
	}
	var l raft.Log
	err = log.GetLog(index, &l)
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		return 0, fmt.Errorf("read entry %d of Raft's log: %w", index, err)
	}
	switch {
	case err == nil && l.Term == term:
		return fits, nil
	case err != nil && log.GetLog(index+1, &l) == nil:
		return hollow, nil
	}
	return opposed, nil
}

// drop deletes what does not fit a snapshot that ends with the entry of that index.
func (s *snapshotStore) drop(fit int, index uint64) error {
	first, err := s.log.FirstIndex()
	if err != nil {
		return fmt.Errorf("read Raft's log: %w", err)
	}
	last, err := s.log.LastIndex()
	if err != nil {
		return fmt.Errorf("read Raft's log: %w", err)
	}
	if fit == hollow {
		last = index
	}
	if err := s.log.DeleteRange(first, last); err != nil {
		return fmt.Errorf("drop entries %d to %d, which the snapshot replaces, from Raft's log: %w", first, last, err)
	}
	return nil
}

// Create implements raft.SnapshotStore.
func (s *snapshotStore) Create(
	version raft.SnapshotVersion, index, term uint64, servers raft.Configuration, serversIndex uint64, t raft.Transport,
) (raft.SnapshotSink, error) {
	inner, err := s.SnapshotStore.Create(version, index, term, servers, serversIndex, t)
	if err != nil {
		return nil, err
	}
	return &snapshotSink{SnapshotSink: inner, store: s, index: index, term: term}, nil
}

// Open implements raft.SnapshotStore.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, source, err := s.SnapshotStore.Open(id)
	if err != nil {
		return nil, nil, err
	}
	return meta, &openSnapshot{source, meta.Index}, nil
}

// An openSnapshot knows at which of Raft's indices its state is, which Raft does not
// tell its state machine.
type openSnapshot struct {
	io.ReadCloser
	index uint64
}

// A snapshotSink takes one snapshot: this node's own, whose writer says so, or one
// that the leader sends.
type snapshotSink struct {
	raft.SnapshotSink
	store       *snapshotStore
	index, term uint64
	own         bool
	done        bool
}

// Close implements raft.SnapshotSink: the snapshot becomes durable and the newest.
// It may be called twice.
func (k *snapshotSink) Close() error {
	if k.done {
		return nil
	}
	k.done = true
	if !k.own {
		if applied := k.store.replica.index.Load(); k.index < applied {
			err := fmt.Errorf("the leader sends a snapshot of entry %d, and entry %d is applied here", k.index, applied)
			return errors.Join(err, k.SnapshotSink.Cancel())
		}
	}
	if err := k.SnapshotSink.Close(); err != nil || k.own {
		return err
	}
	fit, err := fitOf(k.store.log, k.index, k.term)
	switch {
	case err != nil:
		return err
	case fit == behind, fit == hollow:
		return k.store.drop(fit, k.index)
	case fit == opposed:
		k.store.log.opposed.Store(true)
	}
	return nil
}

// Cancel implements raft.SnapshotSink.
func (k *snapshotSink) Cancel() error {
	k.done = true
	return k.SnapshotSink.Cancel()
}

// Restore implements raft.FSM. Only when the state is there may Raft be reopened:
// until then the leader waits for the answer, and without it would send everything
// again.
func (m stateMachine) Restore(source io.ReadCloser) error {
	if w, ok := source.(raft.ReadCloserWrapper); ok {
		source = w.WrappedReadCloser()
	}
	if err := m.replica.Restore(source); err != nil {
		return err
	}
	if opened, ok := source.(*openSnapshot); ok {
		m.index.Store(opened.index)
	}
	if m.snapshots.log.opposed.Load() {
		select {
		case m.snapshots.conflict <- struct{}{}:
		default:
		}
	}
	return nil
}
