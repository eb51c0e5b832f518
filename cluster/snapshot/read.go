package snapshot

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Limits of a snapshot's parts, so that a false length asks for no memory.
const (
	maxHead     = 4 << 10
	maxChain    = 16 << 20
	maxEvidence = 1 << 18
)

// A Part names what an [Error] found wrong.
type Part string

// The parts of a snapshot, in the order in which they are checked.
const (
	PartHead     Part = "head"
	PartChain    Part = "policy chain"
	PartEvidence Part = "evidence"
	PartImage    Part = "image"
	// PartHistory: everything may be in order, but it is not what the receiver knows.
	PartHistory Part = "history"
	PartTail    Part = "tail"
)

// An Error says which part of a snapshot must not be believed, and why.
type Error struct {
	Part Part
	Err  error
}

func (e *Error) Error() string { return string(e.Part) + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func refuse(part Part, format string, args ...any) error {
	return &Error{Part: part, Err: fmt.Errorf(format, args...)}
}

// ErrUnproven: nobody could be asked for a proof that the receiver needs. This is no
// lie of the sender's; the same snapshot may do later.
var ErrUnproven = errors.New("nobody proves that the snapshot continues what this node knows")

// A Receiver reads snapshots.
type Receiver struct {
	Genesis *genesis.Signed
	// Verify marks the commands whose signatures are good.
	Verify func(*fsm.Keys, []*fsm.Command)
	// Known are the trees that this node knows of which one with that many leaves must
	// be a continuation. Its error is returned as it is.
	Known func(size uint64) ([]proof.Checkpoint, error)
	// Prove finds a proof that the tree of size leaves continues that of old leaves and
	// that holds, wherever it comes from.
	Prove func(size, old uint64, holds func(tlog.TreeProof) error) error
	// Installed says that this node took the snapshot in before, or wrote it: then what
	// cannot be proven now was proven then.
	Installed bool
	// Replayed is told of every entry of the tail, with the machine behind it.
	Replayed func(*fsm.Result, *fsm.Machine)
}

// Restored is what a snapshot has proven.
type Restored struct {
	Machine *fsm.Machine
	Base    Base
	Size    uint64 // of the tree at the end
}

// Read takes a snapshot and applies its tail. What is wrong with the snapshot is an
// [*Error]; other errors are the receiver's own, or [ErrUnproven].
func (c *Receiver) Read(r io.Reader) (*Restored, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	h, err := readHead(in, c.Genesis)
	if err != nil {
		return nil, &Error{PartHead, err}
	}
	history, err := c.readChain(in)
	if err != nil {
		return nil, &Error{PartChain, err}
	}
	evidence, err := fsm.ReadBlock(in, maxEvidence)
	if err != nil {
		return nil, &Error{PartEvidence, err}
	}
	known, err := c.Known(h.Size)
	if err != nil {
		return nil, err
	}
	t := &tail{receiver: c}
	note, err := t.begin(in, h, history, evidence)
	if err != nil {
		return nil, err
	}
	if note.Size != 0 {
		known = append(known, note)
	}
	if t.ahead, err = c.continues(t.base.View, known, h.Size); err != nil {
		return nil, err
	}
	if err := t.replay(in); err != nil {
		return nil, &Error{PartTail, err}
	}
	v := t.machine.View()
	switch {
	case v.Number() != h.Entry || v.TreeSize() != h.Size || v.Root() != h.Root:
		err = fmt.Errorf("it leads to entry %d and %d leaves of root %s, the head says entry %d, %d leaves, root %s",
			v.Number(), v.TreeSize(), v.Root(), h.Entry, h.Size, h.Root)
	case v.Era() != h.Era:
		err = fmt.Errorf("it leads to era %s, the head says %s", v.Era(), h.Era)
	case note.Size != 0 && v.PolicyAt(note.Size).Hash() != history.At(note.Size).Hash():
		err = fmt.Errorf("the policy chain leads to another committee of checkpoint %d than the state", note.Size)
	}
	if err != nil {
		return nil, &Error{PartTail, err}
	}
	return &Restored{Machine: t.machine, Base: t.base, Size: h.Size}, nil
}

func readHead(in *bufio.Reader, g *genesis.Signed) (head, error) {
	var h head
	if err := fsm.ReadMagic(in, magic); err != nil {
		return h, err
	}
	block, err := fsm.ReadBlock(in, maxHead)
	if err != nil {
		return h, err
	}
	if err := strict.Decode(block, &h); err != nil {
		return h, err
	}
	if h.Cluster != g.Cluster {
		return h, fmt.Errorf("it is of cluster %x, this node of %x", h.Cluster, g.Cluster)
	}
	return h, nil
}

func (c *Receiver) readChain(in *bufio.Reader) (*proof.History, error) {
	block, err := fsm.ReadBlock(in, maxChain)
	if err != nil {
		return nil, err
	}
	steps, err := proof.ParseChain(block)
	if err != nil {
		return nil, err
	}
	return proof.VerifyChain(c.Genesis.Policy(), steps)
}

// begin loads the base and the checkpoint that its evidence is under, if there is any.
func (t *tail) begin(in *bufio.Reader, h head, history *proof.History, evidence []byte) (note proof.Checkpoint, err error) {
	if !h.Image {
		if t.machine, err = fsm.New(t.receiver.Genesis); err != nil {
			return note, err
		}
		t.base = Base{View: t.machine.View()}
		if len(evidence) > 0 {
			if note, _, err = history.VerifyCheckpoint(evidence); err != nil {
				return note, &Error{PartEvidence, err}
			}
		}
		return note, nil
	}
	stated, verified, err := readEvidence(history, evidence)
	if err != nil {
		return note, &Error{PartEvidence, err}
	}
	t.base.Leaf = verified.Index
	if t.machine, t.base.Digest, err = fsm.ReadSnapshot(t.receiver.Genesis, in); err != nil {
		return note, &Error{PartImage, err}
	}
	t.base.View = t.machine.View()
	switch next := t.base.View.Cut().Number + 1; {
	case t.base.Digest != stated.Value:
		return note, refuse(PartImage, "it has digest %x, the committee has cosigned %x", t.base.Digest, stated.Value)
	case next != stated.Cut:
		return note, refuse(PartImage, "it lies before cut %d, the committee has cosigned the one before cut %d", next, stated.Cut)
	}
	return verified.Checkpoint, nil
}

// readEvidence takes the digest out of a receipt file.
func readEvidence(history *proof.History, file []byte) (*fsm.CutDigest, proof.Verified, error) {
	verified, err := history.VerifyProof(file)
	if err != nil {
		return nil, verified, err
	}
	_, body, err := fsm.ParseReceipt(verified.Leaf)
	if err != nil {
		return nil, verified, err
	}
	cut, ok := body.(*fsm.CutReceipt)
	if !ok || cut.Digest == nil {
		return nil, verified, fmt.Errorf("leaf %d states no digest", verified.Index)
	}
	return cut.Digest, verified, nil
}

// continues asks whether the base continues what is known, and returns the trees that
// the tail must pass through.
func (c *Receiver) continues(base *fsm.View, known []proof.Checkpoint, end uint64) (ahead map[uint64]tlog.Hash, err error) {
	size, root := base.TreeSize(), base.Root()
	ahead = map[uint64]tlog.Hash{}
	for _, k := range known {
		switch {
		case k.Size == 0:
		case k.Size > end:
			return nil, refuse(PartHistory, "it ends with %d leaves, before the %d of a tree that is known", end, k.Size)
		case k.Size == size && k.Root != root:
			return nil, refuse(PartHistory, "its tree of %d leaves has root %s, this node knows %s", size, root, k.Root)
		case k.Size > size:
			if other, twice := ahead[k.Size]; twice && other != k.Root {
				return nil, refuse(PartHistory, "two trees of %d leaves are known, with roots %s and %s", k.Size, other, k.Root)
			}
			ahead[k.Size] = k.Root
		case k.Size < size:
			if err := c.prove(size, root, k); err != nil {
				return nil, err
			}
		}
	}
	return ahead, nil
}

// prove asks for a proof that the base's tree continues one that is known.
func (c *Receiver) prove(size uint64, root tlog.Hash, known proof.Checkpoint) error {
	err := c.Prove(size, known.Size, func(path tlog.TreeProof) error {
		err := tlog.CheckTree(path, int64(size), root, int64(known.Size), known.Root)
		if err != nil {
			return refuse(PartHistory, "its tree of %d leaves does not continue the %d that this node knows: %w", size, known.Size, err)
		}
		return nil
	})
	if err == nil || c.Installed {
		return nil
	}
	if other, ok := errors.AsType[*Error](err); ok {
		return other
	}
	return fmt.Errorf("%w: %d leaves from %d: %w", ErrUnproven, size, known.Size, err)
}
