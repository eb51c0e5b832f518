package cluster

import "sync"

// A signal wakes everybody who waits for something to change. Who waits takes the
// channel first, then looks at what it waits for, so that no change is missed.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed by the next fire.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
