package faults

import (
	"errors"
	"testing"
	"time"
)

// resumeWithin is how soon writes go on after the loss of any one node.
const resumeWithin = 5 * time.Second

// resumed waits until a reading that was sent after a moment is accepted.
func (l *load) resumed(since time.Time, bound time.Duration, after string) time.Duration {
	l.rig.t.Helper()
	var took time.Duration
	within(l.rig.t, bound+10*time.Second, "readings are accepted after "+after, func() error {
		at, ok := l.notes.first(since)
		if !ok {
			return errors.New("none is")
		}
		took = at.Sub(since)
		return nil
	})
	if took > bound {
		l.rig.t.Errorf("after %s writes went on only after %v, want %v", after, took, bound)
	}
	return took
}

// A leader that is killed under load is replaced; the clients carry on by
// themselves, and what was answered stands.
func TestKillLeader(t *testing.T) {
	times := 2
	if *full {
		times = 20
	}
	r := newRig(t)
	l := newLoad(r, 500)
	l.resumed(time.Now(), resumeWithin, "the start")
	var slowest time.Duration
	for range times {
		leader := r.leader()
		now := time.Now()
		leader.kill()
		slowest = max(slowest, l.resumed(now, resumeWithin, "the loss of the leader"))
		leader.start()
		r.ready()
	}
	t.Logf("%d leaders killed, writes went on after %v at most", times, slowest.Round(time.Millisecond))
	r.settle(l)
}

// Any node may die, and all of them at once.
func TestKillRandomAndAll(t *testing.T) {
	wide(t)
	r := newRig(t)
	l := newLoad(r, 500)
	for range 4 {
		n := r.nodes[r.random.IntN(len(r.nodes))]
		now := time.Now()
		n.kill()
		l.resumed(now, resumeWithin, "the loss of "+n.Name)
		n.start()
		r.ready()
	}
	for range 3 {
		for _, n := range r.nodes {
			n.kill()
		}
		now := time.Now()
		for _, n := range r.nodes {
			n.start()
		}
		l.resumed(now, 15*time.Second, "the loss of all nodes")
		r.ready()
	}
	r.settle(l)
}

// A leader that sleeps past an election wakes up believing that it leads: it must
// neither answer a linearizable read from its old state nor get an entry in.
func TestPauseLeader(t *testing.T) {
	wide(t)
	lasts := []time.Duration{2 * time.Second, 10 * time.Second, 4 * time.Second, 4 * time.Second}
	r := newRig(t)
	l := newLoad(r, 500)
	l.resumed(time.Now(), resumeWithin, "the start")
	for _, last := range lasts {
		leader := r.leader()
		now := time.Now()
		leader.pause()
		time.AfterFunc(last, leader.resume)
		l.resumed(now, resumeWithin, "the pause of the leader")
		let(time.Until(now.Add(last + time.Second)))
		r.ready()
	}
	r.settle(l)
}
