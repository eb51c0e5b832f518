package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/fsm"
)

// maxInFlight is how many entries the leader proposes before the first of them is
// applied. Few, so that under load many commands share an entry instead of many
// entries sharing a disk write.
const maxInFlight = 4

// A session is one node's leadership of one term: it numbers entries, packs
// commands into them and ticks. It begins behind Raft's barrier, when everything of
// earlier terms is applied here, so that it knows the number of the next entry, and
// it takes commands only once its first tick is applied.
//
// A session ends when Raft says that the lead is lost, or when one of its proposals
// fails; then the numbers that it gave out may never come, and only a new session
// can count again.
type session struct {
	term    uint64
	raft    *raft.Raft
	replica *replica
	flights *flights
	clock   func() time.Time
	clocks  *committeeClock
	cosigns *collector
	load    *followerLoad
	log     *slog.Logger
	// idleTick is how often an idle cluster says what time it is.
	idleTick time.Duration

	queue *queue
	ticks chan *tick
	slots chan struct{} // one for each entry in flight
	cuts  cutPace
	over  <-chan struct{} // closed once this incarnation of Raft has stopped

	ctx      context.Context // of this leadership; a session is its lifetime
	stop     context.CancelCauseFunc
	ended    chan struct{} // closed when run has returned
	open     atomic.Bool   // whether commands are taken
	proposed atomic.Uint64 // number of the last entry given to Raft
	flying   sync.WaitGroup
}

// errLostLead ends a session whose term is over.
var errLostLead = errors.New("this node no longer leads")

// run leads until stop is called or a proposal fails, and says why it ended.
func (s *session) run() error {
	ctx := s.ctx
	defer close(s.ended)
	defer s.open.Store(false)
	if err := s.wait(s.raft.Barrier(0)); err != nil {
		return fmt.Errorf("pass Raft's barrier: %w", err)
	}
	if s.raft.State() != raft.Leader || s.raft.CurrentTerm() != s.term {
		return errLostLead
	}
	s.proposed.Store(s.replica.view.Load().Number())
	var wait sync.WaitGroup
	wait.Add(3)
	go func() {
		defer wait.Done()
		s.cosigns.run(ctx)
	}()
	go func() {
		defer wait.Done()
		s.reconcile(ctx)
	}()
	go func() {
		defer wait.Done()
		s.keepTime(ctx)
	}()
	s.propose(ctx)
	s.open.Store(false)
	for _, item := range s.queue.close() {
		s.flights.abort(item.flight, unavailable("the leader has changed"))
	}
	s.flying.Wait()
	wait.Wait()
	return context.Cause(ctx)
}

// propose is the only place where entries are numbered and handed to Raft.
func (s *session) propose(ctx context.Context) {
	for {
		// A slot comes first: while none is free, the queue packs.
		select {
		case <-ctx.Done():
			return
		case s.slots <- struct{}{}:
		}
		if !s.proposeNext(ctx) {
			return
		}
	}
}

// proposeNext waits for something to propose and uses one slot for it.
func (s *session) proposeNext(ctx context.Context) bool {
	wake := s.queue.wake
	var relief <-chan struct{}
	if s.load.behind(s.proposed.Load(), time.Now()) {
		// Followers must catch up first; only ticks go on.
		relief, wake = s.load.changed.next(), nil
	}
	select {
	case <-ctx.Done():
		<-s.slots
		return false
	case <-relief:
		<-s.slots
	case t := <-s.ticks:
		s.submit(&fsm.Entry{Statements: t.statements}, nil, t)
	case <-wake:
		taken := s.queue.take()
		if len(taken) == 0 {
			<-s.slots
			return true
		}
		commands := make([]*fsm.Command, len(taken))
		for i, item := range taken {
			commands[i] = item.command
		}
		s.submit(&fsm.Entry{Commands: commands}, taken, nil)
	}
	return true
}

