package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// appliedWithin bounds the wait for nodes that lag, and for open readings.
const appliedWithin = 2 * time.Minute

// How many readings a second a core can take in at most, as a guess at how many
// to sign ahead; too few cost a pause of the clock, too many cost time to sign.
const (
	batchesPerCore = 14_000
	singlesPerCore = 6_000
	settledPerCore = 6_000
)

// rig is what both phases work with.
type rig struct {
	config   Config
	site     *site
	who      trial.Parties
	signer   client.Signer // the provider's
	sender   *sender
	watchers []*client.Client // of one node each
	leader   int              // index of the node that led at the start
}

// phase drives one fleet.
type phase struct {
	rig
	fleet    *fleet
	estimate int // readings a second
	open     int // most readings that may be open; 0 means that none gets closed
	held     int // readings of earlier phases that the market holds open
	pending  int // go on until so many are open; 0 means for the time of the run
	row      api.Market
	profiles string // where the next window's profiles go; empty for none
	beside   *etcd  // gets what was sent after each window; nil for none

	sent    atomic.Int64 // accepted so far, with baselines
	spans   spans
	closed  atomic.Int64
	elapsed time.Duration // of the clock
	last    time.Duration // the same before the last window
	used    []usage       // by the nodes while the clock ran
	driver  float64       // processor time of this process while it ran
}

// baselines sends each meter's first reading, outside the clock.
func (p *phase) baselines(ctx context.Context) (*tally, error) {
	requests, err := p.fleet.sign(ctx, p.signer, min(p.config.Clients, 16), 128, 0)
	if err != nil {
		return nil, err
	}
	d := drive{sender: p.sender, counted: p.count}
	t, err := d.run(ctx, requests)
	if err != nil {
		return t, err
	}
	return t, p.applied(ctx, t.entry)
}

func (p *phase) count(n int) {
	p.sent.Add(int64(n))
	p.spans.count(n)
}

// run signs and drives window after window until the time is used up, the readings
// that are wanted are open, or the market takes no more.
func (p *phase) run(ctx context.Context) (*tally, error) {
	sum := newTally()
	p.used = make([]usage, len(p.site.nodes))
	for {
		left, want := p.next()
		if want <= 0 {
			return sum, nil
		}
		t, err := p.block(ctx, left, want)
		sum.add(t)
		if err != nil || t.accepted == 0 {
			return sum, err
		}
		if p.beside == nil {
			continue
		}
		if err := p.turn(ctx, t); err != nil {
			return sum, err
		}
	}
}

// next says for how long the next window may last and how many readings it takes;
// none if the phase is over.
func (p *phase) next() (left time.Duration, want int) {
	left = p.config.For - p.elapsed
	if p.beside != nil {
		left = min(left, p.config.For/etcdTurns)
	}
	if want = int(left.Seconds()*float64(p.estimate)) + 1; p.pending > 0 {
		left, want = MaxFor, p.pending-int(p.sent.Load())
	}
	if left <= 0 || want <= 0 {
		return 0, 0
	}
	want = min(want, window)
	if p.open > 0 {
		return left, want
	}
	room := p.fleet.room(int(p.row.MaxPendingPerMeter), int(p.row.MaxLiveReadings), p.held+int(p.sent.Load()))
	if want = min(want, room-p.config.Clients*p.config.Batch); want <= 0 {
		p.config.Progress.Say("the market takes no more open readings; the clock stops after %v", p.elapsed.Round(time.Millisecond))
	}
	return left, want
}

// block signs readings and drives them.
func (p *phase) block(ctx context.Context, left time.Duration, want int) (*tally, error) {
	p.config.Progress.Show(fmt.Sprintf("%s: signing %d readings", p.fleet.market, want))
	requests, err := p.fleet.sign(ctx, p.signer, p.config.Clients, p.config.Batch, want)
	if err != nil {
		return newTally(), err
	}
	return p.window(ctx, requests, left)
}

// turn lets etcd do what was just done here.
func (p *phase) turn(ctx context.Context, t *tally) error {
	took := p.elapsed - p.last
	if err := p.beside.turn(ctx, t.sent); err != nil {
		return err
	}
	last := &p.beside.result.Turns[len(p.beside.result.Turns)-1]
	last.Readings, last.ReadingsPerS = t.accepted, float64(t.accepted)/took.Seconds()
	return nil
}

// window drives what was signed, with the clock running until every node has
// applied it.
func (p *phase) window(ctx context.Context, requests [][]request, left time.Duration) (*tally, error) {
	profiled, err := p.profile(ctx, left)
	if err != nil {
		return newTally(), err
	}
	before, driver := p.usage(), self()
	began := time.Now()
	p.spans.start()
	d := drive{sender: p.sender, single: p.config.Batch == 1, until: began.Add(left), counted: p.count}
	if p.open > 0 {
		d.gate = p.gate
	}
	t, err := d.run(ctx, requests)
	if err == nil {
		err = p.applied(ctx, t.entry)
	}
	if err == nil && p.open > 0 {
		err = p.settled(ctx)
	}
	p.last = p.elapsed
	p.elapsed = p.spans.stop()
	p.driver += self() - driver
	for i, now := range p.usage() {
		now.cpuSeconds += p.used[i].cpuSeconds - before[i].cpuSeconds
		p.used[i] = now
	}
	return t, errors.Join(err, profiled())
}

// usage asks about all nodes; what cannot be asked is zero.
func (p *phase) usage() []usage {
	out := make([]usage, len(p.site.nodes))
	for i, n := range p.site.nodes {
		if u, err := usageOf(n.process.Pid); err == nil {
			out[i] = u
		}
	}
	return out
}

// applied waits until every node has applied an entry.
func (p *phase) applied(ctx context.Context, entry uint64) error {
	ctx, cancel := context.WithTimeout(ctx, appliedWithin)
	defer cancel()
	for i, w := range p.watchers {
		err := wait(ctx, 2*time.Millisecond, func() (bool, error) {
			status, err := w.Status(ctx)
			if err != nil {
				return false, err
			}
			return uint64(status.Index) >= entry, fmt.Errorf("it has applied %d entries of %d", status.Index, entry)
		})
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", p.site.URLs[i], err)
		}
	}
	return nil
}

// state asks a node for the market's row.
func (p *phase) state(ctx context.Context) (api.Market, error) {
	return marketOf(ctx, p.watchers[0], p.fleet.market)
}

func marketOf(ctx context.Context, node *client.Client, market string) (api.Market, error) {
	var list api.Markets
	if err := node.Get(ctx, "/v1/markets", nil, &list); err != nil {
		return api.Market{}, err
	}
	var names []string
	for _, m := range list.Markets {
		if m.Market == market {
			return m, nil
		}
		names = append(names, m.Market)
	}
	return api.Market{}, fmt.Errorf("the cluster has no market %q, but %q", market, names)
}

// show keeps the line of figures until ctx ends.
func (p *phase) show(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for last := p.sent.Load(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := p.sent.Load()
			line := fmt.Sprintf("%s: %d readings answered, %d/s", p.fleet.market, now, 4*(now-last))
			if p.open > 0 {
				line += fmt.Sprintf(", %d closed", p.closed.Load())
			}
			if now > last {
				p.config.Progress.Show(line)
			}
			last = now
		}
	}
}
