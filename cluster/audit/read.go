package audit

import (
	"context"
	"crypto/rand"
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
)

// An entry is a run of leaves: a header, its commands and the receipts behind
// them; or the one leaf of an entry that was refused.
type entry struct {
	first  uint64
	leaves [][]byte
	ready  chan struct{} // closed when the rest is filled in

	parsed *fsm.Entry // nil for a refused entry
	raw    []byte
	bad    error // why leaf badAt cannot be input
	badAt  int
}

// read cuts the journal into entries and hands each to those who verify and to the
// one who applies.
func (a *audit) read(ctx context.Context, work, inOrder chan<- *entry) error {
	var open *entry
	give := func() error {
		if open == nil {
			return nil
		}
		for _, to := range []chan<- *entry{work, inOrder} {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case to <- open:
			}
		}
		open = nil
		return nil
	}
	hashes := newHashCheck(a.config.Source)
	next := uint64(0)
	err := a.config.Source.Leaves(0, a.config.Source.Size(), func(i uint64, leaf []byte) error {
		if fsm.StartsEntry(leaf) || open == nil {
			if err := give(); err != nil {
				return err
			}
			open = &entry{first: i, ready: make(chan struct{})}
		}
		open.leaves = append(open.leaves, leaf)
		next = i + 1
		if err := hashes.check(i, leaf); err != nil {
			open.bad, open.badAt = err, len(open.leaves)-1
			return errLastEntry
		}
		return nil
	})
	if damaged, ok := errors.AsType[*journal.DamagedError](err); ok {
		// What could be read before is applied first: an earlier leaf may disagree too.
		if open == nil {
			open = &entry{first: next, ready: make(chan struct{})}
		}
		open.leaves = append(open.leaves, nil)
		open.bad, open.badAt = damaged, len(open.leaves)-1
		err = nil
	}
	if err != nil && !errors.Is(err, errLastEntry) {
		return err
	}
	return give()
}

// errLastEntry ends the reading behind a leaf that ends the audit.
var errLastEntry = errors.New("last entry")

// prepare rebuilds an entry from its leaves and verifies its signatures.
func (e *entry) prepare(keys *fsm.Keys) {
	defer close(e.ready)
	if e.bad == nil {
		e.parsed, e.badAt, e.bad = fsm.RebuildEntry(e.leaves)
	}
	if e.bad == nil && e.parsed != nil {
		e.raw = e.parsed.Encode()
		fsm.VerifyCommands(rand.Reader, keys, e.parsed.Commands)
	}
}

// hashBatch is how many stored hashes are read at a time.
const hashBatch = 1_024

// A hashCheck compares leaves with the hashes that their source keeps of them.
type hashCheck struct {
	source hashed // nil if the source keeps none
	size   uint64
	first  uint64
	batch  []tlog.Hash
}

func newHashCheck(s Source) *hashCheck {
	h := &hashCheck{size: s.Size()}
	h.source, _ = s.(hashed)
	return h
}

func (h *hashCheck) check(i uint64, leaf []byte) error {
	if h.source == nil {
		return nil
	}
	if i >= h.first+uint64(len(h.batch)) {
		indexes := make([]int64, 0, hashBatch)
		for n := i; n < min(i+hashBatch, h.size); n++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, int64(n)))
		}
		batch, err := h.source.ReadHashes(indexes)
		if err != nil {
			return err
		}
		h.first, h.batch = i, batch
	}
	if tlog.RecordHash(leaf) != h.batch[i-h.first] {
		return errors.New("it does not have the hash that the journal's tree keeps of it")
	}
	return nil
}
