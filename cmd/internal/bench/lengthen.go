package bench

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// shortWindow is the dispute window of what is settled only to make the journal long,
// in blocks of a second. Phase settle counts settlements before the last of them is
// released, so it may not be much shorter.
const shortWindow = 10

// emptiedWithin bounds the wait until nothing is open and everything released.
const emptiedWithin = 15 * time.Minute

// lengthen settles until the journal is as long as is wanted. Then the state is made as
// small again as it was before the first phase, unless it is to be kept: otherwise a
// slow end would not tell a long journal from a large state.
func (p *phase) lengthen(ctx context.Context, s *Summary) error {
	if p.config.Hold {
		return p.attended(ctx, []string{settleMarket}, func() error { return p.grow(ctx, s) })
	}
	return p.attended(ctx, []string{ingestMarket, settleMarket}, func() error {
		if err := p.grow(ctx, s); err != nil {
			return err
		}
		return p.emptied(ctx)
	})
}

// grow goes on until the journal is long enough. A settled reading makes two leaves,
// itself and the receipt, and a third when it is released.
func (p *phase) grow(ctx context.Context, s *Summary) error {
	each := 3
	if p.config.Hold {
		each = 2
	}
	for {
		leaves, err := p.leaves(ctx)
		if err != nil || leaves >= uint64(p.config.Leaves) {
			return err
		}
		t, err := p.block(ctx, MaxFor, min(window, (p.config.Leaves-int(leaves))/each+1))
		s.note(t)
		if err != nil {
			return err
		}
		if t.accepted == 0 {
			return fmt.Errorf("the journal stays at %d leaves", leaves)
		}
	}
}

// emptied waits until no reading is open and no settlement held.
func (p *phase) emptied(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, emptiedWithin)
	defer cancel()
	for _, market := range []string{ingestMarket, settleMarket} {
		err := wait(ctx, time.Second, func() (bool, error) { return p.empty(ctx, market) })
		if err != nil {
			return fmt.Errorf("waiting for the state to become small: %w", err)
		}
	}
	return nil
}

// empty says whether a market holds nothing, or what it still holds.
func (p *phase) empty(ctx context.Context, market string) (bool, error) {
	row, err := marketOf(ctx, p.watchers[p.leader], market)
	if err != nil {
		return false, err
	}
	closed, err := closedOf(ctx, p.watchers[p.leader], market)
	if err != nil {
		return false, err
	}
	held, err := holds(ctx, p.watchers[p.leader], market)
	if err != nil {
		return false, err
	}
	open := uint64(row.LastReading) - closed
	p.config.Progress.Show(fmt.Sprintf("%s: %d readings open, settlements held: %v", market, open, held))
	return open == 0 && !held, fmt.Errorf("market %s has %d readings open, settlements held: %v", market, open, held)
}

// holds reports whether a market has settlements that are not released.
func holds(ctx context.Context, c *client.Client, market string) (bool, error) {
	var page api.Settlements
	err := c.Get(ctx, "/v1/settlements", url.Values{"market": {market}, "limit": {"1"}}, &page)
	return len(page.Settlements) > 0, err
}
