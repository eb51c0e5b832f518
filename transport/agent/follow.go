package agent

import (
	"context"
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Times of following.
const (
	lookAnyway  = 30 * time.Second // between two looks at a market that is silent
	lookWaiting = 2 * time.Second  // while readings wait for a reference
	followAgain = time.Minute      // before a cluster that tells no events is asked again
)

// news is what the events of a market have told. An event says that there is a
// reading; what it says, and the base of its meter, is asked for, since the state
// that an attestation is about is the one that counts.
type news struct {
	bell chan struct{} // holds one ring

	mu      sync.Mutex
	newest  uint64 // number of the newest reading told of
	follows bool   // events are told; else readings are asked for again and again
}

func newNews() *news { return &news{bell: make(chan struct{}, 1)} }

func (n *news) ring() {
	select {
	case n.bell <- struct{}{}:
	default: // it rings already
	}
}

func (n *news) heard(number uint64) {
	n.mu.Lock()
	n.newest = max(n.newest, number)
	n.mu.Unlock()
	n.ring()
}

func (n *news) following(yes bool) {
	n.mu.Lock()
	changed := n.follows != yes
	n.follows = yes
	n.mu.Unlock()
	if changed {
		n.ring()
	}
}

// due says whether there is anything to ask for behind a number.
func (n *news) due(cursor uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.follows || n.newest > cursor
}

// follow listens to the events of the market from a leaf on, without a gap: the
// client goes on at another node where one ends. Checkpoints, one of which begins
// each stream, say that there is one.
func (w *watcher) follow(ctx context.Context, leaf uint64) {
	filter := client.EventFilter{Kinds: []string{api.EventAccepted, api.EventCheckpoint}, Market: w.market}
	for ctx.Err() == nil {
		for event, err := range w.agent.config.Client.Follow(ctx, filter, leaf) {
			if err != nil {
				w.deaf(ctx, err)
				break
			}
			w.news.following(true)
			leaf = uint64(event.Leaf)
			if event.Reading != nil {
				w.news.heard(uint64(event.Reading.Number))
			}
		}
	}
}

// deaf goes back to asking for readings, as nodes without events want it.
func (w *watcher) deaf(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	w.news.following(false)
	w.log.Warn("no events are told: asking for readings again and again instead", "error", err)
	sleep(ctx, followAgain)
}

// await waits until there is something to do.
func (w *watcher) await(ctx context.Context) {
	if !w.caughtUp || w.news.due(w.cursor) {
		return
	}
	patience := lookAnyway
	if len(w.waiting) > 0 {
		patience = lookWaiting
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-w.news.bell:
			if w.news.due(w.cursor) {
				return
			}
		}
	}
}
