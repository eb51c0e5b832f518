package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/client"
)

// counts is what the providers saw of their readings.
type counts struct {
	mu        sync.Mutex
	submitted int
	accepted  int
	refused   map[string]int
}

func newCounts() *counts { return &counts{refused: map[string]int{}} }

// take counts one outcome. An outcome that stayed unknown is an error: the
// demo's cluster is healthy.
func (c *counts) take(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.submitted++
	var refusal *client.Refused
	switch {
	case err == nil:
		c.accepted++
	case errors.As(err, &refusal):
		c.refused[refusal.Code]++
	default:
		return err
	}
	return nil
}

func (c *counts) now() (submitted, accepted, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.submitted, c.accepted, c.submitted - c.accepted
}

// feed lets one provider submit its meters' readings, round for round, until
// the points are used up or the time is over. It returns how many rounds.
func (c *committee) feed(ctx context.Context, api *client.Client, provider string, meters []*meter, seen *counts, until time.Time) error {
	signer := c.signer(provider)
	pace := time.NewTicker(roundPause)
	defer pace.Stop()
	for round := 0; time.Now().Before(until); round++ {
		var batch []envelope.Envelope
		for _, m := range meters {
			if m.provider != provider || round >= len(m.points) {
				continue
			}
			e, err := m.sign(signer, round)
			if err != nil {
				return err
			}
			batch = append(batch, e)
		}
		if len(batch) == 0 {
			return nil
		}
		for i, result := range api.SubmitBatch(ctx, batch) {
			if err := seen.take(result.Err); err != nil {
				return fmt.Errorf("%s: reading %d of round %d: %w", provider, i+1, round+1, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pace.C:
		}
	}
	return nil
}

// sign makes the envelope of a meter's n-th reading, on the meter's own lane.
func (m *meter) sign(signer client.Signer, n int) (envelope.Envelope, error) {
	point := m.points[n]
	if m.lie != nil && n == m.lieAt {
		point = m.lie.Point
	}
	reading := &fsm.SubmitReading{
		Market: market, Meter: m.id, Register: point.Register, MeasuredAt: point.MeasuredAt,
		Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: cmp.Or(point.Quality, "ok")},
	}
	return signer.Build(reading, "m/"+m.id, uint64(n+1), time.Now(), time.Hour)
}
