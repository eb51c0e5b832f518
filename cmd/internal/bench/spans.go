package bench

import (
	"sync"
	"time"
)

// spanLength is how long a span of the clock is whose readings are counted apart.
const spanLength = 10 * time.Second

// Span is what was answered in ten seconds of the clock, or in what was left of
// them at the end.
type Span struct {
	Seconds      float64 `json:"seconds"`
	Readings     int     `json:"readings"`
	ReadingsPerS float64 `json:"readings_per_s"`
}

// spans counts answers by the clock that stands still between windows.
type spans struct {
	mu      sync.Mutex
	before  time.Duration // of the clock when it last began to run
	began   time.Time     // zero while it stands
	counted []int
}

// start lets the clock run.
func (s *spans) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Now()
}

// stop stops the clock and says how long it has run in all.
func (s *spans) stop() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before += time.Since(s.began)
	s.began = time.Time{}
	return s.before
}

// count takes answers; those that come while the clock stands are in no span.
func (s *spans) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		return
	}
	at := int((s.before + time.Since(s.began)) / spanLength)
	for len(s.counted) <= at {
		s.counted = append(s.counted, 0)
	}
	s.counted[at] += n
}

// list tells all spans of the clock so far.
func (s *spans) list() []Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Span
	for from := time.Duration(0); from < s.before; from += spanLength {
		n := 0
		if i := len(out); i < len(s.counted) {
			n = s.counted[i]
		}
		length := min(spanLength, s.before-from)
		out = append(out, Span{length.Round(time.Millisecond).Seconds(), n, float64(n) / length.Seconds()})
	}
	return out
}
