package bench

import (
	"context"
	"path/filepath"
	"runtime"
	"time"
)

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

// intake is a phase of readings that nobody attests.
func (r rig) intake(mark string) *phase {
	p := &phase{rig: r, fleet: newFleet(ingestMarket, mark, r.who, r.config.Meters), estimate: batchesPerCore * runtime.NumCPU()}
	if p.config.Batch == 1 {
		p.estimate = singlesPerCore * runtime.NumCPU()
	}
	if !p.site.own() {
		p.fleet.market = p.config.Market
	}
	return p
}

// ingest measures readings that nobody attests, and says how many the market holds
// open then.
func (r rig) ingest(ctx context.Context, s *Summary) (held int, err error) {
	p := r.intake("i")
	p.pending, p.profiles = p.config.Pending, p.config.Profiles
	if len(p.config.VsEtcd) > 0 {
		if p.beside, err = dialEtcd(ctx, p.config.VsEtcd, "bench/"+r.who.Suffix, p.config.Clients); err != nil {
			return 0, err
		}
		defer p.beside.close() //nolint:errcheck // what was put has been answered
	}
	if _, err := p.enrol(ctx, s); err != nil {
		return 0, err
	}
	before, err := p.diskUsed()
	if err != nil {
		return 0, err
	}
	t, final, err := p.finally(ctx)
	s.note(t)
	if err != nil {
		return 0, err
	}
	if err := p.heaps(ctx, ""); err != nil {
		return 0, err
	}
	after, err := p.diskUsed()
	if err != nil {
		return 0, err
	}
	missing, err := p.missing(ctx)
	s.Lost += max(missing, 0)
	s.ingested(p, t, final, after-before)
	if leaves, ask := p.leaves(ctx); ask == nil {
		s.JournalLeaves = leaves
	}
	return s.Pending, err
}

// finally runs a phase and waits until all that was answered is under a cosigned
// checkpoint.
func (p *phase) finally(ctx context.Context) (*tally, *histogram, error) {
	side, stop := context.WithCancel(ctx)
	defer stop()
	published := &finality{}
	go published.watch(side, p.watchers[p.leader])
	go p.show(side)
	t, err := p.run(ctx)
	if err != nil {
		return t, nil, err
	}
	late, cancel := context.WithTimeout(ctx, appliedWithin)
	defer cancel()
	final, err := published.judge(late, t.samples)
	return t, final, err
}

// again measures what ingest measured, with the journal as long as it is now.
func (r rig) again(ctx context.Context, s *Summary, held int) error {
	p := r.intake("j")
	if r.config.Hold {
		p.held = held
	}
	if r.config.Profiles != "" {
		p.profiles = filepath.Join(r.config.Profiles, "again")
	}
	if _, err := p.enrol(ctx, s); err != nil {
		return err
	}
	var err error
	a := &Again{}
	if a.JournalLeaves, err = p.leaves(ctx); err != nil {
		return err
	}
	side, stop := context.WithCancel(ctx)
	defer stop()
	go p.show(side)
	t, err := p.run(ctx)
	s.note(t)
	if err != nil {
		return err
	}
	missing, err := p.missing(ctx)
	s.Lost += max(missing, 0)
	a.Readings, a.Seconds = t.accepted, p.elapsed.Round(time.Millisecond).Seconds()
	a.ReadingsPerS = float64(t.accepted) / p.elapsed.Seconds()
	a.P50Ms, a.P99Ms = milliseconds(t.latency.quantile(50)), milliseconds(t.latency.quantile(99))
	a.Spans, a.DriverCPU, a.NodeUsage = p.spans.list(), p.driver, p.nodes()
	s.Again = a
	if err != nil {
		return err
	}
	return p.heaps(ctx, "again")
}

// leaves asks how long the journal is.
func (p *phase) leaves(ctx context.Context) (uint64, error) {
	status, err := p.watchers[p.leader].Status(ctx)
	if err != nil {
		return 0, err
	}
	return uint64(status.TreeSize), nil
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
	s.Spans = p.spans.list()
	if p.site.own() { // in a market of others, others' readings are open too, and oracles close them
		s.Pending = int(p.sent.Load())
	}
	if p.beside != nil {
		s.Etcd = p.beside.summary()
	}
	s.NodeUsage = p.nodes()
}

// nodes says what each node used while the clock ran.
func (p *phase) nodes() []Node {
	var out []Node
	for i, n := range p.site.nodes {
		out = append(out, Node{
			Node: n.name, Leader: i == p.leader,
			CPUSeconds: p.used[i].cpuSeconds, RSS: p.used[i].rss, Anonymous: p.used[i].anonymous,
		})
	}
	return out
}
