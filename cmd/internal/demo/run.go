package demo

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Bounds of the steps around feeding: a healthy cluster needs a fraction.
const (
	startWithin  = 60 * time.Second
	settleWithin = 60 * time.Second
)

// Run plays the whole story and says what happened. The summary is complete
// only when the error is nil; Clean tells whether all of it held.
func Run(ctx context.Context, c Config) (Summary, error) {
	began := time.Now()
	if err := c.check(); err != nil {
		return Summary{}, err
	}
	if err := emptyDir(c.Dir); err != nil {
		return Summary{}, err
	}
	meters, err := c.meters(began)
	if err != nil {
		return Summary{}, err
	}
	team, err := found(c.Dir)
	if err != nil {
		return Summary{}, err
	}
	c.Progress.Say("cluster %s: short hash %s", team.genesis.ClusterID(), team.genesis.ShortHash())
	if err := team.start(ctx, c.Version); err != nil {
		return Summary{}, err
	}
	s := Summary{Nodes: len(team.members), Cluster: team.genesis.ClusterID(), Meters: len(meters), Dir: c.Dir}
	err = team.live(ctx, c, meters, &s)
	if stopped := team.shut(); err == nil {
		err = stopped
	}
	if err != nil {
		return s, err
	}
	c.Progress.Say("auditing %s from genesis", filepath.Join(c.Dir, nodeNames[0], "journal"))
	if err := team.audit(ctx, &s); err != nil {
		return s, err
	}
	s.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	return s, nil
}

// emptyDir makes the directory, or makes sure that nothing of anybody's is in it.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("directory %s is not empty (it has %s): name another with --dir", dir, entries[0].Name())
	}
	return nil
}

// live is everything that happens while the nodes run.
func (c *committee) live(ctx context.Context, config Config, meters []*meter, s *Summary) error {
	started, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := c.ready(started); err != nil {
		return err
	}
	admin, err := c.client(admins[0])
	if err != nil {
		return err
	}
	config.Progress.Say("three nodes run: %v", c.urls())
	if err := c.setup(started, admin, meters); err != nil {
		return err
	}
	config.Progress.Say("%d meters of %s and %s are registered; feeding for %v", len(meters), gridCoop, sunCoop, config.For)
	seen := newCounts()
	if err := c.trade(ctx, config, meters, seen, s); err != nil {
		return err
	}
	settled, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	if err := c.settle(settled, s); err != nil {
		return err
	}
	s.Readings.Submitted, s.Readings.Accepted, s.Readings.Refused = seen.submitted, seen.accepted, seen.refused
	return c.prove(settled, config, s)
}

// client dials all nodes as somebody.
func (c *committee) client(who string) (*client.Client, error) {
	return client.Dial(client.Config{URLs: c.urls(), Genesis: c.genesis, Key: c.key(who)})
}

// trade runs oracle agents and providers side by side, and lets somebody cheat.
func (c *committee) trade(ctx context.Context, config Config, meters []*meter, seen *counts, s *Summary) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	agents, agentCtx := errgroup.WithContext(ctx)
	for _, name := range oracles {
		api, err := c.client(name)
		if err != nil {
			return err
		}
		oracle, err := agent.New(agent.Config{
			Client: api, Key: c.key(name), Cluster: c.genesis.Cluster, Policy: policyFor(meters), Logger: c.agentLog(name),
		})
		if err != nil {
			return err
		}
		agents.Go(func() error { return ended(name, oracle.Run(agentCtx)) })
	}
	until := time.Now().Add(config.For)
	providers, feedCtx := errgroup.WithContext(agentCtx)
	for _, name := range []string{gridCoop, sunCoop} {
		api, err := c.client(name)
		if err != nil {
			return err
		}
		providers.Go(func() error { return c.feed(feedCtx, api, name, meters, seen, until) })
		if name == sunCoop {
			providers.Go(func() error {
				if err := sleep(feedCtx, config.For/3); err != nil {
					return err
				}
				done, err := c.mischief(feedCtx, api, meters, seen, config.Progress.Say)
				s.Mischief = done
				return err
			})
		}
	}
	providers.Go(func() error { return c.treasury(feedCtx, config.Progress.Say) })
	watch, stopWatch := context.WithCancel(feedCtx)
	defer stopWatch()
	go c.watch(watch, config.Progress, seen)
	if err := providers.Wait(); err != nil {
		return err
	}
	if err := c.closeReadings(ctx); err != nil {
		return err
	}
	stop()
	return agents.Wait()
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// agentLog is the agents' own file: it explains every rejection.
func (c *committee) agentLog(name string) *slog.Logger {
	f, err := os.OpenFile(filepath.Join(c.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(f, nil))
}

// policyFor lets the agents know what each meter can do, and when the sun is down.
func policyFor(meters []*meter) agent.Policy {
	p := agent.Policy{Comment: "the demo's meters", Default: agent.Abstain, RejectUnknownMeters: true}
	for _, m := range meters {
		most := api.Uint64(m.capacity)
		rule := agent.Rule{Market: market, Meter: m.id, MaxDeltaPerHour: &most}
		if m.lie != nil && m.provider == sunCoop {
			rule.Night = &agent.Night{From: agent.Clock(nightFrom * 60), To: agent.Clock(nightTo * 60)}
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

// watch shows figures until it is stopped.
func (c *committee) watch(ctx context.Context, p Progress, seen *counts) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			status, view := c.members[0].cluster.Status(), c.members[0].cluster.View()
			submitted, accepted, refused := seen.now()
			p.Show(fmt.Sprintf("readings %d sent, %d accepted, %d refused · settled %d · height %d · journal %d leaves, %d final · leader %s",
				submitted, accepted, refused, view.Oracle().LastSettlement(market), status.Height, status.TreeSize, status.FinalSize, status.Leader))
		}
	}
}
