package faults

import (
	"errors"
	"testing"
	"time"
)

const (
	// lasting is how long a cut lasts after writes have gone on.
	lasting = 6 * time.Second
	// throughBad is how soon writes go on through a cut that is not a clean one, or a bad
	// network.
	throughBad = 15 * time.Second
)

// partitions are the ways in which three nodes may fail to hear each other.
var partitions = []struct {
	name   string
	short  bool // part of the default run
	deaf   bool // the leader must step down
	bound  time.Duration
	divide func(r *rig, leader *node)
}{
	{"leader alone", true, true, resumeWithin, func(r *rig, leader *node) { r.part(leader, r.others(leader)...) }},
	{"follower alone", true, false, resumeWithin, func(r *rig, leader *node) {
		f := r.others(leader)[0]
		r.part(f, r.others(f)...)
	}},
	{"leader mute", false, true, throughBad, func(r *rig, leader *node) { r.mute(leader, r.others(leader)...) }},
	{"leader mute towards one", false, false, throughBad, func(r *rig, leader *node) { r.mute(leader, r.others(leader)[0]) }},
	{"leader hears nobody", false, true, throughBad, func(r *rig, leader *node) {
		for _, f := range r.others(leader) {
			r.mute(f, leader)
		}
	}},
	{"leader does not hear one", false, false, throughBad, func(r *rig, leader *node) { r.mute(r.others(leader)[0], leader) }},
	{"leader is the bridge", false, false, resumeWithin, func(r *rig, leader *node) {
		f := r.others(leader)
		r.part(f[0], f[1])
	}},
	{"a follower is the bridge", false, false, throughBad, func(r *rig, leader *node) { r.part(leader, r.others(leader)[0]) }},
}

// Whatever a partition leaves of the committee goes on if it is a majority, for as
// long as the cut lasts; a minority acknowledges nothing, or settle would miss it in
// the others' journals.
func TestPartitions(t *testing.T) {
	r := newRigOn(t, nil, newNetwork(t))
	l := newLoad(r, 500)
	l.resumed(time.Now(), resumeWithin, "the start")
	for _, p := range partitions {
		if !p.short && !*full {
			continue
		}
		leader := r.leader()
		now := time.Now()
		p.divide(r, leader)
		took := l.resumed(now, p.bound, p.name)
		if p.deaf {
			within(t, throughBad, "the leader that was cut off steps down", func() error {
				s, err := r.ask(r.place(leader) - 1)
				if err == nil && s.Role == "leader" {
					err = errors.New("it says that it leads")
				}
				return err
			})
		}
		let(lasting)
		l.resumed(time.Now(), p.bound, p.name+", lasting")
		r.network.heal()
		l.resumed(time.Now(), resumeWithin, "healing from: "+p.name)
		r.ready()
		t.Logf("%s: writes went on after %v", p.name, took.Round(time.Millisecond))
	}
	r.settle(l)
}

// Networks that lose, delay and flap slow the committee down and no more.
func TestBadNetworks(t *testing.T) {
	wide(t)
	r := newRigOn(t, nil, newNetwork(t))
	l := newLoad(r, 500)
	l.resumed(time.Now(), resumeWithin, "the start")
	for _, w := range []struct {
		name string
		link link
	}{
		{"a packet of a hundred lost", link{loss: 0.01}},
		{"a packet of twenty lost", link{loss: 0.05}},
		{"a packet of five lost", link{loss: 0.2}},
		{"round trips of 40 to 160 ms", link{delay: 50 * time.Millisecond, jitter: 30 * time.Millisecond}},
	} {
		r.weather(w.link)
		let(lasting)
		took := l.resumed(time.Now(), throughBad, w.name)
		r.network.heal()
		r.ready()
		t.Logf("%s: a reading took %v", w.name, took.Round(time.Millisecond))
	}
	for range 8 {
		leader := r.leader()
		r.part(leader, r.others(leader)...)
		let(time.Second)
		r.network.heal()
		let(time.Second)
	}
	l.resumed(time.Now(), throughBad, "flapping")
	r.settle(l)
}
