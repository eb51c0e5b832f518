package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// View is the state after the last applied entry. It never changes; ask again for
// a newer one.
func (n *Node) View() *fsm.View { return n.replica.view.Load() }

// Journal serves tiles and entry bundles. It must not be written to, and while the
// node is not ready for receipts it ends before the state does.
func (n *Node) Journal() *journal.Journal { return n.journal }

// Outcome finds what became of a logged command, nil if this node knows nothing of
// it. Final says that the command and the receipts that it caused lie under the
// newest published checkpoint.
//
// The first outcome that consumed something stands. A payload that names no signer may
// be signed and logged once more by somebody else, who is refused for his own reasons:
// that must not make what took effect look refused.
func (n *Node) Outcome(id fsm.Identity) (outcome *fsm.Outcome, final bool, err error) {
	o, err := n.outcome(id)
	if err != nil || o == nil {
		return nil, false, err
	}
	last := o.Leaf
	for _, leaf := range o.Receipts {
		last = max(last, leaf)
	}
	return o, last < n.FinalSize(), nil
}

func (n *Node) outcome(id fsm.Identity) (*fsm.Outcome, error) {
	ordinals, err := n.journal.Get(commandKey(id))
	if err != nil {
		return nil, fmt.Errorf("look up the outcome of %s: %w", id, err)
	}
	for _, ordinal := range ordinals {
		record, err := n.journal.Outcome(ordinal)
		if err != nil {
			// An index row may come before the record that it leads to.
			if _, early := errors.AsType[*journal.RangeError](err); early {
				continue
			}
			return nil, fmt.Errorf("look up the outcome of %s: %w", id, err)
		}
		o, err := fsm.ParseOutcome(record)
		if err != nil {
			return nil, fmt.Errorf("outcome record %d: %w", ordinal, err)
		}
		// Keys are shorter than identities.
		if o.ID == id {
			return o, nil
		}
	}
	return nil, nil
}

// Refs lists the leaves of the receipts about an object, in order; see fsm.Ref for
// kinds and keys.
func (n *Node) Refs(kind byte, key string) ([]uint64, error) {
	leaves, err := n.journal.Get(refKey(fsm.Ref{Kind: kind, Key: key}))
	if err != nil {
		return nil, fmt.Errorf("look up %c %s: %w", kind, key, err)
	}
	size := n.journal.Size()
	for i, leaf := range leaves {
		if leaf >= size {
			return leaves[:i], nil
		}
	}
	return leaves, nil
}

// Leaf returns a leaf of the journal, final or not. It must not be changed.
func (n *Node) Leaf(i uint64) ([]byte, error) {
	leaf, err := n.journal.Leaf(i)
	if err == nil {
		return leaf, nil
	}
	if _, outside := errors.AsType[*journal.RangeError](err); !outside {
		return nil, err
	}
	if i < n.View().TreeSize() {
		return nil, ErrIncomplete
	}
	return nil, ErrNoLeaf
}

// A Receipt is a leaf with its proof.
type Receipt struct {
	Index uint64
	Leaf  []byte
	Size  uint64 // of the checkpoint that the proof leads to
	File  []byte // the tlog-proof file: leaf, path and signed note
}

// Receipt proves a leaf under the newest published checkpoint.
func (n *Node) Receipt(i uint64) (Receipt, error) {
	checkpoint := n.finality.published.Newest()
	if i >= checkpoint.Size {
		if i >= n.View().TreeSize() {
			return Receipt{}, ErrNoLeaf
		}
		return Receipt{}, ErrNotFinal
	}
	leaf, err := n.Leaf(i)
	if err != nil {
		return Receipt{}, err
	}
	if n.journal.Size() < checkpoint.Size {
		return Receipt{}, ErrIncomplete
	}
	path, err := n.journal.ProveRecord(checkpoint.Size, i)
	if err != nil {
		n.market.ReceiptInvalid("none", "proof")
		return Receipt{}, err
	}
	return Receipt{Index: i, Leaf: leaf, Size: checkpoint.Size, File: proof.FormatProof(leaf, i, path, checkpoint.Note)}, nil
}

// Checkpoint is the newest published checkpoint note, nil before the first.
func (n *Node) Checkpoint() []byte { return n.finality.published.Newest().Note }

// FinalSize is the size of the newest published checkpoint.
func (n *Node) FinalSize() uint64 { return n.finality.published.Newest().Size }

