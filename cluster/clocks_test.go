package cluster

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// nodeClocks are the clocks of a committee's nodes. One that nobody has set is right.
type nodeClocks struct {
	mu   sync.Mutex
	says map[string]func() time.Time // by data directory
}

func (n *nodeClocks) use(config *Config) {
	dir := config.Dir
	config.Clock = func() time.Time {
		n.mu.Lock()
		says := n.says[dir]
		n.mu.Unlock()
		if says == nil {
			return time.Now()
		}
		return says()
	}
}

func (n *nodeClocks) set(dir string, says func() time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.says[dir] = says
}

// metered registers a meter and gives a function that signs its next reading, with a
// clock that is ahead of the test's.
func (c *committee) metered() (reading func(ahead time.Duration) *fsm.Command) {
	c.t.Helper()
	c.must(0, c.deposit("credit"), c.command(fsm.RegisterMeters{
		ThresholdHeader: c.threshold(), Market: "energy",
		Meters: []fsm.MeterRow{{Meter: "m-1", Provider: "sunny", Payer: "city", Capacity: 1_000_000, IntervalMs: 1_800_000, Decimals: 3}},
	}, "register_meters", "alice", "bob"))
	register, measured := uint64(10_000), time.Now().Add(-100*time.Hour)
	return func(ahead time.Duration) *fsm.Command {
		c.t.Helper()
		register, measured = register+1_000, measured.Add(time.Hour)
		header := c.single("sunny", "m/m-1")
		header.IssuedAt, header.ExpiresAt = header.IssuedAt+ahead.Milliseconds(), header.ExpiresAt+ahead.Milliseconds()
		return c.command(fsm.SubmitReading{
			Header: header, Market: "energy", Meter: "m-1", Register: register, MeasuredAt: measured.UnixMilli(),
			Quality: fsm.Quality{ClockSync: "ok", MeterStatus: "ok"},
		}, "submit_reading", "sunny")
	}
}

// ticked waits until a node has applied some more ticks.
func (c *committee) ticked(i int, more uint64) {
	c.t.Helper()
	from := c.members[i].View().Tick()
	c.eventually("ticks go on", func() error {
		if now := c.members[i].View().Tick(); now < from+more {
			return fmt.Errorf("%d after %d", now, from)
		}
		return nil
	})
}

// A passage is a moment from which replicated time is watched.
type passage struct {
	height uint64
	began  time.Time
}

func (c *committee) passage(i int) passage { return passage{c.members[i].View().Height(), time.Now()} }

// check demands that replicated time is right, people's clocks being ahead of the
// test's, and that no more heights have gone by than time has.
func (p passage) check(t *testing.T, view *fsm.View, ahead time.Duration) {
	t.Helper()
	g := view.Genesis()
	allowance := time.Duration(g.AllowanceMs) * time.Millisecond
	if apart := time.UnixMilli(view.Now()).Sub(time.Now().Add(ahead)); apart > allowance+time.Second || apart < -10*time.Second {
		t.Errorf("replicated time is %s ahead", apart)
	}
	most := uint64((time.Since(p.began)+allowance+fsmMostCounted)/time.Millisecond) / uint64(g.BlockMs)
	if went := view.Height() - p.height; went > most {
		t.Errorf("%d heights have gone by in %s, want %d at most", went, time.Since(p.began), most)
	}
}

// fsmMostCounted is how much time one entry counts for heights at most.
const fsmMostCounted = 15 * time.Second

// A committee whose leader, or any one node, has a wrong clock takes what people with
// right ones send, and no window gets shorter.
func TestOneWrongClock(t *testing.T) {
	clocks := &nodeClocks{says: map[string]func() time.Time{}}
	c := newCommittee(t, clocks.use).startAll()
	reading := c.metered()
	all := os.Getenv("TALLYVAULT_ALL_CLOCKS") != ""
	for k, wrong := range wrongClocks {
		for _, leads := range []bool{true, false} {
			if !all && (k > 1 || !leads) {
				continue
			}
			i := c.leader()
			if !leads {
				i = c.other(i)
			}
			start, began := c.passage(i), time.Now()
			clocks.set(c.nodeDir(i), func() time.Time { return wrong.says(time.Now(), time.Since(began)) })
			c.must(k%3, reading(0))
			c.ticked(i, 2)
			c.must((k+1)%3, reading(0))
			for _, m := range c.members {
				start.check(t, m.View(), 0)
			}
			clocks.set(c.nodeDir(i), nil)
			if t.Failed() {
				t.Fatalf("%s, leader: %v", wrong.name, leads)
			}
		}
	}
	c.agree()
}

// Nobody runs for ten minutes. Then what is sent with the time that it is by now is
// taken, and the windows have hardly moved.
func TestAllDownForTenMinutes(t *testing.T) {
	const down = 10 * time.Minute
	clocks := &nodeClocks{says: map[string]func() time.Time{}}
	c := newCommittee(t, clocks.use).startAll()
	reading := c.metered()
	c.must(0, reading(0))
	c.agree()
	start := c.passage(0)
	for i := range c.members {
		c.stop(i)
	}
	for i := range c.members {
		clocks.set(c.nodeDir(i), func() time.Time { return time.Now().Add(down) })
	}
	c.startAll()
	c.ticked(0, 2)
	c.must(1, reading(down))
	start.check(t, c.members[0].View(), down)
	c.agree()
}

// With two of five down and one of the others a day ahead, writes and time go on.
func TestTwoOfFiveDown(t *testing.T) {
	clocks := &nodeClocks{says: map[string]func() time.Time{}}
	c := newCommitteeOf(t, 5, clocks.use).startAll()
	reading := c.metered()
	c.must(0, reading(0))
	c.agree()
	c.stop(3)
	c.stop(4)
	c.leader()
	start := c.passage(0)
	clocks.set(c.nodeDir(1), func() time.Time { return time.Now().Add(24 * time.Hour) })
	c.ticked(2, 2)
	for i := range 3 {
		c.must(i, reading(0))
		start.check(t, c.members[i].View(), 0)
	}
	c.start(3)
	c.start(4)
	c.ready(3)
	c.ready(4)
	c.agree()
}
