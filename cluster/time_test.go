package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
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
		off   time.Duration
		alarm bool
	}{{0, false}, {20 * time.Second, false}, {time.Minute, true}, {-24 * time.Hour, true}, {time.Second, false}} {
		off = step.off
		index++
		n.replica.ApplyBatch([]*raft.Log{command(index, 1, 1, c.tick(n.View(), false))})
		if got := slices.Contains(n.alarms.list(), AlarmClock); got != step.alarm {
			t.Errorf("%s off: alarm %v", step.off, got)
		}
		if apart := time.Until(n.Time()); apart < -time.Second || apart > 13*time.Second {
			t.Errorf("%s off: the node goes by a time %s ahead", step.off, apart)
		}
	}
}
