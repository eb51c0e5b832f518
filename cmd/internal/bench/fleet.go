package bench

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/client"
)

// window is the most readings that are signed ahead: some 200 MiB of requests,
// and signed within the market's allowance for what has waited before it is sent.
const window = 1 << 18

// history is how far back a meter's first reading lies; a week is what a market
// usually allows.
const history = 6 * 24 * time.Hour

// mostOfMeter is how many readings of one meter fit between then and now.
const mostOfMeter = int(history / interval)

// fleet is the meters of one phase with how far each has been read.
type fleet struct {
	market string
	ids    []string
	next   []int // the number of each meter's next reading, from 1; also its nonce
	since  time.Time
}

func newFleet(market, mark string, p trial.Parties, n int) *fleet {
	f := &fleet{market: market, next: make([]int, n), since: time.Now().Add(-history)}
	for i := range n {
		f.ids = append(f.ids, fmt.Sprintf("b%s-%s%05d", p.Suffix, mark, i))
		f.next[i] = 1
	}
	return f
}

// request is a body ready to be sent, with how many readings it holds.
type request struct {
	body []byte
	n    int
}

// share is the range of meters that one client of so many sends for. The order of
// a meter's readings is kept because no other client has any of them.
func (f *fleet) share(client, of int) (from, to int) {
	return client * len(f.ids) / of, (client + 1) * len(f.ids) / of
}

// sign makes requests with about total readings in all, in order, for each
// client, on all cores; with total 0, with one reading of each meter.
func (f *fleet) sign(ctx context.Context, s client.Signer, clients, batch, total int) ([][]request, error) {
	each := max((total+clients*batch-1)/(clients*batch), 1) * batch
	out := make([][]request, clients)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for c := range clients {
		group.Go(func() error {
			from, to := f.share(c, clients)
			readings := each
			if total == 0 {
				readings = to - from
			}
			var err error
			out[c], err = f.signShare(ctx, s, from, to, readings, batch)
			return err
		})
	}
	return out, group.Wait()
}

// signShare goes through the meters in turns, from the first that was read least.
func (f *fleet) signShare(ctx context.Context, s client.Signer, from, to, readings, batch int) ([]request, error) {
	at := from
	for i := from; i < to; i++ {
		if f.next[i] < f.next[at] {
			at = i
		}
	}
	var out []request
	for readings > 0 && f.next[at] <= mostOfMeter && ctx.Err() == nil {
		var body bytes.Buffer
		r := request{}
		for r.n < batch && readings > 0 && f.next[at] <= mostOfMeter {
			line, err := f.reading(s, at)
			if err != nil {
				return nil, err
			}
			body.Write(line)
			body.WriteByte('\n')
			r.n++
			readings--
			if at++; at == to {
				at = from
			}
		}
		r.body = bytes.Clone(body.Bytes())
		out = append(out, r)
	}
	return out, ctx.Err()
}

// reading signs a meter's next reading.
func (f *fleet) reading(s client.Signer, i int) ([]byte, error) {
	n := f.next[i]
	f.next[i]++
	e, err := s.Build(&fsm.SubmitReading{
		Market: f.market, Meter: f.ids[i], Register: uint64(n) * delta,
		MeasuredAt: f.since.Add(time.Duration(n) * interval).UnixMilli(),
		Quality:    fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
	}, "m/"+f.ids[i], uint64(n), time.Now(), time.Hour)
	if err != nil {
		return nil, fmt.Errorf("signing a reading: %w", err)
	}
	return e.JSON(), nil
}

// room is how many more readings the market can hold open if none is closed.
func (f *fleet) room(pendingPerMeter, live, sent int) int {
	return min(min(pendingPerMeter, mostOfMeter, oracle.MaxPendingPerMeter)*len(f.ids), live) - sent
}