// submit completes an entry and gives it to Raft. Raft takes entries in the order
// of these calls, and a term's entries have no holes: one that Raft refuses ends
// the term or the session.
func (s *session) submit(e *fsm.Entry, items []queued, t *tick) {
	e.Number = s.proposed.Load() + 1
	// A leader's own clock only moves time within the majority's; whatever it says,
	// it must not make an entry that everybody refuses.
	e.At = min(max(s.clock().UnixMilli(), 0), maxClock)
	s.markCut(e)
	data := e.Append(logPrefix(s.term))
	s.replica.known.put(s.term, data[termLen:], e)
	s.proposed.Store(e.Number)
	future := s.raft.Apply(data, 0)
	s.flying.Add(1)
	go s.await(future, items, t)
}

// markCut puts a cut mark on the entry when one is wanted and the last is a second
// old, and cosignatures of an earlier one.
func (s *session) markCut(e *fsm.Entry) {
	view := s.replica.view.Load()
	if len(view.Alarms()) > 0 {
		return
	}
	e.Cut = view.Dirty() && s.cuts.take()
	c := s.cosigns.collected.Load()
	if c != nil && headerable(view, c) && (s.joins(view, e, c) || e.Cut && c.Cut > view.Final().Number) {
		e.Cosigned = c
	}
}

// headerable reports whether a header may carry the cosignatures: they must be of one
// of the cuts that the state still knows when the entry is applied, or every node
// would refuse it.
func headerable(view *fsm.View, c *fsm.Cosigned) bool {
	const margin = 8
	_, known := view.CutNumbered(c.Cut)
	return known && c.Cut+margin >= view.Cut().Number
}

// joins reports whether the entry can bring the pending change of the committee into
// effect. That takes a tick, with cosignatures on a cut which covers the decision and
// the new node's among them, whether or not an entry has carried the others before.
func (s *session) joins(view *fsm.View, e *fsm.Entry, c *fsm.Cosigned) bool {
	pending, ok := view.Pending()
	if !ok || len(e.Statements) == 0 {
		return false
	}
	cut, _ := view.CutNumbered(c.Cut)
	return cut.Size > pending.Decided && slices.ContainsFunc(c.Signatures, func(sig fsm.Cosignature) bool { return sig.Node == pending.New })
}

// await sees an entry through. What is applied has been answered by then.
func (s *session) await(future raft.ApplyFuture, items []queued, t *tick) {
	defer s.flying.Done()
	err := s.landed(future)
	if t != nil {
		t.applied <- err
	}
	<-s.slots
	if err == nil {
		return
	}
	s.stop(err)
	for _, item := range items {
		var answer error = &UnknownOutcome{ID: item.flight.id}
		if neverLogged(err) {
			answer = unavailable("the leader has changed")
		}
		s.flights.abort(item.flight, answer)
	}
}

// errRefusedEntry means that the state machine refused this node's own entry.
var errRefusedEntry = errors.New("the state machine refused this leader's entry")

// landed waits until an entry is applied or lost.
func (s *session) landed(future raft.ApplyFuture) error {
	if err := s.wait(future); err != nil {
		return err
	}
	switch response := future.Response().(type) {
	case error:
		return response
	case *fsm.Result:
		if response.Refused {
			return errRefusedEntry
		}
	}
	return nil
}

// wait waits for a future. One that Raft has committed but not yet handed to the
// state machine when it stops is never answered, so its goroutine stays behind; the
// process is ending then.
func (s *session) wait(future raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- future.Error() }()
	select {
	case err := <-done:
		return err
	case <-s.over:
		return raft.ErrRaftShutdown
	}
}

// neverLogged tells the errors after which an entry cannot be in anybody's log from
// those after which it may still come to be applied.
func neverLogged(err error) bool {
	return errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipTransferInProgress) ||
		errors.Is(err, raft.ErrEnqueueTimeout) || errors.Is(err, errRefusedEntry)
}

// retryAfter is what clients are told to wait while there is no leader.
const retryAfter = time.Second

func unavailable(reason string) error { return &Unavailable{Reason: reason, RetryAfter: retryAfter} }