// Cosigners are the short names of those who cosigned the newest published
// checkpoint.
func (n *Node) Cosigners() []string { return n.finality.published.Newest().Cosigners }

// CheckpointAt is the newest cosigner's time on the newest published checkpoint, unix
// ms; 0 before the first.
func (n *Node) CheckpointAt() int64 {
	_, lines, _ := strings.Cut(string(n.Checkpoint()), "\n\n")
	var newest uint64
	for line := range strings.Lines(lines) {
		// The note was verified when it was published. Its first line is the log's.
		if c, err := proof.ParseCosignature(line); err == nil {
			newest = max(newest, c.Time)
		}
	}
	return int64(newest) * 1000
}

// WaitApplied waits until this node has applied the entry of that number.
func (n *Node) WaitApplied(ctx context.Context, entry uint64) error {
	for {
		moved := n.replica.moved.next()
		if n.View().Number() >= entry {
			return nil
		}
		if err := n.wait(ctx, moved); err != nil {
			return fmt.Errorf("wait for entry %d: %w", entry, err)
		}
	}
}

// WaitFinal waits until a checkpoint of at least that size is published here. Ask
// for the leaf that matters plus one: the newest leaves of an idle cluster are those
// of ticks and of the last cut itself, and no cut is made for their sake.
func (n *Node) WaitFinal(ctx context.Context, size uint64) error {
	for {
		moved := n.finality.published.Changed()
		if n.FinalSize() >= size {
			return nil
		}
		if err := n.wait(ctx, moved); err != nil {
			return fmt.Errorf("wait for a checkpoint of %d leaves: %w", size, err)
		}
	}
}

// Changed is closed when this node has applied something more.
func (n *Node) Changed() <-chan struct{} { return n.replica.moved.next() }

func (n *Node) wait(ctx context.Context, moved <-chan struct{}) error {
	select {
	case <-moved:
		return nil
	case <-n.over:
		return unavailable("this node has stopped")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ReadIndex asks the leader which entry this node must have applied for a read to
// see what the leader sees. A linearizable one also sees everything that anybody
// was told before the call: the leader takes the last number it has given out and
// then makes sure that it still leads. While a leader is being elected it is asked
// for again, for as long as Submit would look for one.
func (n *Node) ReadIndex(ctx context.Context, linearizable bool) (uint64, error) {
	started := time.Now()
	for {
		entry, err := n.readIndex(ctx, linearizable)
		if err == nil || time.Since(started) > leaderFor || n.load.silent(n.leader()) || n.draining.Load() || !pause(ctx, submitPause) {
			return entry, err
		}
	}
}

func (n *Node) readIndex(ctx context.Context, linearizable bool) (uint64, error) {
	if s := n.leading(); s != nil {
		return s.readIndex(ctx, linearizable)
	}
	leader := n.leader()
	if leader == "" || leader == n.self.Name {
		return 0, unavailable("there is no leader")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go n.whileLed(ctx, leader, cancel)
	before := n.View().Number()
	entry, err := n.calls.readIndex(ctx, leader, linearizable)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", unavailable("the leader does not answer"), err)
	}
	if linearizable && entry < before {
		// Whoever still leads has given out every number that was committed.
		n.alarms.raise(AlarmAnswer)
		n.config.Logger.Error("the leader names a read index behind what is committed", "leader", leader, "entry", entry, "applied", before)
		return 0, unavailable("the leader names a read index behind what is committed")
	}
	return entry, nil
}

// readIndex does not look at what is committed: entries of this term have no holes,
// so that what was proposed is at least what is committed, and what was committed
// in earlier terms had been applied when the session began.
func (s *session) readIndex(ctx context.Context, linearizable bool) (uint64, error) {
	if !linearizable {
		return s.replica.view.Load().Number(), nil
	}
	entry := s.proposed.Load()
	verified := make(chan error, 1)
	go func() { verified <- s.wait(s.raft.VerifyLeader()) }()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case err := <-verified:
		if err != nil || s.ctx.Err() != nil || s.raft.CurrentTerm() != s.term {
			return 0, unavailable("the leader has changed")
		}
	}
	return entry, nil
}

// Digest computes the digest of the live state and says which entry it is of.
func (n *Node) Digest(ctx context.Context) (entry uint64, digest [32]byte, err error) {
	if err := ctx.Err(); err != nil {
		return 0, digest, err
	}
	v := n.View()
	return v.Number(), v.Digest(), nil
}
