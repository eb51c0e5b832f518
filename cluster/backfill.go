package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// backfillPause is how long a node waits after all peers failed to give what it
// lacks.
const backfillPause = time.Second

// A backfill fills the journal of a node that has restored a snapshot which is
// ahead of its journal. What peers send lies in files of its own until all of it
// has been checked: the leaves against the root that the restored state holds, the
// outcomes against its outcome chain and against the command leaves. Only then is
// it written to the journal, which never takes anything back.
type backfill struct {
	replica *replica
	path    string // where fetched records wait
	peers   func() []string
	calls   *calls
	fail    func(error) // takes a local error, which ends the process
	log     *slog.Logger
}

// run fills gaps as they open, until ctx ends.
func (b *backfill) run(ctx context.Context) {
	for {
		changed := b.replica.opened.next()
		target := b.replica.openGap()
		if target == nil {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				continue
			}
		}
		if !b.fill(ctx, target) && !pause(ctx, backfillPause) {
			return
		}
	}
}

// fill tries one peer after the other and reports whether the journal now reaches
// the target.
func (b *backfill) fill(ctx context.Context, target *fsm.View) bool {
	for _, peer := range b.peers() {
		m, err := newMissing(b.replica.journal, target, b.path)
		if err != nil {
			b.fail(fmt.Errorf("prepare to fetch missing leaves: %w", err))
			return false
		}
		err = b.fetch(ctx, peer, m)
		if err == nil {
			err = m.check()
		}
		if err == nil {
			err = b.finish(m)
			m.remove()
			return err == nil
		}
		m.remove()
		if ctx.Err() != nil {
			return false
		}
		b.log.Warn("a peer does not give the leaves that this node lacks", "peer", peer, "err", err)
	}
	return false
}

func (b *backfill) finish(m *missing) error {
	err := m.write()
	closed := false
	if err == nil {
		closed, err = b.replica.closeGap(m.target)
	}
	if err != nil {
		b.fail(fmt.Errorf("write fetched leaves to the journal: %w", err))
	}
	b.log.Info("fetched missing leaves", "first", m.firstLeaf, "leaves", m.leaves.count, "outcomes", m.outcomes.count, "complete", closed)
	return err
}

// fetch puts the missing records into staging.
func (b *backfill) fetch(ctx context.Context, peer string, m *missing) error {
	for at := m.firstLeaf; at < m.target.TreeSize(); {
		next, err := b.calls.leaves(ctx, peer, at, m.target.TreeSize(), m.addLeaf)
		if err != nil {
			return err
		}
		if next <= at {
			return fmt.Errorf("its journal ends at leaf %d", at)
		}
		at = next
	}
	for at := m.firstOutcome; at < m.target.Commands(); {
		next, err := b.calls.outcomes(ctx, peer, at, m.target.Commands(), m.addOutcome)
		if err != nil {
			return err
		}
		if next <= at {
			return fmt.Errorf("its outcomes end at %d", at)
		}
		at = next
	}
	return nil
}

// pause waits and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
