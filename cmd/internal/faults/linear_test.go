package faults

import (
	"context"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Linearizable reads of lanes, from each node by itself: a lane's last nonce is a
// register that the readings of its meter write.
const (
	readersEach = 2
	readEvery   = 50 * time.Millisecond
	// readFor is longer than a node is paused, so that it may answer what it was asked
	// before.
	readFor     = 20 * time.Second
	checkWithin = 2 * time.Minute
)

// look is one linearizable read that was answered.
type look struct {
	meter        string
	last         uint64
	began, ended time.Time
}

type looks struct {
	mu  sync.Mutex
	all []look
}

// watch reads until ctx ends. A read that no answer came to says nothing.
func (l *load) watch(ctx context.Context, node *client.Client, random *rand.Rand) {
	key := l.gateways[0].signer.KeyID().String()
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		g := l.gateways[random.IntN(len(l.gateways))]
		m := g.meters[random.IntN(len(g.meters))].name
		asking, cancel := context.WithTimeout(ctx, readFor)
		var lanes api.Lanes
		began := time.Now()
		err := node.Get(asking, "/v1/lanes", url.Values{"key": {key}, "lane": {"m/" + m}, "consistency": {"linearizable"}}, &lanes)
		cancel()
		if err != nil {
			continue
		}
		seen := look{meter: m, began: began, ended: time.Now()}
		for _, lane := range lanes.Lanes {
			if lane.Lane == "m/"+m {
				seen.last = uint64(lane.LastNonce)
			}
		}
		l.looks.mu.Lock()
		l.looks.all = append(l.looks.all, seen)
		l.looks.mu.Unlock()
	}
}

// touch is a write of a nonce, or a read.
type touch struct {
	write bool
	nonce uint64
}

var laneModel = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		last, in := state.(uint64), input.(touch)
		if in.write {
			return in.nonce > last, in.nonce
		}
		return output.(uint64) == last, last
	},
}

// linear demands an order of reads and readings, meter by meter.
func (l *load) linear() {
	l.rig.t.Helper()
	histories := map[string][]porcupine.Operation{}
	for _, a := range l.notes.acts {
		if a.accepted {
			histories[a.meter] = append(histories[a.meter], porcupine.Operation{
				ClientId: 0, Input: touch{true, a.nonce}, Output: uint64(0), Call: a.began.UnixNano(), Return: a.ended.UnixNano(),
			})
		}
	}
	for _, s := range l.looks.all {
		histories[s.meter] = append(histories[s.meter], porcupine.Operation{
			ClientId: 1, Input: touch{}, Output: s.last, Call: s.began.UnixNano(), Return: s.ended.UnixNano(),
		})
	}
	for meter, history := range histories {
		if result := porcupine.CheckOperationsTimeout(laneModel, history, checkWithin); result != porcupine.Ok {
			l.rig.t.Errorf("the %d reads and readings of meter %s have no order: %s", len(history), meter, result)
		}
	}
	l.rig.t.Logf("%d readings and %d linearizable reads have an order", len(l.notes.acts), len(l.looks.all))
}
