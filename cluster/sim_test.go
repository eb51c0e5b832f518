package cluster

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

var (
	simDays = flag.Float64("days", 0.5, "simulate so many days of a committee")
	simSeed = flag.Uint64("seed", 0, "draw the faults of the first cluster from this, 0 for any")
)

// Bounds in Raft's timeouts: for writes to go on where a majority can talk to each other,
// and for everything to be well once all is whole.
const (
	simResume   = 12
	simPatience = 20
)

// simPaces are how simulated clusters are configured. Days are only affordable at the
// pace of the slowest networks that are allowed for; hours show the usual one.
var (
	simSlow = simPace{
		name: "slow", raft: time.Minute, idle: 2 * time.Minute, each: 30 * time.Minute, fault: 40 * time.Minute,
		whole: 12 * time.Hour, threshold: 40, trailing: 20, interval: 20 * time.Minute,
	}
	simUsual = simPace{
		name: "usual", raft: time.Second, idle: 5 * time.Second, each: 30 * time.Second, fault: 40 * time.Second,
		whole: 8 * time.Minute, threshold: 40, trailing: 20, interval: 20 * time.Second,
	}
)

// simTurns are the clusters that are simulated in turn, until there are days enough.
var simTurns = []struct {
	pace  simPace
	nodes int
}{
	{simSlow, 3},
	{simSlow, 5},
	{simUsual, 3},
	{simSlow, 3},
	{simSlow, 3},
	{simSlow, 3},
	{simSlow, 3},
	{simSlow, 3},
	{simUsual, 5},
	{simSlow, 3},
	{simSlow, 3},
	{simSlow, 3},
}

// Committees of three and five, with everything that may happen to them: nodes crash,
// networks part, clocks are wrong, people go on. Each is in a bubble of its own time,
// with real log stores and journals, and the network in memory. The seed gives the
// faults; the order in which goroutines run, and what they draw themselves, it does not.
func TestSimulation(t *testing.T) {
	seed := *simSeed
	if seed == 0 {
		seed = rand.Uint64() >> 1
	}
	committees := map[int]*simCommittee{}
	total := time.Duration(*simDays * float64(24*time.Hour))
	for k := uint64(0); total > 0; k++ {
		seed := seed + k
		turn := simTurns[seed%uint64(len(simTurns))]
		c := committees[turn.nodes]
		if c == nil {
			c = newSimCommittee(t, turn.nodes)
			committees[turn.nodes] = c
		}
		lasts := min(total, turn.pace.whole)
		total -= lasts
		t.Run(fmt.Sprintf("%s/%d nodes/seed %d", turn.pace.name, turn.nodes, seed), func(t *testing.T) {
			t.Parallel()
			dir := simDir(t)
			began := time.Now()
			var w *simWorld
			synctest.Test(t, func(t *testing.T) {
				w = newSimWorld(t, c, dir, turn.pace, seed)
				w.live(lasts)
			})
			t.Logf("%s in %s: %s", lasts, time.Since(began).Round(time.Millisecond), w.summary)
		})
	}
}

// live runs a committee for so long, with one fault or two at a time, and judges.
func (w *simWorld) live(lasts time.Duration) {
	for i := range w.nodes {
		w.start(i)
	}
	l := newSimLoad(w)
	l.begin()
	began, faults := time.Now(), 0
	for time.Since(began) < lasts && !w.t.Failed() {
		w.sleep(w.some(w.pace.fault))
		w.keepClocks()
		faults++
		ends := w.trouble()
		if len(w.majority()) > 0 {
			l.mustSoon("writes go on", l.deposit(1))
		}
		w.sleep(w.some(w.pace.fault))
		for _, end := range ends {
			end()
		}
		w.within("all nodes are ready", w.ready)
	}
	l.finish(simPatience * w.pace.raft)
	if !w.t.Failed() {
		w.judge(l)
	}
	w.summary = fmt.Sprintf("%d entries, %d faults, %d readings, %d reads, %d settled, %d released, writes back after %d timeouts at most",
		len(w.seen.entries), faults, len(l.acts), len(l.looks), len(w.seen.settled), w.seen.released, w.waited)
	for i := range w.nodes {
		w.stop(i)
	}
	// A bubble's time ends with its first goroutine; what still waits for it must not.
	w.sleep(time.Minute)
	if w.t.Failed() {
		w.t.Log("what happened:\n" + w.story.String())
	}
}

func (w *simWorld) ready() error {
	for i := range w.nodes {
		if err := w.member(i).Ready(); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

// simDir is in memory where it can be: what is synced there costs nothing.
func simDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tallyvault-sim-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
