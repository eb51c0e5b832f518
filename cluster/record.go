package cluster

import (
	"fmt"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
)

// indexCommand is the index kind under which a command's identity leads to the
// ordinal of its outcome. The kinds of fsm.Ref, under which objects lead to leaves,
// are lower-case letters.
const indexCommand = 'I'

func commandKey(id fsm.Identity) journal.Key { return journal.IndexKey(indexCommand, id[:]) }

func refKey(r fsm.Ref) journal.Key { return journal.IndexKey(r.Kind, []byte(r.Key)) }

// record writes what one entry produced. Writing it again changes nothing, which
// is how a replay of Raft's log goes.
func record(j *journal.Journal, result *fsm.Result) error {
	if err := j.Append(result.FirstLeaf, result.Leaves, result.Hashes); err != nil {
		return err
	}
	if len(result.Outcomes) > 0 {
		records := make([][]byte, len(result.Outcomes))
		for i := range result.Outcomes {
			records[i] = result.Outcomes[i].Record()
		}
		if err := j.AppendOutcomes(result.FirstOrdinal, records); err != nil {
			return err
		}
	}
	for i := range result.Outcomes {
		if err := indexOutcome(j, &result.Outcomes[i]); err != nil {
			return err
		}
	}
	for _, receipt := range result.Receipts {
		if err := indexRefs(j, receipt.Leaf, receipt.Refs); err != nil {
			return err
		}
	}
	return nil
}

// indexOutcome makes an outcome findable by its command's identity. One that
// consumed nothing is left out, so that it is the outcome of the command that counted
// which stands.
func indexOutcome(j *journal.Journal, o *fsm.Outcome) error {
	if o.Unconsumed {
		return nil
	}
	if err := j.Put(commandKey(o.ID), o.Ordinal); err != nil {
		return fmt.Errorf("index the outcome of %s: %w", o.ID, err)
	}
	return nil
}

func indexRefs(j *journal.Journal, leaf uint64, refs []fsm.Ref) error {
	for _, ref := range refs {
		if err := j.Put(refKey(ref), leaf); err != nil {
			return fmt.Errorf("index leaf %d: %w", leaf, err)
		}
	}
	return nil
}
