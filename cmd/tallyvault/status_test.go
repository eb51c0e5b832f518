package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
)

// answered is what a node of a committee of n says that is well.
func answered(name string, n int, change func(*nodeStatus)) *nodeStatus {
	members := []api.Node{}
	for i := range n {
		node := "node-" + string(rune('a'+i))
		members = append(members, api.Node{Node: node, Standing: "active", APIAddress: "https://" + node})
	}
	offset := int64(3)
	out := &nodeStatus{
		URL: "https://" + name, Node: name, members: members, ClockMs: &offset, ClockOffMs: 1,
		Status: &api.Status{
			Facts: api.Facts{Index: 100, Final: true}, Node: name, Cluster: "c1", Era: "0-00", Version: "v1", Role: "follower", Leader: "node-a",
			Ready: true, Height: 1234, Epoch: 5, TreeSize: 2000, FinalSize: 1990, Cosigners: []string{"node-a", "node-b"},
			Nodes: n, CosignersNeeded: (n+(n-1)/3)/2 + 1, CheckpointAt: 1_000_000, Clock: 10_000_000, StartedAt: 2_800_000,
			Disk: &api.Disk{FileSystem: "ext", Free: 60_000_000_000, Total: 100_000_000_000},
		},
	}
	if change != nil {
		change(out)
	}
	return out
}

func silent(name string) *nodeStatus {
	return &nodeStatus{URL: "https://" + name, Node: name, Error: "connect: connection refused"}
}

func TestStatusScreen(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes []*nodeStatus
		want  []string // in the screen
		never []string
	}{
		{
			"all well",
			[]*nodeStatus{answered("node-a", 3, nil), answered("node-b", 3, nil), answered("node-c", 3, nil)},
			[]string{
				"commits   yes: 3 of 3 nodes are there, 2 are needed\n",
				"finalises yes: 1,990 of 2,000 leaves, cosigned by 2 of 3 nodes, 2 are needed, 1 s ago\n",
				"height 1,234", "60 GB (60 %)", "+3 ±1 ms", "2 h 0 min",
			},
			[]string{"!", "NO"},
		},
		{
			"three of five commit and do not finalise",
			[]*nodeStatus{answered("node-a", 5, nil), answered("node-b", 5, nil), answered("node-c", 5, nil), silent("node-d"), silent("node-e")},
			[]string{"commits   yes: 3 of 5 nodes are there, 3 are needed", "finalises NO", "! Commands are committed and do not become final: 3 of the 4 cosigners", "! node-e does not answer: connect: connection refused"},
			nil,
		},
		{
			"a node that others hear",
			[]*nodeStatus{answered("node-a", 3, func(n *nodeStatus) {
				n.Status.Peers = []api.Peer{{Node: "node-b", Seen: true, AgoMs: 100}, {Node: "node-c", Seen: true, AgoMs: 60_000}}
			}), silent("node-b"), silent("node-c")},
			[]string{"commits   yes: 2 of 3 nodes are there", "With one more node lost"},
			nil,
		},
		{
			"no leader",
			[]*nodeStatus{answered("node-a", 3, func(n *nodeStatus) {
				n.Status.Leader, n.Status.Ready, n.Status.Reasons = "", false, []string{"there is no leader"}
			})},
			[]string{"commits   NO", "! Nothing is committed", "! node-a is not ready: there is no leader"},
			nil,
		},
		{
			"everything that worries",
			[]*nodeStatus{answered("node-a", 3, nil), answered("node-b", 3, func(n *nodeStatus) {
				off := int64(-61_000)
				n.ClockMs, n.Status.Version, n.Status.Disk.Free, n.Status.Alarms = &off, "v0", 2_000_000_000, []string{"clock_differs"}
			}), answered("node-c", 3, func(n *nodeStatus) { n.Status.Index = 0; n.Status.Lag = 7 })},
			[]string{
				"! ALARM on node-b: clock_differs (runbooks/alarms.md)", "The clock of node-b is 61 s off", "The disk of node-b has 2.0 GB left",
				"! node-b runs v0, node-a runs v1", "-61.0 s", "finalises yes",
			},
			[]string{"behind"},
		},
		{
			"a replicated alarm",
			[]*nodeStatus{
				answered("node-a", 3, func(n *nodeStatus) { n.Status.Alarms = []string{"refused_entry"} }),
				answered("node-b", 3, func(n *nodeStatus) { n.Status.Alarms = []string{"refused_entry"} }),
			},
			[]string{"commits   yes", "finalises NO", "! ALARM on node-b: refused_entry"},
			nil,
		},
		{
			"one that was replaced",
			[]*nodeStatus{answered("node-a", 3, func(n *nodeStatus) { n.members[2].Standing = "retired" }), answered("node-b", 3, nil), silent("node-c")},
			[]string{"node-c  replaced"},
			[]string{"node-c does not answer"},
		},
		{"nobody", []*nodeStatus{silent("node-a")}, []string{"no answer", "! node-a does not answer: connect: connection refused"}, []string{"commits"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := clusterStatus{Nodes: c.nodes, committeeStatus: committeeOf(c.nodes)}
			got := s.screen(time.UnixMilli(1_001_000))
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			for _, never := range c.never {
				if strings.Contains(got, never) {
					t.Errorf("%q in\n%s", never, got)
				}
			}
		})
	}
}

func TestFrame(t *testing.T) {
	const keep = "\x1b[K\n"
	for _, c := range []struct {
		text          string
		width, height int
		want          string
	}{
		{"one\ntwo", 80, 24, "\x1b[Hone" + keep + "two" + keep + "\x1b[J"},
		{"müsli und mehr", 8, 24, "\x1b[Hmüsli u…" + keep + "\x1b[J"},
		{"a\nb\nc\nd", 80, 3, "\x1b[Ha" + keep + "b" + keep + "\x1b[J"},
		{"no size", 0, 0, "\x1b[Hno size" + keep + "\x1b[J"},
	} {
		if got := frame(c.text, c.width, c.height); got != c.want {
			t.Errorf("%q in %d x %d: %q, want %q", c.text, c.width, c.height, got, c.want)
		}
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 73_400_000_000: "73 GB", 5_200_000_000_000_000: "5200 TB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
