package bench

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSpansFollowTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s spans
		pass := func(d time.Duration) { <-time.After(d) }
		s.count(1000) // the clock stands
		s.start()
		pass(6 * time.Second)
		s.count(60)
		if got := s.stop(); got != 6*time.Second {
			t.Errorf("the clock says %v", got)
		}
		pass(time.Minute)
		s.count(1000)
		s.start()
		pass(3 * time.Second)
		s.count(40)
		pass(12 * time.Second)
		s.count(22) // at 21 s
		pass(time.Second)
		s.stop()
		want := []Span{{10, 100, 10}, {10, 0, 0}, {2, 22, 11}}
		got := s.list()
		if len(got) != len(want) {
			t.Fatalf("%+v", got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("span %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}
