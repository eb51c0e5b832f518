package bench

import (
	"context"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/client"
)

// What the bench's meters measure: 180 units an hour, far below capacity, in
// steps small enough that thousands of readings lie within a week.
const (
	interval     = 10 * time.Second
	delta        = 500
	decimals     = 3
	capacity     = 1_000_000
	registration = 5 * time.Minute
)

// registerMeters registers a fleet's meters.
func (s *site) registerMeters(ctx context.Context, api *client.Client, p trial.Parties, f *fleet) error {
	var meters []fsm.MeterRow
	for _, id := range f.ids {
		meters = append(meters, fsm.MeterRow{
			Meter: id, Provider: p.Provider, Payer: p.Payer, Capacity: capacity,
			IntervalMs: interval.Milliseconds(), Decimals: decimals,
		})
	}
	return s.RegisterMeters(ctx, api, f.market, meters)
}
