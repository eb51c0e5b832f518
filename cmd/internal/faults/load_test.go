package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/client"
)

// The load: gateways that send for their own meters, each with a client of its own.
const (
	gateways     = 10
	metersEach   = 20
	sendEvery    = 100 * time.Millisecond
	mostAtOnce   = 256 // of what has piled up while nobody answered
	decideWithin = 90 * time.Second
	interval     = 10 * time.Second // between two readings of a meter
	step         = 500              // of a register
	decimals     = 3
	capacity     = 1_000_000
	history      = 6 * 24 * time.Hour
)

// load sends readings at a fixed rate and notes what is answered.
type load struct {
	rig      *rig
	who      trial.Parties
	gateways []*gateway
	notes    *notes
	looks    looks

	stop   context.CancelFunc
	agents context.CancelFunc
	group  errgroup.Group
	done   sync.Once
}

// gateway sends for some meters, the readings of each in order.
type gateway struct {
	load   *load
	number int
	api    *client.Client
	signer client.Signer
	rate   float64
	meters []*meter
	next   int // meter whose turn it is
}

type meter struct {
	name  string
	nonce uint64
	since time.Time
}

// newLoad enrols provider, payer and meters, and starts sending and attesting.
func newLoad(r *rig, rate int) *load {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	api, err := r.committee.Client(r.committee.Admins[0], r.committee.URLs...)
	if err != nil {
		r.t.Fatal(err)
	}
	defer api.Close()
	l := &load{rig: r}
	if l.who, err = r.committee.Enrol(ctx, api, "faults"); err != nil {
		r.t.Fatal(err)
	}
	if l.notes, err = openNotes(filepath.Join(r.dir, "answers")); err != nil {
		r.t.Fatal(err)
	}
	var rows []fsm.MeterRow
	for g := range gateways {
		rows = append(rows, l.gateway(g, float64(rate)/gateways)...)
	}
	if err := r.committee.RegisterMeters(ctx, api, market, rows); err != nil {
		r.t.Fatal(err)
	}
	l.begin()
	return l
}

// gateway makes one; each begins with another node.
func (l *load) gateway(number int, rate float64) (rows []fsm.MeterRow) {
	urls := l.rig.committee.URLs
	first := number % len(urls)
	api, err := l.rig.committee.Client(l.who.Key, append(append([]string{}, urls[first:]...), urls[:first]...)...)
	if err != nil {
		l.rig.t.Fatal(err)
	}
	g := &gateway{load: l, number: number, api: api, rate: rate, signer: client.Signer{Key: l.who.Key, Cluster: l.rig.committee.Genesis.Cluster}}
	for m := range metersEach {
		name := fmt.Sprintf("f%s-%02d%03d", l.who.Suffix, number, m)
		g.meters = append(g.meters, &meter{name: name, since: time.Now().Add(-history)})
		rows = append(rows, fsm.MeterRow{
			Meter: name, Provider: l.who.Provider, Payer: l.who.Payer, Capacity: capacity,
			IntervalMs: interval.Milliseconds(), Decimals: decimals,
		})
	}
	l.gateways = append(l.gateways, g)
	return rows
}

func (l *load) begin() {
	sending, stop := context.WithCancel(context.Background())
	attesting, quiet := context.WithCancel(context.Background())
	l.stop, l.agents = stop, quiet
	l.rig.t.Cleanup(func() { _ = l.end() })
	for _, g := range l.gateways {
		l.group.Go(func() error { return g.run(sending) })
	}
	l.watchAll(sending)
	l.rig.attest(attesting, &l.group)
}

