package cluster

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/snapshot"
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
	*snapshotFiles
	log      *frontGuard
	replica  *replica
	offers   *offers
	conflict chan struct{} // says once that Raft must be reopened

	// broken is why the newest snapshot could not be restored, which Raft does not tell
	// who opens it.
	broken error

	mu       sync.Mutex
	verified map[string]*restored // what a snapshot that was let in has proven, by its id
}

func newSnapshotStore(inner *snapshotFiles, log *frontGuard, r *replica, o *offers) *snapshotStore {
	return &snapshotStore{
		snapshotFiles: inner, log: log, replica: r, offers: o, conflict: make(chan struct{}, 1), verified: map[string]*restored{},
	}
}

// settle makes the log fit the newest snapshot before Raft is opened.
func (s *snapshotStore) settle() error {
	if err := s.whole(); err != nil {
		return err
	}
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
	inner, err := s.snapshotFiles.Create(version, index, term, servers, serversIndex, t)
	if err != nil {
		return nil, err
	}
	return &snapshotSink{SnapshotSink: inner, store: s, index: index, term: term, servers: servers.Servers}, nil
}

// Open implements raft.SnapshotStore.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, source, err := s.snapshotFiles.Open(id)
	if err == nil {
		meta, source, err = s.fill(meta, source)
	}
	if err != nil {
		s.broken = &DamagedSnapshotError{s.path(id), err}
		return nil, nil, err
	}
	return meta, &openSnapshot{source, meta.Index, id}, nil
}

// An openSnapshot knows at which of Raft's indices its state is, which Raft does not
// tell its state machine.
type openSnapshot struct {
	io.ReadCloser
	index uint64
	id    string
}

// A snapshotSink takes one snapshot: this node's own, whose writer says so, or one
// that the leader sends. The latter waits in a file of its own until it has proven
// itself, because Raft replaces older ones before it looks into it.
type snapshotSink struct {
	raft.SnapshotSink
	store       *snapshotStore
	index, term uint64
	servers     []raft.Server
	own         bool
	offer       *offer // nil before the first byte
	done        bool
}

// Write implements raft.SnapshotSink.
func (k *snapshotSink) Write(b []byte) (int, error) {
	if k.own {
		return k.SnapshotSink.Write(b)
	}
	if k.offer == nil {
		var err error
		if k.offer, err = k.store.offers.open(k.index, k.term); err != nil {
			return 0, err
		}
	}
	return k.offer.Write(b)
}

// Close implements raft.SnapshotSink: the snapshot becomes durable and the newest.
// It may be called twice.
func (k *snapshotSink) Close() error {
	if k.done {
		return nil
	}
	k.done = true
	if k.own {
		return k.SnapshotSink.Close()
	}
	x, err := k.accept()
	if err != nil {
		return errors.Join(k.store.offers.refuse(k.offer, err), k.SnapshotSink.Cancel())
	}
	err = k.offer.copyTo(k.SnapshotSink)
	k.store.offers.drop(k.offer)
	if err != nil {
		return errors.Join(err, k.SnapshotSink.Cancel())
	}
	if err := k.SnapshotSink.Close(); err != nil {
		return err
	}
	k.store.keep(k.ID(), x)
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

// accept lets the snapshot prove itself.
func (k *snapshotSink) accept() (*restored, error) {
	if k.offer == nil {
		return nil, &snapshot.Error{Part: snapshot.PartHead, Err: errors.New("it is empty")}
	}
	if applied := k.store.replica.index.Load(); k.index < applied {
		err := fmt.Errorf("it is of entry %d of Raft's log, and entry %d is applied here", k.index, applied)
		return nil, &snapshot.Error{Part: snapshot.PartHistory, Err: err}
	}
	source, err := k.offer.reader()
	if err != nil {
		return nil, err
	}
	x, err := k.store.replica.readSnapshot(source, true)
	if err != nil {
		return nil, err
	}
	view := x.machine.View()
	for _, s := range k.servers {
		if _, known := view.MemberNamed(string(s.ID)); !known || string(s.Address) != string(s.ID) {
			err := fmt.Errorf("raft's configuration beside it names %s at %s, who is no member", s.ID, s.Address)
			return nil, &snapshot.Error{Part: snapshot.PartHead, Err: err}
		}
	}
	return x, nil
}

// Cancel implements raft.SnapshotSink.
func (k *snapshotSink) Cancel() error {
	k.done = true
	k.store.offers.drop(k.offer)
	return k.SnapshotSink.Cancel()
}

// keep remembers what a snapshot has proven until Raft restores it.
func (s *snapshotStore) keep(id string, x *restored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.verified) // an earlier one was never asked for
	s.verified[id] = x
}

func (s *snapshotStore) take(id string) *restored {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.verified[id]
	delete(s.verified, id)
	return x
}

// Restore implements raft.FSM. Only when the state is there may Raft be reopened:
// until then the leader waits for the answer, and without it would send everything
// again.
func (m stateMachine) Restore(source io.ReadCloser) error {
	if w, ok := source.(raft.ReadCloserWrapper); ok {
		source = w.WrappedReadCloser()
	}
	opened, ok := source.(*openSnapshot)
	if !ok {
		return errors.New("restore: a snapshot that did not come from this node's store")
	}
	var err error
	if x := m.snapshots.take(opened.id); x != nil {
		err = m.takeOver(x)
	} else {
		err = m.replica.Restore(source)
	}
	if err != nil {
		m.snapshots.broken = &DamagedSnapshotError{m.snapshots.path(opened.id), err}
		return err
	}
	m.index.Store(opened.index)
	if m.snapshots.log.opposed.Load() {
		select {
		case m.snapshots.conflict <- struct{}{}:
		default:
		}
	}
	return nil
}
