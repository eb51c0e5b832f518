package transport

import (
	"context"
	"time"
)

// slice is how long one wait lasts before the door looks whether it is closing.
const slice = time.Second

// waiting is a bounded wait of one request, for a long-poll.
type waiting struct {
	door *Door
	end  time.Time
}

// waiting begins a wait of up to maxWait, or none.
func (d *Door) waiting(wanted bool) *waiting {
	if !wanted {
		return d.waitingFor(0)
	}
	return d.waitingFor(maxWait)
}

func (d *Door) waitingFor(wait time.Duration) *waiting {
	return &waiting{door: d, end: time.Now().Add(min(wait, maxWait))}
}

// more says whether there is time left, the caller is still there, and the door
// is not closing.
func (w *waiting) more(ctx context.Context) bool {
	select {
	case <-w.door.stop:
		return false
	case <-ctx.Done():
		return false
	default:
		return time.Now().Before(w.end)
	}
}

// applied waits for an entry, at most for a slice. Why it ended does not matter:
// the caller looks again.
func (w *waiting) applied(ctx context.Context, entry uint64) {
	ctx, cancel := w.sliced(ctx)
	defer cancel()
	if w.door.config.Node.WaitApplied(ctx, entry) != nil {
		<-ctx.Done() // a failing node must not make the caller spin
	}
}

// final waits for a published checkpoint of at least that size, like applied.
func (w *waiting) final(ctx context.Context, size uint64) {
	ctx, cancel := w.sliced(ctx)
	defer cancel()
	if w.door.config.Node.WaitFinal(ctx, size) != nil {
		<-ctx.Done()
	}
}

func (w *waiting) sliced(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(slice, time.Until(w.end)))
}
