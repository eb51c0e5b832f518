package cluster

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/fsm"
)

// wrongClocks are ways in which a node's clock can be wrong, given the right time and
// how long it has been wrong.
var wrongClocks = []struct {
	name string
	says func(right time.Time, since time.Duration) time.Time
}{
	{"a day ahead", func(right time.Time, _ time.Duration) time.Time { return right.Add(24 * time.Hour) }},
	{"a day behind", func(right time.Time, _ time.Duration) time.Time { return right.Add(-24 * time.Hour) }},
	{"in 1970", func(_ time.Time, since time.Duration) time.Time { return time.UnixMilli(1).Add(since) }},
	{"jumping each second", func(right time.Time, since time.Duration) time.Time {
		return right.Add(time.Duration(int(since/time.Second)%5-2) * time.Hour)
	}},
	{"ten per cent fast", func(right time.Time, since time.Duration) time.Time { return right.Add(since / 10) }},
}

// When a tick will reach a height is reckoned by the committee's time: a leader whose
// clock is wrong neither ticks without a pause nor lets what is due wait.
func TestTicksGoByTheCommitteesTime(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	r.ApplyBatch([]*raft.Log{command(1, 1, 1, c.tick(r.view.Load(), false))})
	view := r.view.Load()
	const blocks = 50 // of 100 ms
	for _, since := range []time.Duration{0, 3 * time.Second} {
		want := 5*time.Second - since
		for _, wrong := range wrongClocks {
			s := &session{clock: func() time.Time { return wrong.says(time.UnixMilli(view.Median()).Add(since), since) }}
			got := s.untilHeight(view, view.Height()+blocks, since)
			// An entry of this leader would move time ahead by the allowance at most.
			if got > want || got < want-12*time.Second {
				t.Errorf("%s, %s after a tick: the next one is due in %s, want %s at most", wrong.name, since, got, want)
			}
		}
	}
}

// A cosignature states the time of the state that it is about, whatever the clock says.
func TestCosignaturesStateSaneTimes(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	r.ApplyBatch([]*raft.Log{command(1, 1, 1, c.tick(r.view.Load(), false))})
	view := r.view.Load()
	for _, wrong := range wrongClocks {
		f := &finality{clock: func() time.Time { return wrong.says(time.UnixMilli(view.Now()), 4*time.Second) }}
		if got := int64(f.signingTime(view)); got < view.Now()/1_000 || got > view.Now()/1_000+12 {
			t.Errorf("%s: the cosignature says %d at %d", wrong.name, got, view.Now()/1_000)
		}
	}
}

// A node whose clock differs from the committee's says so, goes by the committee's,
// and falls silent when the clock is right again.
func TestWrongClockIsNoticed(t *testing.T) {
	c := newCommittee(t)
	c.release(0)
	off := time.Duration(0)
	config := c.config(0)
	config.Clock = func() time.Time { return time.Now().Add(off) }
	n, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	n.raft.Store(new(raft.Raft))
	index := uint64(0)
	for _, step := range []struct {
		off          time.Duration
		first, later bool // whether there is an alarm
	}{{0, false, false}, {20 * time.Second, false, false}, {time.Minute, false, true}, {-24 * time.Hour, true, true}, {time.Second, false, false}} {
		off = step.off
		for _, alarm := range []bool{step.first, step.later} {
			index++
			n.replica.ApplyBatch([]*raft.Log{command(index, 1, 1, c.tick(n.View(), false))})
			if got := slices.Contains(n.alarms.list(), AlarmClock); got != alarm {
				t.Errorf("%s off: alarm %v, want %v", step.off, got, alarm)
			}
			if !n.apart.IsZero() {
				n.apart = n.apart.Add(-clockApartFor) // as if the first had been a while ago
			}
		}
		if apart := time.Until(n.Time()); apart < -time.Second || apart > 13*time.Second {
			t.Errorf("%s off: the node goes by a time %s ahead", step.off, apart)
		}
	}
}

// While clocks differ, a tick waits for everybody who is alive: the smaller one of two
// would count. While they agree, it does not wait for long.
func TestGatheringWaitsWhileClocksDiffer(t *testing.T) {
	for _, tc := range []struct {
		name   string
		second int64
		want   int
	}{
		{"agree", 1_000_500, 2},
		{"behind", 1, 3},
		{"ahead", 90_000_000, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := gathering{
				statements: []fsm.Statement{{At: 1_000_000}}, asked: 2, most: 3, apart: 12_000, replies: make(chan stated, 2),
			}
			g.replies <- stated{statement: fsm.Statement{Node: 1, At: tc.second}}
			go func() {
				pause(t.Context(), 400*time.Millisecond)
				g.replies <- stated{statement: fsm.Statement{Node: 2, At: 1_000_100}}
			}()
			got, err := g.run()
			if err != nil || len(got) != tc.want {
				t.Errorf("%s: %d statements, want %d, %v", tc.name, len(got), tc.want, err)
			}
			pause(t.Context(), time.Second)
		})
	}
}
