package oracle

import (
	"maps"
	"math/big"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// fork returns a life that goes on from here by itself: the state by Copy, the
// twin by copying everything it holds.
func (l *life) fork() *life {
	out := *l
	out.s = l.s.Copy()
	w := *l.w
	out.w = &w
	w.weights, w.contra = maps.Clone(l.w.weights), maps.Clone(l.w.contra)
	out.credited, out.start = maps.Clone(l.credited), maps.Clone(l.start)
	w.elected = slices.Clone(l.w.elected)
	w.funded, w.released = slices.Clone(l.w.funded), slices.Clone(l.w.released)
	w.meters = map[string]*twinMeter{}
	for id, m := range l.w.meters {
		twin := *m
		twin.delta, twin.paid = new(big.Int).Set(m.delta), new(big.Int).Set(m.paid)
		w.meters[id] = &twin
	}
	w.readings = nil
	for _, r := range l.w.readings {
		twin := *r
		twin.votes = maps.Clone(r.votes)
		w.readings = append(w.readings, &twin)
	}
	return &out
}

// TestForks lets lives part by Copy and go on in turns, each still beside its
// own twin. What one does, no other sees; what was copied and left alone says
// at the end what it said at first.
func TestForks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lives := []*life{newLife(t)}
		var views []*State
		var said []string
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			l := rapid.SampledFrom(lives).Draw(t, "whose turn")
			l.step()
			switch rapid.IntRange(0, 9).Draw(t, "part") {
			case 0:
				lives = append(lives, l.fork())
			case 1:
				views, said = append(views, l.s.Copy()), append(said, rows(l.s))
			}
		}
		for _, l := range lives {
			l.laws()
		}
		for i, view := range views {
			if rows(view) != said[i] {
				t.Fatalf("view %d changed", i)
			}
		}
	})
}

// TestForkedTables makes two copies do different things to the same reading
// and the same settlement.
func TestForkedTables(t *testing.T) {
	m := energy()
	m.QuorumThresholdPpm = million
	s := world(t, m, 5, "roof")
	vote := func(s *State, oracle int, n, register uint64) { say(t, s, at(2*hourMs), oracle, n, true, register) }
	take(t, s, at(0), "roof", 0)
	take(t, s, at(hourMs), "roof", 8_000)
	take(t, s, at(2*hourMs), "roof", 9_000)
	for n := uint64(1); n <= 2; n++ {
		attest(t, s, at(2*hourMs), oracleNamed(0), n, n)
		for i := 1; i < 5; i++ {
			vote(s, i, n, 8_000*(n-1))
		}
	}
	for i := range 3 {
		vote(s, i, 3, uint64(i))
	}
	left, right := s.Copy(), s.Copy()
	before := told(s)
	vote(left, 3, 3, 111)
	left.Funded("energy", 1, at(2*hourMs))
	vote(right, 4, 3, 222)
	right.Funded("energy", 1, at(3*hourMs))
	right.Release("energy", 1)
	if told(s) != before {
		t.Error("the copies changed the state they were taken from")
	}
	if r := must(t, left, 3); r.Values[3] != (Observed{3, 111}) || len(r.Values) != 4 {
		t.Errorf("on the left the values are %v", r.Values)
	}
	if set, ok := left.Settlement("energy", 1); !ok || set.ReleaseHeight != 7_300 {
		t.Errorf("on the left the settlement is %+v, %v", set, ok)
	}
	if r := must(t, right, 3); r.Values[3] != (Observed{4, 222}) || len(r.Values) != 4 {
		t.Errorf("on the right the values are %v", r.Values)
	}
	if _, ok := right.Settlement("energy", 1); ok {
		t.Error("on the right the settlement is not released")
	}
}

// A copy is read by others while the state goes on; the race detector watches.
func TestCopiesAreReadMeanwhile(t *testing.T) {
	s := world(t, energy(), 1, sites...)
	var readers sync.WaitGroup
	for i := range int64(300) {
		c := at(i * 60_000)
		n := take(t, s, c, sites[i%3], uint64(i))
		if i%2 == 0 {
			attest(t, s, c, oracleNamed(0), n, n)
		}
		if i%10 == 0 {
			view, want := s.Copy(), told(s)
			readers.Go(func() {
				if told(view) != want || view.Consistent() != nil {
					t.Error("a copy changed under its reader")
				}
			})
		}
	}
	readers.Wait()
}

// Identities lie in runs that copies share; two copies fill and complete theirs
// with different ones.
func TestForkedIdentities(t *testing.T) {
	s := world(t, energy(), 1, "roof")
	fill := func(s *State, from, n, salt uint64) {
		for i := range n {
			c := at(int64(from + i))
			_, _, ref := s.Submit(c, "sun", reading(c, "roof", 1), identity(salt+from+i))
			allowed(t, ref)
		}
	}
	fill(s, 1, 60, 0)
	left := s.Copy()
	right := s.Copy()
	fill(left, 61, 70, 1_000)
	fill(right, 61, 70, 2_000)
	for n := uint64(1); n <= 130; n++ {
		want := map[*State]uint64{left: n, right: n}
		if n > 60 {
			want = map[*State]uint64{left: 1_000 + n, right: 2_000 + n}
		}
		for side, salted := range want {
			if got, _ := side.Identity("energy", n); got != identity(salted) {
				t.Fatalf("number %d has the identity of another state", n)
			}
		}
	}
	consistent(t, left)
	consistent(t, right)
	consistent(t, s)
	same(t, left, again(t, left))
}
