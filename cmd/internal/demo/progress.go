package demo

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Screen is progress for people: lines that stay, and on a terminal one line
// of figures below them that is drawn anew. Elsewhere the figures become a
// line now and then.
type Screen struct {
	Out      io.Writer
	Terminal bool

	mu    sync.Mutex
	drawn bool
	last  time.Time
}

// plainPause is how often figures are printed where nothing can be redrawn.
const plainPause = 5 * time.Second

// Say prints a line that stays.
func (s *Screen) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.Out, "  "+format+"\n", args...) //nolint:errcheck // words for people
}

// Show draws the line of figures.
func (s *Screen) Show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Terminal {
		if time.Since(s.last) >= plainPause {
			s.last = time.Now()
			fmt.Fprintf(s.Out, "  %s\n", line) //nolint:errcheck // words for people
		}
		return
	}
	s.clear()
	fmt.Fprint(s.Out, "  "+line) //nolint:errcheck // words for people
	s.drawn = true
}

func (s *Screen) clear() {
	if s.drawn {
		fmt.Fprint(s.Out, "\r\x1b[K") //nolint:errcheck // words for people
		s.drawn = false
	}
}
