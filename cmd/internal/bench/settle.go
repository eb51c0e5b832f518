package bench

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// mostOpen is how many readings may be open while agents attest: enough that
// they always find work, few enough that the backlog at the end is short.
const mostOpen = 20_000

const pollClosed = 20 * time.Millisecond

// settle measures readings that three agents attest.
func (r rig) settle(ctx context.Context, s *Summary) error {
	p := &phase{
		rig: r, fleet: newFleet(settleMarket, "s", r.who, r.config.Meters),
		estimate: settledPerCore * runtime.NumCPU(), open: max(mostOpen, 2*r.config.Meters),
	}
	err := p.attended(ctx, []string{settleMarket}, func() error { return p.attestedTo(ctx, s) })
	if err == nil && r.config.Leaves > 0 {
		err = p.lengthen(ctx, s)
	}
	s.SettledSpans = p.spans.list()
	return err
}

// attestedTo measures, while agents attest.
func (p *phase) attestedTo(ctx context.Context, s *Summary) error {
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

// attended does something beside agents that attest in markets.
func (p *phase) attended(ctx context.Context, markets []string, do func() error) error {
	agents, side := errgroup.WithContext(ctx)
	side, stop := context.WithCancel(side)
	defer func() {
		stop()
		_ = agents.Wait() // Run ends without an error when its context does
	}()
	if err := p.site.attest(side, agents, markets); err != nil {
		return err
	}
	go p.follow(side)
	go p.show(side)
	return do()
}

// attest runs an agent for each oracle until ctx ends.
func (s *site) attest(ctx context.Context, group *errgroup.Group, markets []string) error {
	policy := agent.Policy{Default: agent.Abstain}
	for _, market := range markets {
		policy.Rules = append(policy.Rules, agent.Rule{Market: market, Meter: "*"})
	}
	for _, key := range s.Oracles {
		api, err := s.Client(key, s.URLs...)
		if err != nil {
			return err
		}
		oracle, err := agent.New(agent.Config{
			Client: api, Key: key, Cluster: s.Genesis.Cluster, Policy: policy,
		})
		if err != nil {
			return err
		}
		group.Go(func() error {
			defer api.Close()
			return oracle.Run(ctx)
		})
	}
	return nil
}

// follow keeps count of closed readings until ctx ends.
func (p *phase) follow(ctx context.Context) {
	tick := time.NewTicker(pollClosed)
	defer tick.Stop()
	for ctx.Err() == nil {
		if n, err := closedOf(ctx, p.watchers[0], p.fleet.market); err == nil {
			p.closed.Store(int64(n))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// closedOf says up to which number all readings are closed.
func closedOf(ctx context.Context, c *client.Client, market string) (uint64, error) {
	var page api.Readings
	query := url.Values{"market": {market}, "limit": {"1"}, "consistency": {"stale"}}
	if err := c.Get(ctx, "/v1/readings", query, &page); err != nil {
		return 0, err
	}
	if len(page.Readings) == 0 {
		return uint64(page.Last), nil
	}
	return uint64(page.Readings[0].Number) - 1, nil
}

// gate holds a client back while too many readings are open.
func (p *phase) gate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, appliedWithin)
	defer cancel()
	return wait(ctx, pollClosed, func() (bool, error) {
		open := p.sent.Load() - p.closed.Load()
		return open < int64(p.open), fmt.Errorf("the oracles leave %d readings open", open)
	})
}

// settled waits until every reading that was sent is closed.
func (p *phase) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, appliedWithin)
	defer cancel()
	return wait(ctx, pollClosed, func() (bool, error) {
		open := p.sent.Load() - p.closed.Load()
		return open <= 0, fmt.Errorf("the oracles leave %d readings open", open)
	})
}

// settlements counts the settlements of a market, whose numbers are dense. The first
// of them may be released; the last is not, if it was made less than a dispute window
// ago.
func settlements(ctx context.Context, c *client.Client, market string, most int) (int, error) {
	low, high := 0, most // there are at least low and at most high
	for low < high {
		middle := (low + high) / 2
		var page api.Settlements
		query := url.Values{"market": {market}, "limit": {"1"}, "after": {strconv.Itoa(middle)}}
		if err := c.Get(ctx, "/v1/settlements", query, &page); err != nil {
			return 0, fmt.Errorf("counting settlements: %w", err)
		}
		if len(page.Settlements) == 0 {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}
