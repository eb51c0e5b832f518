package cluster

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/hashicorp/raft"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/cluster/snapshot"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// A witness answers what a replica's snapshots need and its state does not know.
type witness interface {
	// published is the newest checkpoint that k nodes cosigned.
	published() cosign.Published
	// signed is the checkpoint that this node signed last.
	signed() proof.Checkpoint
	// evidence proves a base under a published checkpoint.
	evidence(base snapshot.Base, under cosign.Published) (chain, evidence []byte, err error)
	// prove asks for a proof that holds, of a tree continuing another.
	prove(size, old uint64, holds func(tlog.TreeProof) error) error
}

// nobody is the witness of a replica that stands alone.
type nobody struct{}

func (nobody) published() cosign.Published { return cosign.Published{} }
func (nobody) signed() proof.Checkpoint    { return proof.Checkpoint{} }
func (nobody) prove(uint64, uint64, func(tlog.TreeProof) error) error {
	return errors.New("there is nobody to ask")
}

func (nobody) evidence(snapshot.Base, cosign.Published) (chain, evidence []byte, err error) {
	return proof.FormatChain(nil), nil, nil
}

// A restored is a state that a snapshot has proven, and that is not taken over yet.
type restored struct {
	machine *fsm.Machine
	bases   bases
	gap     *gap // what the journal lacks, as far as the snapshot does not hold it
}

// readSnapshot takes a snapshot of this node's own, or one that another sends; the
// latter must not end before anything that this node has seen.
func (r *replica) readSnapshot(source io.Reader, foreign bool) (*restored, error) {
	x := &restored{}
	lacks := false
	receiver := snapshot.Receiver{
		Genesis: r.genesis, Verify: r.cores.verify, Prove: r.prove, Installed: !foreign,
		Known: func(size uint64) ([]proof.Checkpoint, error) {
			lacks = r.lacks(size)
			return r.knownTrees(size, foreign)
		},
		Replayed: func(result *fsm.Result, m *fsm.Machine) {
			x.bases.observe(result)
			if !lacks {
				return
			}
			if x.gap == nil {
				x.gap = &gap{}
			}
			x.gap.hold(result, m.View)
		},
	}
	got, err := receiver.Read(source)
	if err != nil {
		return nil, err
	}
	x.machine, x.bases.proven = got.Machine, got.Base
	switch view := got.Machine.View(); {
	case x.gap != nil && x.gap.target == nil:
		x.gap.target = got.Base.View
	case x.gap == nil && (lacks || r.journal.OutcomeCount() < view.Commands()):
		x.gap = &gap{target: view}
	}
	return x, nil
}

// lacks reports whether the journal ends before that size, or did when it was last
// asked for.
func (r *replica) lacks(size uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gap != nil || r.journal.Size() < size
}

// knownTrees are what this node knows of the journal by itself, and a snapshot of size
// leaves must continue.
func (r *replica) knownTrees(size uint64, foreign bool) ([]proof.Checkpoint, error) {
	// What the journal holds is what this node computed before it was restarted.
	at := min(size, r.journal.Size())
	root, err := r.journal.Root(at)
	if err != nil {
		return nil, fmt.Errorf("root of the journal at %d: %w", at, err)
	}
	known := []proof.Checkpoint{{Size: at, Root: root}}
	view := r.view.Load()
	for what, k := range map[string]proof.Checkpoint{
		"signed": r.witness.signed(), "applied": {Size: view.TreeSize(), Root: view.Root()},
	} {
		switch {
		case k.Size <= size:
			known = append(known, k)
		case foreign:
			return nil, &snapshot.Error{Part: snapshot.PartHistory, Err: fmt.Errorf("it ends with %d leaves, and %d are %s here", size, k.Size, what)}
		}
		// The newest snapshot of a node is older than what the node signed last.
	}
	return known, nil
}

// prove finds a proof in this node's journal, or with its peers.
func (r *replica) prove(size, old uint64, holds func(tlog.TreeProof) error) error {
	path, err := r.journal.ProveTree(size, old)
	if _, short := errors.AsType[*journal.RangeError](err); short {
		return r.witness.prove(size, old, holds)
	}
	if err != nil {
		return err
	}
	return holds(path)
}

