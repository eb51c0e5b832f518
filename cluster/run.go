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
//
// A [*HungDiskError] is returned while goroutines of the node still wait for its disk.
// Then the process must end.
func (n *Node) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	look := time.NewTicker(n.disk.every)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-look.C:
			if err := n.disk.look(); err != nil {
				// This first: Raft's heartbeats would keep the lead here. Nothing before it
				// may touch a disk, not even a log.
				n.port.Close()
				n.fail(err)
				return err
			}
		}
	}
}

func (n *Node) run(ctx context.Context) error {
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
	in, err := n.begin(ctx)
	if in != nil {
		n.replayed.Store(in.replayed)
		n.raft.Store(in.raft)
		n.background(running, &wait, in)
	} else if err != nil {
		n.fail(err)
	}
	select {
	case <-ctx.Done():
	case err = <-n.failed:
	}
	n.draining.Store(true)
	if in != nil && err == nil {
		n.handOver()
	}
	return errors.Join(err, n.shutdown(server, cancel, &wait))
}

// begin starts Raft, once this node may take part. It gives up with nothing when ctx
// ends or another part of the node fails.
func (n *Node) begin(ctx context.Context) (*incarnation, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	allowed := make(chan error, 1)
	go func() { allowed <- n.mayBegin(ctx) }()
	select {
	case err := <-allowed:
		if ctx.Err() != nil {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	case err := <-n.failed:
		n.fail(err)
		cancel()
		n.config.Logger.Debug("the start was given up", "err", <-allowed)
		return nil, nil
	}
	return n.consensus.open()
}

// background starts everything that runs beside Raft.
func (n *Node) background(ctx context.Context, wait *sync.WaitGroup, in *incarnation) {
	begin := func(f func(context.Context)) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			f(ctx)
		}()
	}
	begin(func(ctx context.Context) { n.partake(ctx, in) })
	begin(n.finality.run)
	begin(n.watchForwards)
	fill := &backfill{
		replica: n.replica, path: n.dir.backfill(), peers: n.roster.peers, calls: n.calls, within: answerWithin,
		fail: n.fail, log: n.config.Logger,
	}
	begin(fill.run)
	begin(func(ctx context.Context) {
		n.roster.attend(ctx, func(ctx context.Context, peer string) { n.load.watch(ctx, n.calls, peer) })
	})
	begin(n.followRaft)
	begin(n.watchRemoval)
	begin(n.auditor.run)
}

// handOver lets what is in flight land and gives the lead to somebody else, so that
// the cluster does not have to notice our absence.
func (n *Node) handOver() {
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
	if err := s.raft.LeadershipTransfer().Error(); err != nil {
		n.config.Logger.Info("the lead could not be handed over", "err", err)
	}
}

var errStopping = errors.New("this node is stopping")

// shutdown ends everything in order: calls from peers, Raft, our own goroutines,
// and last the stores that all of them used.
func (n *Node) shutdown(server *http.Server, cancel context.CancelFunc, wait *sync.WaitGroup) error {
	closing, done := context.WithTimeout(context.Background(), closeCallsFor)
	defer done()
	if server.Shutdown(closing) != nil {
		_ = server.Close()
	}
	if err := n.consensus.close(); err != nil {
		// What still runs may write; the process ends with the stores open.
		return err
	}
	close(n.over)
	cancel()
	n.port.Close()
	n.calls.client.CloseIdleConnections()
	wait.Wait()
	n.replica.digests.Wait()
	return n.closeStores()
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

// peerServer serves the calls of other nodes.
func (n *Node) peerServer() *http.Server {
	return &http.Server{
		Handler: n.peerHandler(), ConnContext: peer.WithCaller,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
	}
}
