package cluster

import (
	"errors"
	"fmt"
	"sort"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
)

// A Scan reads the journal's leaves in order, each command with its outcome. Leaves
// and outcomes are two sequences in the same order, so it finds its place in the
// second one once, by bisection, and counts from there on. It holds nothing open and
// is for one goroutine.
type Scan struct {
	journal *journal.Journal
	leaf    uint64 // the next one
	ordinal uint64 // of the first command at or after it
}

// A Scanned leaf is valid during the call that hands it out.
type Scanned struct {
	Leaf uint64
	Text []byte

	journal *journal.Journal
	ordinal uint64
}

// Outcome is what became of the command that the leaf holds.
func (s Scanned) Outcome() (*fsm.Outcome, error) {
	record, err := s.journal.Outcome(s.ordinal)
	if err != nil {
		return nil, fmt.Errorf("outcome of the command in leaf %d: %w", s.Leaf, err)
	}
	o, err := fsm.ParseOutcome(record)
	if err != nil {
		return nil, fmt.Errorf("outcome of the command in leaf %d: %w", s.Leaf, err)
	}
	if o.Leaf != s.Leaf {
		return nil, fmt.Errorf("outcome %d is of leaf %d, and leaf %d is its command", s.ordinal, o.Leaf, s.Leaf)
	}
	return o, nil
}

// Scannable is how many leaves a scan can read with their outcomes. It goes back
// while this node fetches what it lacks: then it is 0.
func (n *Node) Scannable() uint64 {
	// The view comes first: a journal that is complete after it was taken holds all
	// of it.
	size := n.View().TreeSize()
	if !n.replica.complete() {
		return 0
	}
	return size
}

// Scan begins at a leaf that is scannable, or the next one: behind one that is still to
// come it would not find the place of its outcome.
func (n *Node) Scan(from uint64) (*Scan, error) {
	var failed error
	ordinal := sort.Search(int(n.journal.OutcomeCount()), func(i int) bool {
		record, err := n.journal.Outcome(uint64(i))
		if err == nil {
			var o *fsm.Outcome
			if o, err = fsm.ParseOutcome(record); err == nil {
				return o.Leaf >= from
			}
		}
		failed = errors.Join(failed, err)
		return true
	})
	if failed != nil {
		return nil, fmt.Errorf("find the outcomes from leaf %d on: %w", from, failed)
	}
	return &Scan{journal: n.journal, leaf: from, ordinal: uint64(ordinal)}, nil
}

// Next is the leaf that the scan has come to.
func (s *Scan) Next() uint64 { return s.leaf }

// To hands out the leaves up to that number, which must be scannable, until fn says
// that it has enough.
func (s *Scan) To(end uint64, fn func(Scanned) (more bool, err error)) error {
	err := s.journal.Leaves(s.leaf, end, func(i uint64, text []byte) error {
		more, err := fn(Scanned{Leaf: i, Text: text, journal: s.journal, ordinal: s.ordinal})
		if err != nil {
			return err
		}
		s.leaf = i + 1
		if len(text) > 0 && text[0] == fsm.LeafCommand {
			s.ordinal++
		}
		if !more {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// Published is the newest published checkpoint, with an empty note if there is none,
// and a channel that is closed when there is a newer one.
func (n *Node) Published() (cosign.Published, <-chan struct{}) {
	changed := n.finality.published.Changed()
	return n.finality.published.Newest(), changed
}
