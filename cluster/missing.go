package cluster

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// missing is what a journal lacks up to a state: leaves from firstLeaf on and
// outcomes from firstOutcome on, as far as they have been fetched. Edge and chain
// follow them.
type missing struct {
	journal      *journal.Journal
	target       *fsm.View
	firstLeaf    uint64
	firstOutcome uint64
	edge         proof.Edge
	chain        [32]byte
	leaves       *staging
	outcomes     *staging
}

// newMissing starts where the journal ends. The caller removes it.
func newMissing(j *journal.Journal, target *fsm.View, path string) (_ *missing, err error) {
	m := &missing{journal: j, target: target, firstLeaf: j.Size(), firstOutcome: j.OutcomeCount()}
	if m.edge, err = journalEdge(j); err != nil {
		return nil, err
	}
	if m.chain, err = journalChain(j); err != nil {
		return nil, err
	}
	if m.leaves, err = createStaging(path + ".leaves"); err != nil {
		return nil, err
	}
	if m.outcomes, err = createStaging(path + ".outcomes"); err != nil {
		m.leaves.remove()
		return nil, err
	}
	return m, nil
}

func (m *missing) remove() {
	m.leaves.remove()
	m.outcomes.remove()
}

// journalEdge is the right edge of the tree that the journal holds.
func journalEdge(j *journal.Journal) (proof.Edge, error) {
	size := j.Size()
	var indexes []int64
	for level := 62; level >= 0; level-- {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, int64(size>>level)-1))
		}
	}
	hashes, err := j.ReadHashes(indexes)
	if err != nil {
		return proof.Edge{}, fmt.Errorf("read the journal's edge: %w", err)
	}
	return proof.NewEdge(size, hashes)
}

// journalChain is the outcome chain over the outcomes that the journal holds.
func journalChain(j *journal.Journal) ([32]byte, error) {
	var chain [32]byte
	err := j.Outcomes(0, j.OutcomeCount(), func(_ uint64, record []byte) error {
		o, err := fsm.ParseOutcome(record)
		if err != nil {
			return err
		}
		chain = o.Link(chain)
		return nil
	})
	if err != nil {
		return chain, fmt.Errorf("read the journal's outcomes: %w", err)
	}
	return chain, nil
}

func (m *missing) addLeaf(leaf []byte) error {
	m.edge.Append(tlog.RecordHash(leaf))
	return m.leaves.put(leaf)
}

func (m *missing) addOutcome(record []byte) error {
	o, err := fsm.ParseOutcome(record)
	if err != nil {
		return err
	}
	if want := m.firstOutcome + m.outcomes.count; o.Ordinal != want {
		return fmt.Errorf("outcome %d stands in place of %d", o.Ordinal, want)
	}
	m.chain = o.Link(m.chain)
	return m.outcomes.put(record)
}

// check asks whether what was fetched is what the restored state is about.
func (m *missing) check() error {
	if m.edge.Root() != m.target.Root() {
		return errors.New("its leaves do not lead to the root of the restored state")
	}
	if m.chain != m.target.OutcomeChain() {
		return errors.New("its outcomes do not lead to the outcome chain of the restored state")
	}
	return m.match()
}

// match checks that the outcomes are those of the command leaves, one for each, in
// order.
func (m *missing) match() error {
	next, err := m.outcomes.records()
	if err != nil {
		return err
	}
	pair := func(i uint64, leaf []byte) error {
		id, ok := leafIdentity(leaf)
		if !ok {
			return nil
		}
		record, err := next()
		if err != nil {
			return fmt.Errorf("the outcome of the command at leaf %d is missing: %w", i, err)
		}
		o, err := fsm.ParseOutcome(record)
		if err == nil && (o.Leaf != i || o.ID != id) {
			err = fmt.Errorf("outcome %d is not that of the command at leaf %d", o.Ordinal, i)
		}
		return err
	}
	// The journal may end with commands whose outcomes are not in it.
	from, err := m.firstUnanswered()
	if err != nil {
		return err
	}
	if err := m.journal.Leaves(from, m.firstLeaf, pair); err != nil {
		return err
	}
	err = m.leaves.each(func(n uint64, leaf []byte) error { return pair(m.firstLeaf+n, leaf) })
	if err != nil {
		return err
	}
	if _, err := next(); !errors.Is(err, io.EOF) {
		return errors.New("there are more outcomes than commands")
	}
	return nil
}

// firstUnanswered is the leaf behind the last command whose outcome the journal
// holds.
func (m *missing) firstUnanswered() (uint64, error) {
	if m.firstOutcome == 0 {
		return 0, nil
	}
	record, err := m.journal.Outcome(m.firstOutcome - 1)
	if err != nil {
		return 0, err
	}
	o, err := fsm.ParseOutcome(record)
	if err != nil {
		return 0, err
	}
	return o.Leaf + 1, nil
}

// leafIdentity is the identity of the command in a leaf, if it is a command's.
func leafIdentity(leaf []byte) (fsm.Identity, bool) {
	if len(leaf) == 0 || leaf[0] != fsm.LeafCommand {
		return fsm.Identity{}, false
	}
	c, err := fsm.ParseFrame(leaf[1:])
	if err != nil {
		return fsm.Identity{}, false
	}
	return c.Identity(), true
}

// write appends what was fetched and checked to the journal. A crash on the way
// leaves a prefix, from which the next backfill goes on; so a record's index rows
// come before the record itself.
func (m *missing) write() error {
	err := m.leaves.each(func(n uint64, leaf []byte) error {
		i := m.firstLeaf + n
		if err := indexReceipt(m.journal, i, leaf); err != nil {
			return err
		}
		return m.journal.Append(i, [][]byte{leaf}, []tlog.Hash{tlog.RecordHash(leaf)})
	})
	if err != nil {
		return err
	}
	return m.outcomes.each(func(n uint64, record []byte) error {
		o, err := fsm.ParseOutcome(record)
		if err != nil {
			return err
		}
		if err := indexOutcome(m.journal, o); err != nil {
			return err
		}
		return m.journal.AppendOutcomes(m.firstOutcome+n, [][]byte{record})
	})
}

// indexReceipt makes a receipt leaf findable by what it is about.
func indexReceipt(j *journal.Journal, i uint64, leaf []byte) error {
	if len(leaf) == 0 || leaf[0] != fsm.LeafReceipt {
		return nil
	}
	_, body, err := fsm.ParseReceipt(leaf)
	if err != nil {
		return fmt.Errorf("leaf %d: %w", i, err)
	}
	return indexRefs(j, i, fsm.RefsOf(body))
}
