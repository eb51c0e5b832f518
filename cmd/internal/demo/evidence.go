package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"lukechampine.com/uint128"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// tally is what the receipts in the journal say.
type tally struct {
	receipts, settlements, releases, baselines, rejected, unsettled int
	amount                                                          fsm.Amount
	settled                                                         map[uint64]bool
}

// take counts one receipt. A settlement that waited for funds has two.
func (t *tally) take(body any) {
	t.receipts++
	switch b := body.(type) {
	case *fsm.SettlementReceipt:
		if !t.settled[b.Settlement] {
			t.settled[b.Settlement] = true
			t.settlements++
			t.amount = t.amount.Add(b.Gross)
		}
	case *fsm.ReleaseReceipt:
		t.releases++
	case *fsm.ReadingReceipt:
		switch b.Status {
		case "baseline":
			t.baselines++
		case "rejected":
			t.rejected++
		case "quorum_failed":
			t.unsettled++
		}
	}
}

// evidence is the directory of proof files and what they prove.
type evidence struct {
	tally
	policy, dir string
	size        uint64
	cosigners   []string
}

// collect writes a proof file for every receipt under the newest checkpoint of
// a node, and the policy by which they are judged.
func (c *committee) collect(ctx context.Context, from *member) (*evidence, error) {
	e := &evidence{
		tally:  tally{settled: map[uint64]bool{}, amount: uint128.Zero},
		policy: filepath.Join(c.dir, "policy"), dir: filepath.Join(c.dir, "receipts"),
	}
	if err := os.MkdirAll(e.dir, 0o755); err != nil {
		return nil, err
	}
	policy := c.genesis.Policy()
	note := from.cluster.Checkpoint()
	checkpoint, cosigners, err := proof.VerifyCheckpoint(policy, note)
	if err != nil {
		return nil, fmt.Errorf("the final checkpoint of %s: %w", from.name, err)
	}
	e.size, e.cosigners = checkpoint.Size, cosigners
	for _, f := range []struct {
		name string
		data []byte
	}{{"policy", policy.Format()}, {"checkpoint", note}} {
		if err := os.WriteFile(filepath.Join(c.dir, f.name), f.data, 0o644); err != nil {
			return nil, err
		}
	}
	journal := from.cluster.Journal()
	shown := map[string]bool{}
	err = journal.Leaves(0, e.size, func(i uint64, leaf []byte) error {
		if leaf[0] != fsm.LeafReceipt {
			return ctx.Err()
		}
		kind, body, err := fsm.ParseReceipt(leaf)
		if err != nil {
			return fmt.Errorf("leaf %d: %w", i, err)
		}
		path, err := journal.ProveRecord(e.size, i)
		if err != nil {
			return fmt.Errorf("leaf %d: %w", i, err)
		}
		e.take(body)
		file := proof.FormatProof(leaf, i, path, note)
		if !shown[kind] { // one of each kind at the top, for people
			shown[kind] = true
			name := filepath.Join(c.dir, fmt.Sprintf("%s-%d.tlog-proof", kind, i))
			if err := os.WriteFile(name, file, 0o644); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(e.dir, fmt.Sprintf("%08d.tlog-proof", i)), file, 0o644)
	})
	return e, err
}
