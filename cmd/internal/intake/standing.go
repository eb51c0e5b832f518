package intake

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Meters asks for the meters of a market by id. One that is not registered is
// missing in the answer.
func Meters(ctx context.Context, node *client.Client, market string, ids []string) (map[string]api.Meter, error) {
	if len(ids) > fewMeters {
		return listMeters(ctx, node, market, ids)
	}
	var mu sync.Mutex
	found := map[string]api.Meter{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asksAtATime)
	for _, id := range ids {
		group.Go(func() error {
			var list api.Meters
			err := node.Get(ctx, "/v1/meters", url.Values{"meter": {id}, "consistency": {"linearizable"}}, &list)
			if client.IsCode(err, "NotFound") {
				return nil
			}
			if err != nil {
				return fmt.Errorf("asking for meter %s: %w", id, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, m := range list.Meters {
				found[m.Meter] = m
			}
			return nil
		})
	}
	return found, group.Wait()
}

// Of a few meters each is asked for alone; beyond that the whole list is cheaper.
const (
	fewMeters   = 64
	asksAtATime = 8
)

func listMeters(ctx context.Context, node *client.Client, market string, ids []string) (map[string]api.Meter, error) {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	found := map[string]api.Meter{}
	// A list is read from its first wanted row to its last.
	slices.Sort(ids)
	query := url.Values{"limit": {"1000"}, "consistency": {"linearizable"}, "after": {before(ids[0])}}
	for last := ids[len(ids)-1]; ; {
		var page api.Meters
		if err := node.Get(ctx, "/v1/meters", query, &page); err != nil {
			return nil, fmt.Errorf("asking for the meters: %w", err)
		}
		for _, m := range page.Meters {
			if wanted[m.Meter] {
				found[m.Meter] = m
			}
		}
		if page.Next == "" || page.Next >= last {
			return found, nil
		}
		query.Set("after", page.Next)
	}
}

// before is a text that sorts before an id and not far from it.
func before(id string) string { return id[:len(id)-1] }

// Market asks for a market's row.
func Market(ctx context.Context, node *client.Client, id string) (api.Market, error) {
	query := url.Values{"limit": {"1000"}}
	for {
		var page api.Markets
		if err := node.Get(ctx, "/v1/markets", query, &page); err != nil {
			return api.Market{}, fmt.Errorf("asking for the market: %w", err)
		}
		for _, m := range page.Markets {
			if m.Market == id {
				return m, nil
			}
		}
		if page.Next == "" {
			return api.Market{}, fmt.Errorf("the cluster has no market %s", id)
		}
		query.Set("after", page.Next)
	}
}

// Decimals says how many decimals of a kWh a meter's register has, whose market
// counts some unit of energy.
func Decimals(unit string, decimals uint8) (int, error) {
	switch strings.ToLower(unit) {
	case "wh":
		return int(decimals) + 3, nil
	case "kwh":
		return int(decimals), nil
	case "mwh":
		return int(decimals) - 3, nil
	}
	return 0, fmt.Errorf("the market counts %s, and a file of interval values has energy", unit)
}

// MarkOf is how far the cluster is with a meter.
func MarkOf(m api.Meter) *Mark {
	mark := m.Newest
	if mark == nil {
		mark = m.Base
	}
	if mark == nil {
		return nil
	}
	return &Mark{Register: uint64(mark.Register), MeasuredAt: mark.MeasuredAt}
}
