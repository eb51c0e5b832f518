package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/transport/client"
)

// readyWithin is how long the nodes may take to elect a leader and serve.
const readyWithin = time.Minute

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
	sender, err := newSender(ctx, on, watchers, c.Clients)
	if err != nil {
		return err
	}
	defer sender.http.CloseIdleConnections()
	// One node less on the way: the leader orders what comes, wherever it comes in.
	sender.at.Store(int64(leader))

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
	if err := base.ingest(ctx, s); err != nil {
		return fmt.Errorf("phase ingest: %w", err)
	}
	if !on.own() {
		return nil
	}
	if err := base.settle(ctx, s); err != nil {
		return fmt.Errorf("phase settle: %w", err)
	}
	return nil
}

// ready waits for all nodes and says which of them leads.
func (s *site) ready(ctx context.Context, watchers []*client.Client) (leader int, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
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

// enrol registers a fleet, reads the market's row and sends the baselines.
func (p *phase) enrol(ctx context.Context, s *Summary) (*tally, error) {
	p.config.Progress.Say("registering %d meters in market %s", len(p.fleet.ids), p.fleet.market)
	setup, cancel := context.WithTimeout(ctx, registration)
	defer cancel()
	if err := p.site.registerMeters(setup, p.watchers[p.leader], p.who, p.fleet); err != nil {
		return nil, err
	}
	var err error
	if p.row, err = p.state(ctx); err != nil {
		return nil, err
	}
	t, err := p.baselines(ctx)
	if t != nil {
		s.note(t)
	}
	return t, err
}

// note adds what must not happen to the summary.
func (s *Summary) note(t *tally) {
	addTo(s.Refused, t.refused)
	addTo(s.Resent, t.resent)
	s.Lost += t.lost
}

// missing counts readings that were answered as accepted and are not in the
// state. On a cluster of its own nobody else sends any.
func (p *phase) missing(ctx context.Context) (int, error) {
	now, err := p.state(ctx)
	if err != nil || !p.site.own() {
		return 0, err
	}
	return int(p.sent.Load()) - int(now.LastReading-p.row.LastReading), nil
}

// ingest measures readings that nobody attests.
func (r rig) ingest(ctx context.Context, s *Summary) error {
	p := &phase{rig: r, fleet: newFleet(ingestMarket, "i", r.who, r.config.Meters), estimate: batchesPerCore * runtime.NumCPU()}
	if p.config.Batch == 1 {
		p.estimate = singlesPerCore * runtime.NumCPU()
	}
	if !p.site.own() {
		p.fleet.market = p.config.Market
	}
	if _, err := p.enrol(ctx, s); err != nil {
		return err
	}
	before, err := p.diskUsed()
	if err != nil {
		return err
	}
	side, stop := context.WithCancel(ctx)
	defer stop()
	published := &finality{}
	go published.watch(side, p.watchers[p.leader])
	go p.show(side)
	p.profiles = p.config.Profiles
	t, err := p.run(ctx)
	s.note(t)
	if err != nil {
		return err
	}
	late, cancel := context.WithTimeout(ctx, appliedWithin)
	defer cancel()
	final, err := published.judge(late, t.samples)
	if err != nil {
		return err
	}
	stop()
	if err := p.heaps(ctx); err != nil {
		return err
	}
	after, err := p.diskUsed()
	if err != nil {
		return err
	}
	missing, err := p.missing(ctx)
	s.Lost += max(missing, 0)
	s.ingested(p, t, final, after-before)
	if status, ask := p.watchers[p.leader].Status(ctx); ask == nil {
		s.JournalLeaves = uint64(status.TreeSize)
	}
	return err
}

func (p *phase) diskUsed() (int64, error) {
	if !p.site.own() {
		return 0, nil
	}
	return sizeOf(p.site.nodes[0].dir)
}

// ingested writes down what the first phase found.
func (s *Summary) ingested(p *phase, t *tally, final *histogram, grown int64) {
	s.Seconds, s.Readings = p.elapsed.Round(time.Millisecond).Seconds(), t.accepted
	s.ReadingsPerS = float64(t.accepted) / p.elapsed.Seconds()
	s.P50Ms, s.P99Ms = milliseconds(t.latency.quantile(50)), milliseconds(t.latency.quantile(99))
	s.FinalP50Ms, s.FinalP99Ms = milliseconds(final.quantile(50)), milliseconds(final.quantile(99))
	s.FinalSamples, s.DriverCPU = int(final.total), p.driver
	s.BytesPerRead = float64(grown) / float64(max(t.accepted, 1))
	for i, n := range p.site.nodes {
		s.NodeUsage = append(s.NodeUsage, Node{
			Node: n.name, Leader: i == p.leader,
			CPUSeconds: p.used[i].cpuSeconds, RSS: p.used[i].rss, Anonymous: p.used[i].anonymous,
		})
	}
}

// settle measures readings that three agents attest.
func (r rig) settle(ctx context.Context, s *Summary) error {
	p := &phase{
		rig: r, fleet: newFleet(settleMarket, "s", r.who, r.config.Meters),
		estimate: settledPerCore * runtime.NumCPU(), open: max(mostOpen, 2*r.config.Meters),
	}
	agents, side := errgroup.WithContext(ctx)
	side, stop := context.WithCancel(side)
	defer func() {
		stop()
		_ = agents.Wait() // Run ends without an error when its context does
	}()
	if err := p.site.attest(side, agents); err != nil {
		return err
	}
	go p.follow(side)
	go p.show(side)
	_, err := p.enrol(ctx, s)
	if err == nil {
		err = p.settled(ctx)
	}
	if err != nil {
		return err
	}
	t, err := p.run(ctx)
	s.note(t)
	if err != nil {
		return err
	}
	missing, err := p.missing(ctx)
	if err != nil {
		return err
	}
	s.Lost += max(missing, 0)
	if s.Settled, err = settlements(ctx, p.watchers[p.leader], settleMarket, int(p.sent.Load())); err != nil {
		return err
	}
	if s.Settled != t.accepted {
		return fmt.Errorf("%d readings were closed and %d settled: the oracles turned some down", t.accepted, s.Settled)
	}
	s.SettledSeconds = p.elapsed.Round(time.Millisecond).Seconds()
	s.SettledPerS = float64(s.Settled) / p.elapsed.Seconds()
	return nil
}
