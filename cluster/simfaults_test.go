package cluster

import (
	"slices"
	"time"
)

// A simFault begins on a committee that is whole, and gives back what ends it.
type simFault struct {
	name  string
	begin func(w *simWorld) (end func())
}

// simFaults are what happens to nodes and networks.
var simFaults = []simFault{
	{"a node crashes", func(w *simWorld) func() { return w.down(false, w.any()) }},
	{"a node loses power", func(w *simWorld) func() { return w.down(true, w.any()) }},
	{"the leader crashes", func(w *simWorld) func() { return w.down(false, w.leader()) }},
	{"the leader loses power", func(w *simWorld) func() { return w.down(true, w.leader()) }},
	{"a minority crashes", func(w *simWorld) func() { return w.down(false, w.minority()...) }},
	{"a majority loses power", func(w *simWorld) func() { return w.down(true, w.rand.Perm(len(w.nodes))[:len(w.nodes)/2+1]...) }},
	{"all nodes crash", func(w *simWorld) func() { return w.down(false, w.rand.Perm(len(w.nodes))...) }},
	{"a node is stopped", func(w *simWorld) func() {
		i := w.any()
		w.stop(i)
		return func() { w.start(i) }
	}},
	{"a node crashes again and again", func(w *simWorld) func() {
		i := w.any()
		for range 4 {
			w.crash(i, w.rand.IntN(2) == 0)
			w.start(i)
			w.sleep(w.some(2 * w.pace.raft))
		}
		return func() {}
	}},
	{"the leader is alone", func(w *simWorld) func() { return w.alone(w.leader()) }},
	{"a minority is alone", func(w *simWorld) func() { return w.alone(w.minority()...) }},
	{"nobody hears anybody", func(w *simWorld) func() {
		w.net.part(func(int, int) bool { return true })
		return w.net.heal
	}},
	{"the leader is mute", func(w *simWorld) func() {
		i := w.leader()
		for j := range w.nodes {
			w.net.cut(i, j)
		}
		return w.net.heal
	}},
	{"the leader is deaf", func(w *simWorld) func() {
		i := w.leader()
		for j := range w.nodes {
			w.net.cut(j, i)
		}
		return w.net.heal
	}},
	{"one direction is cut", func(w *simWorld) func() {
		pair := w.rand.Perm(len(w.nodes))
		w.net.cut(pair[0], pair[1])
		return w.net.heal
	}},
	{"one node is the bridge", func(w *simWorld) func() {
		order := w.rand.Perm(len(w.nodes))
		half := len(order) / 2
		w.net.part(func(a, b int) bool {
			return slices.Contains(order[:half], a) && slices.Contains(order[half+1:], b)
		})
		return w.net.heal
	}},
	{"connections break", func(w *simWorld) func() {
		for range 10 {
			for _, c := range w.net.of(func(*simConn) bool { return w.rand.IntN(3) == 0 }) {
				c.reset()
			}
			w.sleep(w.some(w.pace.raft))
		}
		return func() {}
	}},
	{"everything is late", func(w *simWorld) func() { return w.late() }},
}

// simClocks are wrong clocks. The committee's promise is about fewer of them than a
// majority, and a node that is not there has no right one to set against them.
var simClocks = []struct {
	name   string
	offset time.Duration
	ppm    int64
}{
	{"a day ahead", 24 * time.Hour, 0},
	{"a day behind", -24 * time.Hour, 0},
	{"an hour ahead", time.Hour, 0},
	{"ten minutes behind", -10 * time.Minute, 0},
	{"in 1970", -30 * 365 * 24 * time.Hour, 0},
	{"twice as fast", 0, 1_000_000},
	{"half as fast", 0, -500_000},
}

// trouble begins a fault, or two.
func (w *simWorld) trouble() (ends []func()) {
	pick := func(f simFault) { ends = append(ends, w.tell(f)) }
	if w.rand.IntN(5) == 0 {
		pick(w.wrongClocks())
		if w.rand.IntN(2) == 0 {
			pick(simFaults[len(simFaults)-1])
		}
		return ends
	}
	pick(simFaults[w.rand.IntN(len(simFaults))])
	if w.rand.IntN(4) == 0 {
		pick(simFaults[w.rand.IntN(len(simFaults))])
	}
	return ends
}

// tell begins a fault and writes both its ends down.
func (w *simWorld) tell(f simFault) (end func()) {
	w.story.tell(w.now(), f.name)
	undo := f.begin(w)
	return func() {
		undo()
		w.story.tell(w.now(), f.name+": over")
	}
}

func (w *simWorld) wrongClocks() simFault {
	wrong := simClocks[w.rand.IntN(len(simClocks))]
	return simFault{"clocks are " + wrong.name, func(w *simWorld) func() {
		for _, i := range w.minority() {
			w.nodes[i].clock.set(wrong.offset, wrong.ppm)
		}
		return w.keepClocks
	}}
}

// keepClocks sets all clocks nearly right, and lets them drift as good ones do.
func (w *simWorld) keepClocks() {
	for _, n := range w.nodes {
		n.clock.set(time.Duration(w.rand.IntN(400)-200)*time.Millisecond, int64(w.rand.IntN(100)-50))
	}
}

// some is a time around d.
func (w *simWorld) some(d time.Duration) time.Duration {
	return d/4 + time.Duration(w.rand.Int64N(int64(3*d/2)))
}

func (w *simWorld) any() int { return w.rand.IntN(len(w.nodes)) }

// minority is as many nodes as may fail.
func (w *simWorld) minority() []int { return w.rand.Perm(len(w.nodes))[:(len(w.nodes)-1)/2] }

// leader is who leads as far as anybody knows, or some node.
func (w *simWorld) leader() int {
	for i := range w.nodes {
		if m := w.member(i); m != nil && m.leading() != nil {
			return i
		}
	}
	return w.any()
}

// down crashes nodes and starts them again afterwards, some time apart.
func (w *simWorld) down(power bool, nodes ...int) (end func()) {
	for _, i := range nodes {
		w.crash(i, power)
	}
	return func() {
		for _, i := range nodes {
			w.start(i)
			w.sleep(w.some(w.pace.raft))
		}
	}
}

// alone parts nodes from all others, as a pause does: what was sent arrives afterwards.
func (w *simWorld) alone(nodes ...int) (end func()) {
	w.net.part(func(a, b int) bool { return slices.Contains(nodes, a) && !slices.Contains(nodes, b) })
	return w.net.heal
}

// simLate is what a link takes at most: round trips are what RaftTimeout allows for.
const simLate = 250 * time.Millisecond

func (w *simWorld) late() (end func()) {
	w.net.change(func() {
		for _, row := range w.net.links {
			for to := range row {
				row[to].delay = time.Duration(w.rand.Int64N(int64(min(w.pace.raft/40, simLate))))
			}
		}
	})
	return w.net.heal
}

// majority are the most nodes that run and can all talk to each other, if they are more
// than half.
func (w *simWorld) majority() []int {
	var most []int
	for set := range 1 << len(w.nodes) {
		var nodes []int
		for i := range w.nodes {
			if set>>i&1 == 1 {
				nodes = append(nodes, i)
			}
		}
		if len(nodes) > max(len(most), len(w.nodes)/2) && w.together(nodes) {
			most = nodes
		}
	}
	return most
}

func (w *simWorld) together(nodes []int) bool {
	for _, i := range nodes {
		for _, j := range nodes {
			if w.member(i) == nil || !w.net.whole(i, j) {
				return false
			}
		}
	}
	return true
}
