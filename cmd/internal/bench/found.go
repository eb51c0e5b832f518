package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
)

// The bench's own cluster has two markets, so that the oracles find nothing to
// do in the first phase and no backlog of it in the second.
const (
	ingestMarket = "ingest"
	settleMarket = "energy"
)

// site is the cluster that is measured.
type site struct {
	*trial.Committee
	nodes []*child // none if somebody else runs them
}

// found makes keys, directories and genesis of a cluster on free ports.
func found(c Config) (*site, error) {
	g, err := genesis.Preset(genesis.ProfileCustom)
	if err != nil {
		return nil, err
	}
	row := g.Markets[0]
	// Two oracles of three are enough, so that none holds the others up.
	row.QuorumThresholdPpm = 600_000
	row.MaxPendingPerMeter, row.MaxLiveReadings = oracle.MaxPendingPerMeter, oracle.MaxLiveReadings
	if c.Leaves > 0 && !c.Hold {
		row.DisputeWindowBlocks = shortWindow
	}
	g.Markets = nil
	for _, market := range []string{ingestMarket, settleMarket} {
		row.Market = market
		g.Markets = append(g.Markets, row)
	}
	places, err := trial.LoopbackPlaces(c.Nodes)
	if err != nil {
		return nil, err
	}
	committee, err := trial.Found(trial.Plan{Name: "bench", Dir: c.Dir, Places: places, Genesis: g, Oracles: 3})
	if err != nil {
		return nil, err
	}
	s := &site{Committee: committee}
	for _, seat := range committee.Seats {
		s.nodes = append(s.nodes, &child{name: seat.Name, dir: seat.Dir, ops: seat.Ops})
	}
	return s, nil
}

// own reports whether the bench runs the nodes.
func (s *site) own() bool { return len(s.nodes) > 0 }

// wait looks again and again until done, or until ctx ends; then it tells what
// was still missing.
func wait(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, missing := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			if missing != nil {
				return fmt.Errorf("%w: %w", context.Cause(ctx), missing)
			}
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
