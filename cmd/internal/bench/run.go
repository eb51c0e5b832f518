package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/transport/client"
)

// How long the nodes may take to elect a leader and serve: those that are started
// here, and those that are said to run already.
const (
	readyWithin  = time.Minute
	targetWithin = 10 * time.Second
)

// Run measures. The summary is complete only when the error is nil; Clean tells
// whether its figures mean what they say.
func Run(ctx context.Context, c Config) (s Summary, err error) {
	if err := c.normal(); err != nil {
		return s, err
	}
	s = Summary{
		Nodes: c.Nodes, Batch: c.Batch, Clients: c.Clients, Meters: c.Meters, Refused: map[string]int{}, Resent: map[string]int{},
		Version: c.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		CPUs: runtime.NumCPU(), Load: loadAverage(),
	}
	if len(c.Target) > 0 {
		s.Nodes = len(c.Genesis.Nodes)
		return s, measure(ctx, c, &site{Committee: &trial.Committee{Genesis: c.Genesis, URLs: c.Target, Admins: c.Admins}}, &s)
	}
	if s.FileSystem, err = claim(c.Dir); err != nil {
		return s, err
	}
	own, err := found(c)
	if err != nil {
		return s, fmt.Errorf("founding a cluster in %s: %w", c.Dir, err)
	}
	running, fail := context.WithCancelCause(ctx)
	err = own.start(running, c, fail)
	if err == nil {
		err = measure(running, c, own, &s)
	}
	if cause := context.Cause(running); cause != nil && ctx.Err() == nil {
		err = cause
	}
	fail(context.Canceled) // from here on a node that ends was told to
	err = errors.Join(err, own.stop())
	own.fillIn(s.NodeUsage)
	return s, err
}

// fillIn takes the nodes' whole lives where they could not be asked before.
func (s *site) fillIn(nodes []Node) {
	for i := range nodes {
		if nodes[i].RSS == 0 {
			nodes[i].CPUSeconds, nodes[i].RSS = s.nodes[i].life.cpuSeconds, s.nodes[i].life.rss
		}
	}
}

// measure runs the phases on a cluster that is starting or running.
func measure(ctx context.Context, c Config, on *site, s *Summary) error {
	watchers, err := on.Watchers()
	if err != nil {
		return err
	}
	for _, w := range watchers {
		defer w.Close()
	}
	leader, err := on.ready(ctx, watchers)
	if err != nil {
		return err
	}
	sender, err := newSender(ctx, on, watchers)
	if err != nil {
		return err
	}
	defer sender.links.close()
	// One node less on the way: the leader orders what comes, wherever it comes in.
	sender.at.Store(int64(leader))

	if !on.own() { // before anything is registered there
		if _, err := marketOf(ctx, watchers[leader], c.Market); err != nil {
			return err
		}
	}
	setup, cancel := context.WithTimeout(ctx, registration)
	defer cancel()
	who, err := on.Enrol(setup, watchers[leader], "bench")
	if err != nil {
		return err
	}
	base := rig{
		config: c, site: on, who: who, sender: sender, watchers: watchers, leader: leader,
		signer: client.Signer{Key: who.Key, Cluster: on.Genesis.Cluster},
	}
	held, err := base.ingest(ctx, s)
	if err != nil {
		return fmt.Errorf("phase ingest: %w", err)
	}
	if !on.own() {
		return nil
	}
	if err := base.settle(ctx, s); err != nil {
		return fmt.Errorf("phase settle: %w", err)
	}
	if c.Leaves == 0 {
		return nil
	}
	if err := base.again(ctx, s, held); err != nil {
		return fmt.Errorf("phase ingest, again: %w", err)
	}
	return nil
}

// ready waits for all nodes and says which of them leads.
func (s *site) ready(ctx context.Context, watchers []*client.Client) (leader int, err error) {
	within := readyWithin
	if !s.own() {
		within = targetWithin
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not ready within %v", within))
	defer cancel()
	for i, w := range watchers {
		err := wait(ctx, 50*time.Millisecond, func() (bool, error) {
			status, err := w.Status(ctx)
			if err != nil {
				return false, err
			}
			if status.Role == "leader" {
				leader = i
			}
			return status.Ready && status.Leader != "", fmt.Errorf("not ready: %v", status.Reasons)
		})
		if err != nil {
			return 0, fmt.Errorf("waiting for %s: %w", s.URLs[i], err)
		}
	}
	return leader, nil
}

// self is this process's own processor time so far.
func self() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / float64(time.Second)
}
