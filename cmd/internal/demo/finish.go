package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tallyvault/tallyvault/cluster/audit"
	"github.com/tallyvault/tallyvault/oracle"
)

// closeReadings waits until no reading is live any more: settled, rejected, or
// expired without a quorum.
func (c *committee) closeReadings(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	return wait(ctx, func() (bool, error) {
		live := 0
		c.members[0].cluster.View().Oracle().Pending(market, 0, func(oracle.Reading) bool { live++; return true })
		return live == 0, fmt.Errorf("%d readings are still open", live)
	})
}

// settle waits until all money is released, all of it is final on every node,
// and all nodes state one digest for one entry.
func (c *committee) settle(ctx context.Context, s *Summary) error {
	first := c.members[0].cluster
	err := wait(ctx, func() (bool, error) {
		held := 0
		first.View().Oracle().Settlements(market, 0, func(oracle.Settlement) bool { held++; return true })
		return held == 0, fmt.Errorf("%d settlements are still held", held)
	})
	if err != nil {
		return err
	}
	// Ticks and cuts want no cut of their own: what must become final lies below
	// the newest cut of a state that wants none.
	var size uint64
	err = wait(ctx, func() (bool, error) {
		view := first.View()
		size = view.Cut().Size
		return !view.Dirty(), errors.New("the newest receipts are not under a cut yet")
	})
	if err != nil {
		return err
	}
	for _, m := range c.members {
		if err := m.cluster.WaitFinal(ctx, size); err != nil {
			return fmt.Errorf("%s: waiting for a checkpoint of %d leaves: %w", m.name, size, err)
		}
	}
	return wait(ctx, func() (bool, error) {
		digests := map[[32]byte]bool{}
		entries := map[uint64]bool{}
		for _, m := range c.members {
			entry, digest, err := m.cluster.Digest(ctx)
			if err != nil {
				return false, err
			}
			entries[entry], digests[digest] = true, true
			s.StateDigest = fmt.Sprintf("%x", digest)
		}
		s.StateDigestsEqual = len(digests) == 1
		return len(entries) == 1, errors.New("the nodes are at different entries")
	})
}

// prove writes the evidence and lets somebody else verify it.
func (c *committee) prove(ctx context.Context, config Config, s *Summary) error {
	e, err := c.collect(ctx, c.members[0])
	if err != nil {
		return err
	}
	s.Settlements, s.Settled, s.Releases, s.Receipts = e.settlements, e.amount.String(), e.releases, e.receipts
	s.Readings.Settled, s.Readings.Baselines = e.settlements, e.baselines
	s.Readings.Rejected, s.Readings.Unsettled = e.rejected, e.unsettled
	s.Checkpoint = Checkpoint{Size: e.size, CosignedBy: e.cosigners}
	s.Disbursements = c.disbursements()
	s.Conservation = c.members[0].cluster.View().Conserved() == nil
	config.Progress.Say("%d receipts lie under checkpoint %d, cosigned by %v; a child process verifies them", e.receipts, e.size, e.cosigners)
	s.ReceiptsVerifiedOffline, err = config.Verify(e.policy, e.dir)
	return err
}

// audit re-runs everything from genesis, with the nodes stopped.
func (c *committee) audit(ctx context.Context, s *Summary) error {
	report, err := audit.Run(ctx, audit.Config{Genesis: c.genesis, Dir: filepath.Join(c.dir, nodeNames[0], "journal")})
	if err != nil {
		return err
	}
	s.AuditClean = report.Clean()
	return nil
}
