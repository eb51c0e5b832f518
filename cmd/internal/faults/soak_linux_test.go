package faults

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

var soaking = flag.Duration("soak", 0, "mix faults for so long")

// troubles are the faults of the soak.
var troubles = []trouble{
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
	{"a disk hangs", func(r *rig) func() { return hanging(r.any()) }},
	{"a disk is full", func(r *rig) func() { return filled(r.any()) }},
	{"a sync fails", func(r *rig) func() { return failing(r.any(), strace(r.t), "fdatasync:error=EIO", "input/output error") }},
	{"leader without power", func(r *rig) func() { return powerless(r.leader()) }},
	{"all without power", func(r *rig) func() {
		powerless(r.nodes...)()
		return func() {}
	}},
	{"a clock is wrong", func(r *rig) func() { return r.wrongClock(r.any()) }},
	{"leader's clock is wrong", func(r *rig) func() { return r.wrongClock(r.leader()) }},
	badWeather[0], // last, as strike expects
	badWeather[1],
}

// badWeather comes alone, and now and then beside another fault.
var badWeather = []trouble{
	{"packets lost", func(r *rig) func() {
		r.weather(link{loss: 0.05})
		return r.network.heal
	}},
	{"packets late", func(r *rig) func() {
		r.weather(link{delay: 50 * time.Millisecond, jitter: 30 * time.Millisecond})
		return r.network.heal
	}},
}

// A trouble begins on a whole committee and gives back what ends it.
type trouble struct {
	name  string
	begin func(r *rig) (end func())
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

// wrongClock sets a node's clock off by an amount drawn from hours, a day, and decades.
func (r *rig) wrongClock(n *node) (end func()) {
	off := []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour, -40 * 365 * 24 * time.Hour}[r.random.IntN(5)]
	r.t.Logf("         the clock of %s is off by %v", n.Name, off)
	if err := os.WriteFile(n.clockFile(), []byte(strconv.FormatInt(off.Milliseconds(), 10)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(n.clockFile()); err != nil {
			r.t.Fatal(err)
		}
	}
}

// strike begins a fault, and one time in four bad weather beside it.
func (r *rig) strike() (name string, end func()) {
	k := r.random.IntN(len(troubles))
	chosen := troubles[k]
	if r.random.IntN(4) > 0 || k >= len(troubles)-len(badWeather) {
		return chosen.name, chosen.begin(r)
	}
	weather := badWeather[r.random.IntN(len(badWeather))]
	clearUp, undo := weather.begin(r), chosen.begin(r)
	return chosen.name + ", " + weather.name, func() {
		undo()
		clearUp()
	}
}

// withWrongClocks builds the program so that its clock can be set wrong.
func withWrongClocks(t *testing.T) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "tallyvault")
	build := exec.Command("go", "build", "-tags", "wrongclock", "-o", program, "github.com/tallyvault/tallyvault/cmd/tallyvault")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	real := binary
	binary = program
	t.Cleanup(func() { binary = real })
}

// One fault after the other, drawn at random, under load and for as long as was asked.
func TestSoak(t *testing.T) {
	if *soaking == 0 {
		t.Skip("of the long run: make soak T=20m")
	}
	strace(t)
	withWrongClocks(t)
	r := newRigOnDisks(t, "8G", newNetwork(t))
	l := newLoad(r, 500)
	began := time.Now()
	l.resumed(began, resumeWithin, "the start")
	faults, slowest := 0, time.Duration(0)
	for time.Since(began) < *soaking && !t.Failed() {
		last := time.Second + time.Duration(r.random.Int64N(int64(9*time.Second)))
		now := time.Now()
		name, end := r.strike()
		took := l.resumed(now, throughBad, name)
		let(time.Until(now.Add(last)))
		end()
		r.ready()
		faults, slowest = faults+1, max(slowest, took)
		t.Logf("%8s  %-38s for %4.1f s, writes went on after %5d ms",
			now.Sub(began).Round(time.Second), name, time.Since(now).Seconds(), took.Milliseconds())
	}
	t.Logf("%d faults in %v, writes went on after %v at most", faults, time.Since(began).Round(time.Second), slowest.Round(time.Millisecond))
	r.settle(l)
}