// Restore implements raft.FSM: it replaces the whole state by that of one of this
// node's own snapshots. One that cannot be read changes nothing.
func (r *replica) Restore(source io.ReadCloser) error {
	x, err := r.readSnapshot(source, false)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return r.takeOver(x)
}

// takeOver replaces the state by one that a snapshot has proven.
func (r *replica) takeOver(x *restored) error {
	view := x.machine.View()
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.bridge(x, view)
	if err == nil {
		r.machine, r.bases = x.machine, x.bases
		r.owed = nil
		if frozen := r.bases.owed; frozen != nil {
			r.freeze(frozen)
		}
		r.view.Store(view)
		err = r.jumped(view)
	}
	if err != nil {
		r.dead.Store(true)
		r.fail(err)
		return err
	}
	r.moved.fire()
	return nil
}

// bridge asks whether the journal holds what the restored state says it does. If it
// ends before, but reaches to what the snapshot itself holds, it is written from that;
// if not, a gap opens. The lock is held.
func (r *replica) bridge(x *restored, view *fsm.View) error {
	if x.gap != nil {
		r.gap = x.gap
		defer r.opened.fire()
		if t := r.gap.target; r.journal.Size() < t.TreeSize() || r.journal.OutcomeCount() < t.Commands() {
			return nil
		}
		if err := r.closeHeld(); err != nil {
			return fmt.Errorf("restore: write the snapshot's leaves to the journal: %w", err)
		}
	}
	root, err := r.journal.Root(view.TreeSize())
	if err != nil {
		return fmt.Errorf("restore: root of the journal at %d: %w", view.TreeSize(), err)
	}
	if root != view.Root() {
		return fmt.Errorf("restore: the snapshot's tree of %d leaves is not the journal's", view.TreeSize())
	}
	return nil
}

// noSnapshotBefore begins each reason why there can be no snapshot yet.
const noSnapshotBefore = "no snapshot before "

// Snapshot implements raft.FSM in constant time. Without the whole journal there is
// none: the snapshot's tail comes from there.
func (r *replica) Snapshot() (raft.FSMSnapshot, error) {
	view, published := r.view.Load(), r.witness.published()
	switch {
	case !r.complete():
		return nil, errors.New(noSnapshotBefore + "the journal is complete")
	case published.Size > view.TreeSize():
		return nil, fmt.Errorf(noSnapshotBefore+"the %d leaves of the newest checkpoint are applied", published.Size)
	}
	r.bases.settle(published.Size)
	if base := r.bases.proven; base.Leaf != 0 && base.Leaf >= published.Size {
		return nil, fmt.Errorf(noSnapshotBefore+"a checkpoint includes leaf %d", base.Leaf)
	}
	return &snapshotting{base: r.bases.proven, published: published, view: view, journal: r.journal, disk: r.disk, witness: r.witness}, nil
}

// A snapshotting is a view on its way to disk.
type snapshotting struct {
	base      snapshot.Base
	published cosign.Published
	view      *fsm.View
	journal   *journal.Journal
	disk      *diskWatch
	witness   witness
}

// Persist implements raft.FSMSnapshot. The journal goes to disk first: once the
// snapshot exists, Raft may drop the log entries that the journal could be written
// from again; and the snapshot's tail lies nowhere else.
func (s *snapshotting) Persist(sink raft.SnapshotSink) error {
	if k, ok := sink.(*snapshotSink); ok {
		k.own = true
	}
	work := s.disk.beginSteps("sync the journal")
	err := s.journal.SyncInSteps(work.step)
	work.end()
	file := snapshot.Snapshot{Base: s.base, State: s.view}
	if err == nil {
		file.Chain, file.Evidence, err = s.witness.evidence(s.base, s.published)
	}
	if err == nil {
		err = writeBorrowing(yielding{sink}, &file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write a snapshot: %w", err), sink.Cancel())
	}
	return sink.Close()
}

// A yielding writer lets others run between two writes. Encoding a large state would
// otherwise hold a core for as long as the scheduler lets it, and Apply would wait.
type yielding struct{ io.Writer }

func (y yielding) Write(b []byte) (int, error) {
	runtime.Gosched()
	return y.Writer.Write(b)
}

// Release implements raft.FSMSnapshot.
func (s *snapshotting) Release() {}
