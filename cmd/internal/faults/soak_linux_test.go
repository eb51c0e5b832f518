package faults

import (
	"flag"
	"testing"
	"time"
)

var soaking = flag.Duration("soak", 0, "mix faults for so long")

// troubles are the faults of the soak. Each begins on a whole committee and gives back
// what ends it.
var troubles = []struct {
	name  string
	begin func(r *rig) (end func())
}{
	{"leader killed", func(r *rig) func() { return r.killed(r.leader()) }},
	{"a node killed", func(r *rig) func() { return r.killed(r.any()) }},
	{"all nodes killed", func(r *rig) func() {
		for _, n := range r.nodes {
			n.kill()
		}
		for _, n := range r.nodes {
			n.start()
		}
		return func() {}
	}},
	{"leader paused", func(r *rig) func() { return paused(r.leader()) }},
	{"a node paused", func(r *rig) func() { return paused(r.any()) }},
	{"leader alone", func(r *rig) func() {
		n := r.leader()
		r.part(n, r.others(n)...)
		return r.network.heal
	}},
	{"a node alone", func(r *rig) func() {
		n := r.any()
		r.part(n, r.others(n)...)
		return r.network.heal
	}},
	{"leader mute", func(r *rig) func() {
		n := r.leader()
		r.mute(n, r.others(n)...)
		return r.network.heal
	}},
	{"one direction cut", func(r *rig) func() {
		n := r.any()
		r.mute(n, r.others(n)[0])
		return r.network.heal
	}},
	{"one link cut", func(r *rig) func() {
		n := r.any()
		r.part(n, r.others(n)[0])
		return r.network.heal
	}},
	{"packets lost", func(r *rig) func() {
		r.weather(link{loss: 0.05})
		return r.network.heal
	}},
	{"packets late", func(r *rig) func() {
		r.weather(link{delay: 50 * time.Millisecond, jitter: 30 * time.Millisecond})
		return r.network.heal
	}},
}

// any is some node.
func (r *rig) any() *node { return r.nodes[r.random.IntN(len(r.nodes))] }

func (r *rig) killed(n *node) func() {
	n.kill()
	return n.start
}

func paused(n *node) func() {
	n.pause()
	return n.resume
}

// One fault after the other, drawn at random, under load and for as long as was asked.
func TestSoak(t *testing.T) {
	if *soaking == 0 {
		t.Skip("of the long run: make soak T=20m")
	}
	r := newRigOn(t, nil, newNetwork(t))
	l := newLoad(r, 500)
	began := time.Now()
	l.resumed(began, resumeWithin, "the start")
	faults, slowest := 0, time.Duration(0)
	for time.Since(began) < *soaking && !t.Failed() {
		trouble := troubles[r.random.IntN(len(troubles))]
		last := time.Second + time.Duration(r.random.Int64N(int64(9*time.Second)))
		now := time.Now()
		end := trouble.begin(r)
		took := l.resumed(now, throughBad, trouble.name)
		let(time.Until(now.Add(last)))
		end()
		r.ready()
		faults, slowest = faults+1, max(slowest, took)
		t.Logf("%8s  %-20s for %4.1f s, writes went on after %5d ms",
			now.Sub(began).Round(time.Second), trouble.name, time.Since(now).Seconds(), took.Milliseconds())
	}
	t.Logf("%d faults in %v, writes went on after %v at most", faults, time.Since(began).Round(time.Second), slowest.Round(time.Millisecond))
	r.settle(l)
}
