package cluster

import (
	"context"
	"errors"

	"github.com/hashicorp/raft"
)

// partake leads whenever this node is elected, and opens Raft again when its log and
// an installed snapshot demand it.
func (n *Node) partake(ctx context.Context, in *incarnation) {
	for {
		leading, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			n.lead(leading, in)
		}()
		reopen := false
		select {
		case <-ctx.Done():
		case <-in.conflict:
			reopen = true
		}
		stop()
		if !reopen {
			<-ended
			return
		}
		n.config.Logger.Warn("the log goes on where the committee went another way; it is dropped and Raft reopened")
		next, err := n.consensus.reopen()
		// A session ends for sure only once its Raft has stopped.
		<-ended
		if err != nil {
			if !errors.Is(err, errClosed) {
				n.fail(err)
			}
			return
		}
		in = next
		n.raft.Store(in.raft)
		n.replica.configured.fire()
	}
}

// lead runs a session whenever this node leads, until ctx ends. A session that ends
// while the node still leads is followed by another.
func (n *Node) lead(ctx context.Context, in *incarnation) {
	for {
		for in.raft.State() == raft.Leader && !n.draining.Load() {
			n.leadOnce(ctx, in)
			if !pause(ctx, callPause) {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-in.notify:
		}
	}
}

// leadOnce runs one session to its end. News of a lost lead ends it; the news may
// be old, then the next session takes over at once.
func (n *Node) leadOnce(ctx context.Context, in *incarnation) {
	s := n.newSession(ctx, in)
	defer s.stop(nil)
	n.session.Store(s)
	defer n.session.Store(nil)
	result := make(chan error, 1)
	go func() { result <- s.run() }()
	for {
		select {
		case leads := <-in.notify:
			if !leads {
				s.stop(errLostLead)
			}
		case err := <-result:
			n.config.Logger.Info("a leadership session has ended", "term", s.term, "why", err)
			if errors.Is(err, errReplaced) {
				if err := in.raft.LeadershipTransfer().Error(); err != nil {
					n.config.Logger.Info("the lead could not be handed over", "err", err)
				}
			}
			return
		}
	}
}

func (n *Node) newSession(ctx context.Context, in *incarnation) *session {
	s := &session{
		term: in.raft.CurrentTerm(), raft: in.raft, replica: n.replica, flights: n.flights, clock: n.config.Clock, clocks: n.clocks,
		cosigns: &collector{finality: n.finality, calls: n.calls, self: n.self.Name, alive: n.load.alive, observe: n.cutFinal},
		load:    n.load, log: n.config.Logger, idleTick: n.config.idleTick,
		queue: newQueue(), ticks: make(chan *tick), slots: make(chan struct{}, maxInFlight),
		over: in.over, ended: make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancelCause(ctx)
	return s
}
