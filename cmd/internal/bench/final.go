package bench

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/transport/client"
)

// pollFinal is how exactly the moment is known at which a checkpoint was published.
const pollFinal = 20 * time.Millisecond

// sample is an answer: when it came and the leaf that it named.
type sample struct {
	at   time.Time
	leaf uint64
}

// finality is when a node published which size under k cosignatures.
type finality struct {
	mu    sync.Mutex
	steps []sample // sizes, rising
}

// watch notes every new size until ctx ends. A node that does not answer leaves
// a gap, which the next answer ends.
func (f *finality) watch(ctx context.Context, api *client.Client) {
	tick := time.NewTicker(pollFinal)
	defer tick.Stop()
	for ctx.Err() == nil {
		if status, err := api.Status(ctx); err == nil {
			f.note(time.Now(), uint64(status.FinalSize))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (f *finality) note(at time.Time, size uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.steps); n == 0 || f.steps[n-1].leaf < size {
		f.steps = append(f.steps, sample{at, size})
	}
}

// when says at what time a leaf was first under a published checkpoint.
func (f *finality) when(leaf uint64) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := sort.Search(len(f.steps), func(i int) bool { return f.steps[i].leaf > leaf })
	if i == len(f.steps) {
		return time.Time{}, false
	}
	return f.steps[i].at, true
}

// judge waits until all samples are final and says how long each took.
func (f *finality) judge(ctx context.Context, samples []sample) (*histogram, error) {
	var last uint64
	for _, s := range samples {
		last = max(last, s.leaf)
	}
	err := wait(ctx, pollFinal, func() (bool, error) {
		_, ok := f.when(last)
		return ok || len(samples) == 0, fmt.Errorf("leaf %d is not final yet", last)
	})
	if err != nil {
		return nil, err
	}
	h := &histogram{}
	for _, s := range samples {
		at, _ := f.when(s.leaf)
		h.record(at.Sub(s.at))
	}
	return h, nil
}
