package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

const (
	// backfillPause is how long a node waits after all peers failed to give what it
	// lacks.
	backfillPause = time.Second
	// answerWithin bounds one answer of a peer, which is at most maxRangeBytes and a
	// record: whoever cannot send that much in this time is asked no more.
	answerWithin = 30 * time.Second
)

// A backfill fills the journal of a node that has restored a snapshot which is
// ahead of its journal. What peers send lies in files of its own until all of it
// has been checked: the leaves against the root that the restored state holds, the
// outcomes against its outcome chain and against the command leaves. Only then is
// it written to the journal, which never takes anything back.
//
// Peers are asked one after the other, and one that says nothing, or hands out a few
// bytes now and then, must not keep the node from asking the next: each answer has
// its time, and one that is neither full nor all there is to give is the peer's last.
type backfill struct {
	replica *replica
	path    string // where fetched records wait
	peers   func() []string
	calls   *calls
	within  time.Duration // for one answer
	fail    func(error)   // takes a local error, which ends the process
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
	if err := b.fetchRange(ctx, peer, b.calls.leaves, m.firstLeaf, m.target.TreeSize(), m.addLeaf); err != nil {
		return fmt.Errorf("leaves: %w", err)
	}
	if err := b.fetchRange(ctx, peer, b.calls.outcomes, m.firstOutcome, m.target.Commands(), m.addOutcome); err != nil {
		return fmt.Errorf("outcomes: %w", err)
	}
	return nil
}

// A rangeCall asks a peer for records and returns how far it went.
type rangeCall func(ctx context.Context, peer string, from, to uint64, fn func([]byte) error) (uint64, error)

// fetchRange makes as many calls as the records take.
func (b *backfill) fetchRange(ctx context.Context, peer string, call rangeCall, from, to uint64, take func([]byte) error) error {
	for at := from; at < to; {
		bytes := 0
		asking, cancel := context.WithTimeout(ctx, b.within)
		next, err := call(asking, peer, at, to, func(record []byte) error {
			bytes += len(record)
			return take(record)
		})
		cancel()
		if err != nil {
			return err
		}
		if next < to && bytes < maxRangeBytes {
			return fmt.Errorf("the peer's end at %d, and %d are wanted", next, to)
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
