package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/peer"
)

const (
	// drainFor is how long a stopping node waits for what it has in flight.
	drainFor = 3 * time.Second
	// closeCallsFor is how long it waits for calls of peers to end.
	closeCallsFor = time.Second
	// stopRaftFor is how long it waits for Raft itself.
	stopRaftFor = 15 * time.Second
	// notifyBuffer holds changes of leadership that nobody has looked at yet; Raft
	// must never wait for us.
	notifyBuffer = 64
)

// Run takes part in the cluster until ctx ends or something fatal happens, and
// returns that. It may be called once. A node that fails stops at once; one whose
// ctx ends first drains and hands over the lead.
func (n *Node) Run(ctx context.Context) error {
	running, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wait sync.WaitGroup
	server := n.peerServer()
	wait.Add(2)
	go func() {
		defer wait.Done()
		if err := n.port.Run(); err != nil {
			n.fail(err)
		}
	}()
	go func() {
		defer wait.Done()
		if err := server.Serve(n.port.Calls()); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			n.fail(fmt.Errorf("serve peers: %w", err))
		}
	}()
	notify := make(chan bool, notifyBuffer)
	n.transport = newTransport(n.port, n.config)
	r, err := n.startRaft(notify)
	if err != nil {
		n.fail(err)
	} else {
		n.raft.Store(r)
		n.background(running, &wait, r, notify)
	}
	select {
	case <-ctx.Done():
	case err = <-n.failed:
	}
	n.draining.Store(true)
	if r != nil && err == nil {
		n.handOver(r)
	}
	return errors.Join(err, n.shutdown(r, server, cancel, &wait))
}

// background starts everything that runs beside Raft.
func (n *Node) background(ctx context.Context, wait *sync.WaitGroup, r *raft.Raft, notify <-chan bool) {
	begin := func(f func(context.Context)) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			f(ctx)
		}()
	}
	begin(func(ctx context.Context) { n.lead(ctx, r, notify) })
	begin(n.finality.run)
	begin(n.watchForwards)
	fill := &backfill{
		replica: n.replica, path: n.dir.backfill(), peers: n.peers, calls: n.calls, fail: n.fail, log: n.config.Logger,
	}
	begin(fill.run)
	for _, name := range n.peers {
		begin(func(ctx context.Context) { n.load.watch(ctx, n.calls, name) })
	}
}

// handOver lets what is in flight land and gives the lead to somebody else, so that
// the cluster does not have to notice our absence.
func (n *Node) handOver(r *raft.Raft) {
	deadline := time.NewTimer(drainFor)
	defer deadline.Stop()
	for {
		landed := n.flights.none.next()
		if n.flights.len() == 0 {
			break
		}
		select {
		case <-landed:
			continue
		case <-deadline.C:
		}
		break
	}
	s := n.session.Load()
	if s == nil {
		return
	}
	// Nothing may be proposed during the transfer: an entry that Raft refused then
	// would leave a hole in the numbers of this term.
	s.stop(errStopping)
	<-s.ended
	if err := r.LeadershipTransfer().Error(); err != nil {
		n.config.Logger.Info("the lead could not be handed over", "err", err)
	}
}

var errStopping = errors.New("this node is stopping")

// shutdown ends everything in order: calls from peers, Raft, our own goroutines,
// and last the stores that all of them used.
func (n *Node) shutdown(r *raft.Raft, server *http.Server, cancel context.CancelFunc, wait *sync.WaitGroup) error {
	closing, done := context.WithTimeout(context.Background(), closeCallsFor)
	defer done()
	if server.Shutdown(closing) != nil {
		_ = server.Close()
	}
	var errs []error
	if r != nil {
		if err := stopRaft(r); err != nil {
			// What still runs may write; the process ends with the stores open.
			return err
		}
	}
	close(n.over)
	cancel()
	if n.transport.NetworkTransport != nil {
		errs = append(errs, n.transport.Close())
		n.transport.CloseStreams()
	}
	n.port.Close()
	n.calls.client.CloseIdleConnections()
	wait.Wait()
	n.replica.digests.Wait()
	return errors.Join(append(errs, n.closeStores())...)
}

// stopRaft waits for Raft, but not for ever: it may hang in a write to a broken disk.
func stopRaft(r *raft.Raft) error {
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown().Error() }()
	timer := time.NewTimer(stopRaftFor)
	defer timer.Stop()
	select {
	case err := <-stopped:
		return err
	case <-timer.C:
		return fmt.Errorf("raft has not stopped within %s", stopRaftFor)
	}
}

// lead runs a session whenever this node leads, until ctx ends. A session that ends
// while the node still leads is followed by another.
func (n *Node) lead(ctx context.Context, r *raft.Raft, notify <-chan bool) {
	for {
		for r.State() == raft.Leader && !n.draining.Load() {
			n.leadOnce(ctx, r, notify)
			if !pause(ctx, callPause) {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-notify:
		}
	}
}

// leadOnce runs one session to its end. News of a lost lead ends it; the news may
// be old, then the next session takes over at once.
func (n *Node) leadOnce(ctx context.Context, r *raft.Raft, notify <-chan bool) {
	s := n.newSession(ctx, r)
	defer s.stop(nil)
	n.session.Store(s)
	defer n.session.Store(nil)
	result := make(chan error, 1)
	go func() { result <- s.run() }()
	for {
		select {
		case leads := <-notify:
			if !leads {
				s.stop(errLostLead)
			}
		case err := <-result:
			n.config.Logger.Info("a leadership session has ended", "term", s.term, "why", err)
			return
		}
	}
}

func (n *Node) newSession(ctx context.Context, r *raft.Raft) *session {
	s := &session{
		term: r.CurrentTerm(), raft: r, replica: n.replica, flights: n.flights, clock: n.config.Clock, clocks: n.clocks,
		cosigns: &collector{finality: n.finality, calls: n.calls, self: n.index, observe: n.cutFinal},
		load:    n.load, log: n.config.Logger, idleTick: n.config.IdleTick,
		queue: newQueue(), ticks: make(chan *tick), slots: make(chan struct{}, maxInFlight),
		over: n.over, ended: make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancelCause(ctx)
	return s
}

// peerServer serves the calls of other nodes.
func (n *Node) peerServer() *http.Server {
	return &http.Server{
		Handler: n.peerHandler(), ConnContext: peer.WithCaller,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
	}
}
