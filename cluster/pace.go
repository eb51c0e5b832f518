package cluster

import (
	"sync"
	"time"
)

// cutPace lets one cut pass each second, on ticks and command entries together. It
// goes by the monotonic clock: cuts must not stop when the wall clock is set back.
type cutPace struct {
	mu   sync.Mutex
	last time.Time
}

// cutEvery is the least time between two cuts.
const cutEvery = time.Second

// left is how long the next cut has to wait.
func (p *cutPace) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait()
}

// take reports whether a cut may pass now, and counts it.
func (p *cutPace) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait() > 0 {
		return false
	}
	p.last = time.Now()
	return true
}

func (p *cutPace) wait() time.Duration {
	if p.last.IsZero() {
		return 0
	}
	return max(cutEvery-time.Since(p.last), 0)
}
