package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// tally is what came of readings that were sent.
type tally struct {
	accepted, lost  int
	refused, resent map[string]int // by code, by reason
	entry           uint64         // highest log entry
	latency         histogram
	samples         []sample
	sent            [][]request // by client
}

func newTally() *tally { return &tally{refused: map[string]int{}, resent: map[string]int{}} }

func (t *tally) add(o *tally) {
	t.accepted += o.accepted
	t.lost += o.lost
	addTo(t.refused, o.refused)
	addTo(t.resent, o.resent)
	t.entry = max(t.entry, o.entry)
	t.latency.add(&o.latency)
	t.samples = append(t.samples, o.samples...)
}

// addTo adds counts to counts.
func addTo(sum, more map[string]int) {
	for key, n := range more {
		sum[key] += n
	}
}

// singleSampling is how many single requests there are for one whose way to a
// checkpoint is timed; of batches it is every one.
const singleSampling = 16

// drive is one run of all clients through their requests.
type drive struct {
	sender  *sender
	single  bool
	until   time.Time                       // no request begins later; zero means all are sent
	gate    func(ctx context.Context) error // waits while too much is open; nil is always open
	counted func(n int)                     // told of every answer
}

// run sends what every client has, and returns when all have ended.
func (d *drive) run(ctx context.Context, requests [][]request) (*tally, error) {
	sum := newTally()
	parts, errs := make([]*tally, len(requests)), make([]error, len(requests))
	var clients sync.WaitGroup
	for i, mine := range requests {
		clients.Go(func() { parts[i], errs[i] = d.client(ctx, mine) })
	}
	clients.Wait()
	for i, part := range parts {
		sum.add(part)
		sum.sent = append(sum.sent, requests[i][:int(part.latency.total)])
		if errs[i] != nil {
			return sum, errs[i]
		}
	}
	return sum, nil
}

// client sends one request after the other.
func (d *drive) client(ctx context.Context, requests []request) (*tally, error) {
	t := newTally()
	for i, r := range requests {
		if d.gate != nil {
			if err := d.gate(ctx); err != nil {
				return t, err
			}
		}
		began := time.Now()
		if !d.until.IsZero() && began.After(d.until) {
			break
		}
		v, resent, err := d.sender.post(ctx, r, d.single)
		if ctx.Err() != nil {
			return t, context.Cause(ctx)
		}
		answered := time.Now()
		t.latency.record(answered.Sub(began))
		t.accepted += v.accepted
		t.lost += v.open
		for _, reason := range resent {
			t.resent[reason]++
		}
		t.entry = max(t.entry, v.entry)
		for _, code := range v.refused {
			t.refused[code]++
		}
		if v.accepted > 0 && (!d.single || i%singleSampling == 0) {
			t.samples = append(t.samples, sample{answered, v.leaf})
		}
		if d.counted != nil {
			d.counted(v.accepted)
		}
		if v.open > 0 {
			// What follows on these lanes would only be refused.
			return t, fmt.Errorf("%d readings have no outcome after %v: %w", v.open, decidedWithin, err)
		}
	}
	return t, nil
}
