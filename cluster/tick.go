package cluster

import (
	"context"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

const (
	// defaultIdleTick is how often a cluster with nothing to do still says what time it
	// is.
	defaultIdleTick = 5 * time.Second
	// leastTick parts ticks that wait for a height to be reached.
	leastTick = 50 * time.Millisecond
)

// A tick waits for its place in the sequence of entries.
type tick struct {
	statements []fsm.Statement
	applied    chan error
}

// keepTime ticks until ctx ends: at once in a new session, then when something is
// due, when a cut is wanted, and when the cluster idles. There is one tick in flight
// at a time, because statements are for one tick number. The first one opens the
// session for commands.
func (s *session) keepTime(ctx context.Context) {
	var last time.Time
	for {
		moved := s.replica.moved.next()
		view := s.replica.view.Load()
		if wait := s.untilTick(view, last); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-moved:
			case <-timer.C:
			}
			timer.Stop()
			if ctx.Err() != nil {
				return
			}
			continue
		}
		if err := s.tick(ctx, view); err != nil {
			if ctx.Err() != nil {
				return
			}
			s.log.Warn("no tick", "err", err)
			if !pause(ctx, callPause) {
				return
			}
			continue
		}
		last = time.Now()
		s.open.Store(true)
	}
}

// untilTick is how long the next tick can wait.
func (s *session) untilTick(view *fsm.View, last time.Time) time.Duration {
	if last.IsZero() || view.DueNow() {
		return 0
	}
	since := time.Since(last)
	wait := s.idleTick - since
	if view.Dirty() && len(view.Alarms()) == 0 {
		wait = min(wait, s.cuts.left())
	}
	if due, ok := view.NextDue(); ok {
		wait = min(wait, s.untilHeight(view, due, since))
	}
	return max(wait, leastTick-since)
}

// untilHeight estimates when a tick will reach a height. What is left over of the
// last block is not counted.
func (s *session) untilHeight(view *fsm.View, height uint64, since time.Duration) time.Duration {
	const farBlocks = 1_000
	blocks := min(height-view.Height(), farBlocks)
	reached := view.Now() + int64(blocks)*int64(view.Genesis().BlockMs)
	return time.Duration(reached-s.entryTime(view, since)) * time.Millisecond
}

// entryTime is the time to which an entry would move the cluster's now: this node's
// clock, held to the committee's. Going by this node's clock alone, a leader whose
// clock is a day ahead would tick without a pause as long as anything is due, and one
// that is a day behind would let it wait.
func (s *session) entryTime(view *fsm.View, since time.Duration) int64 {
	median := view.Median() + since.Milliseconds()
	return min(max(s.clock().UnixMilli(), median), median+int64(view.Genesis().AllowanceMs))
}

// tick collects the clocks and sees one tick through.
func (s *session) tick(ctx context.Context, view *fsm.View) error {
	statements, err := s.clocks.gather(ctx, view)
	if err != nil {
		return err
	}
	t := &tick{statements: statements, applied: make(chan error, 1)}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case s.ticks <- t:
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-t.applied:
		return err
	}
}
