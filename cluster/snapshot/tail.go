package snapshot

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

const (
	// batchCommands are verified together.
	batchCommands = 1_024
	// maxEntryBytes bounds the leaves of one entry.
	maxEntryBytes = 64 << 20
)

// A tail is the part of a snapshot that is applied.
type tail struct {
	receiver *Receiver
	base     Base
	machine  *fsm.Machine
	ahead    map[uint64]tlog.Hash // trees that must be passed, by size

	edge     proof.Edge
	batch    []entry // read and not applied yet
	commands []*fsm.Command
}

// An entry is what one Apply left in the journal.
type entry struct {
	leaves [][]byte
	parsed *fsm.Entry // nil for a refused one
}

// replay applies the tail up to its end, which must be the end of the snapshot.
func (t *tail) replay(in *bufio.Reader) error {
	t.edge = t.base.View.Edge()
	if err := t.read(in); err != nil {
		return err
	}
	if err := t.apply(); err != nil {
		return err
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	for size := range t.ahead {
		return fmt.Errorf("it does not come to the tree of %d leaves that is known", size)
	}
	return nil
}

// read takes leaf by leaf up to the empty block, and applies what makes a batch.
func (t *tail) read(in *bufio.Reader) error {
	var open [][]byte
	size, leaves := 0, uint64(0)
	for {
		leaf, err := fsm.ReadBlock(in, proof.MaxLeaf)
		if err != nil {
			return err
		}
		if len(open) > 0 && (len(leaf) == 0 || fsm.StartsEntry(leaf)) {
			if err := t.add(open); err != nil {
				return err
			}
			open, size = nil, 0
		}
		if len(leaf) == 0 {
			return nil
		}
		open = append(open, leaf)
		size, leaves = size+len(leaf), leaves+1
		if size > maxEntryBytes || leaves > MaxTail {
			return errors.New("an entry or the whole is too long")
		}
	}
}

// add takes the leaves of one entry, and applies what waits once that is enough.
func (t *tail) add(leaves [][]byte) error {
	parsed, badAt, err := fsm.RebuildEntry(leaves)
	if err != nil {
		return fmt.Errorf("leaf %d of an entry: %w", badAt, err)
	}
	t.batch = append(t.batch, entry{leaves, parsed})
	if parsed != nil {
		t.commands = append(t.commands, parsed.Commands...)
	}
	if len(t.commands) < batchCommands && len(t.batch) < batchCommands {
		return nil
	}
	return t.apply()
}

// apply verifies and applies what waits.
func (t *tail) apply() error {
	t.receiver.Verify(t.machine.Keys(), t.commands)
	for _, e := range t.batch {
		if err := t.take(e); err != nil {
			return err
		}
	}
	t.batch, t.commands = nil, nil
	return nil
}

// take applies one entry and compares what it leaves behind.
func (t *tail) take(e entry) error {
	var result *fsm.Result
	if e.parsed != nil {
		result = t.machine.Apply(e.parsed.Encode(), e.parsed)
	} else {
		var err error
		if result, err = t.machine.ReplayRefused(e.leaves[0]); err != nil {
			return err
		}
	}
	for i := range max(len(e.leaves), len(result.Leaves)) {
		if i >= len(e.leaves) || i >= len(result.Leaves) || !bytes.Equal(e.leaves[i], result.Leaves[i]) {
			return fmt.Errorf("leaf %d is not the one that applying entry %d leads to", result.FirstLeaf+uint64(i), result.Number)
		}
	}
	if result.Frozen != nil && result.FirstLeaf == t.base.View.TreeSize() && t.base.Leaf != 0 {
		t.machine.SupplyDigest(t.base.Digest) // the state frozen again is the base
	}
	for _, hash := range result.Hashes {
		t.edge.Append(hash)
		if err := t.pass(); err != nil {
			return err
		}
	}
	if t.receiver.Replayed != nil {
		t.receiver.Replayed(result, t.machine)
	}
	return nil
}

// pass compares the tree with the one of its size that is known, if there is one.
func (t *tail) pass() error {
	want, known := t.ahead[t.edge.Size()]
	if !known {
		return nil
	}
	if got := t.edge.Root(); got != want {
		return fmt.Errorf("its tree of %d leaves has root %s, known is %s", t.edge.Size(), got, want)
	}
	delete(t.ahead, t.edge.Size())
	return nil
}