// attest has every oracle accept all readings, until ctx ends.
func (r *rig) attest(ctx context.Context, group *errgroup.Group) {
	r.t.Helper()
	for _, key := range r.committee.Oracles {
		api, err := r.committee.Client(key, r.committee.URLs...)
		if err != nil {
			r.t.Fatal(err)
		}
		oracle, err := agent.New(agent.Config{
			Client: api, Key: key, Cluster: r.committee.Genesis.Cluster,
			Policy: agent.Policy{Default: agent.Abstain, Rules: []agent.Rule{{Market: market, Meter: "*"}}},
		})
		if err != nil {
			r.t.Fatal(err)
		}
		group.Go(func() error {
			defer api.Close()
			return oracle.Run(ctx)
		})
	}
}

// watchAll begins linearizable reads from every node.
func (l *load) watchAll(ctx context.Context) {
	for _, url := range l.rig.committee.URLs {
		for range readersEach {
			node, err := l.rig.committee.Client(l.rig.committee.Admins[0], url)
			if err != nil {
				l.rig.t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(l.rig.random.Uint64(), 2))
			l.group.Go(func() error {
				defer node.Close()
				l.watch(ctx, node, random)
				return nil
			})
		}
	}
}

// end stops sending, waits until what is under way is decided, and gives the first
// thing that went wrong. It may be called twice.
func (l *load) end() (err error) {
	l.done.Do(func() {
		l.stop()
		sent := make(chan struct{})
		time.AfterFunc(2*time.Second, func() { close(sent) }) // the agents see the last readings
		<-sent
		l.agents()
		err = errors.Join(l.group.Wait(), l.notes.close())
	})
	return err
}

// run sends what is due, ten times a second, until ctx ends.
func (g *gateway) run(ctx context.Context) error {
	defer g.api.Close()
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		due := min(int(g.rate*time.Since(began).Seconds())-sent, mostAtOnce)
		if due <= 0 {
			continue
		}
		sent += due
		// What is sent is decided even if the load ends meanwhile.
		deciding, cancel := context.WithTimeout(context.Background(), decideWithin)
		err := g.send(deciding, due)
		cancel()
		if err != nil {
			return err
		}
	}
}

// send gives every third gateway's readings one by one, and the others' in batches.
func (g *gateway) send(ctx context.Context, n int) error {
	for n > 0 {
		part := n
		if g.number%3 == 2 {
			part = min(n, len(g.meters)) // one of each meter, so that all may fly at a time
		}
		envelopes, acts := make([]envelope.Envelope, part), make([]act, part)
		for i := range part {
			var err error
			if envelopes[i], acts[i], err = g.reading(); err != nil {
				return err
			}
		}
		var results []client.Result
		if g.number%3 == 2 {
			results = g.singly(ctx, envelopes)
		} else {
			results = g.api.SubmitBatch(ctx, envelopes)
		}
		if err := g.load.notes.take(acts, results); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

func (g *gateway) singly(ctx context.Context, envelopes []envelope.Envelope) []client.Result {
	results := make([]client.Result, len(envelopes))
	var all sync.WaitGroup
	for i, e := range envelopes {
		all.Go(func() { results[i].Outcome, results[i].Err = g.api.Submit(ctx, e) })
	}
	all.Wait()
	return results
}

// reading signs the next reading of the next meter.
func (g *gateway) reading() (envelope.Envelope, act, error) {
	m := g.meters[g.next]
	g.next = (g.next + 1) % len(g.meters)
	m.nonce++
	now := time.Now()
	e, err := g.signer.Build(&fsm.SubmitReading{
		Market: market, Meter: m.name, Register: m.nonce * step,
		MeasuredAt: m.since.Add(time.Duration(m.nonce) * interval).UnixMilli(),
		Quality:    fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
	}, "m/"+m.name, m.nonce, now, time.Hour)
	return e, act{meter: m.name, nonce: m.nonce, id: e.Identity(), began: now}, err
}

// stopAnd ends a load in a test: what was sent must be decided.
func (l *load) stopAnd(t *testing.T) {
	t.Helper()
	if err := l.end(); err != nil {
		t.Errorf("the load: %v", err)
	}
}
