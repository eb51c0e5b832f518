package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Bounds beyond which the screen says that something needs a look. The committee
// itself bears more.
const (
	heardLately   = 3 * time.Second // a peer's word is fresh
	oldCheckpoint = 30 * time.Second
	clockWorth    = 2 * time.Second
	diskWorth     = 10 // percent
	lagWorth      = 256
)

// committeeStatus is what the nodes' answers say together.
type committeeStatus struct {
	Cluster         string   `json:"cluster,omitempty"`
	Committee       int      `json:"committee"` // active nodes
	Answering       int      `json:"answering"`
	Alive           int      `json:"alive"` // that answer here, or answered another node lately
	Majority        int      `json:"majority"`
	CosignersNeeded int      `json:"cosigners_needed"`
	Commits         bool     `json:"commits"`
	Finalises       bool     `json:"finalises"`
	Worries         []string `json:"worries"`

	newest *api.Status // the answer of the node that is furthest
}

// committeeOf puts the answers together.
func committeeOf(nodes []*nodeStatus) committeeStatus {
	out := committeeStatus{Worries: []string{}}
	heard := map[string]bool{}
	for _, n := range nodes {
		if n.Status == nil {
			continue
		}
		out.Answering++
		if out.newest == nil || n.Status.Index > out.newest.Index {
			out.newest = n.Status
		}
		heard[n.Status.Node] = true
		for _, p := range n.Status.Peers {
			if p.Seen && p.AgoMs < heardLately.Milliseconds() {
				heard[p.Node] = true
			}
		}
	}
	if out.newest == nil {
		for _, n := range nodes {
			out.Worries = append(out.Worries, fmt.Sprintf("%s does not answer: %s", n.label(), n.Error))
		}
		return out
	}
	for _, m := range membersOf(nodes) {
		if m.Standing == "active" && heard[m.Node] {
			out.Alive++
		}
	}
	out.Cluster, out.Committee, out.CosignersNeeded = out.newest.Cluster, out.newest.Nodes, out.newest.CosignersNeeded
	out.Majority = out.Committee/2 + 1
	led := slices.ContainsFunc(nodes, func(n *nodeStatus) bool { return n.Status != nil && n.Status.Leader != "" })
	out.Commits = led && out.Alive >= out.Majority
	out.Finalises = out.Commits && out.Alive >= out.CosignersNeeded && len(alarmsOnAll(nodes)) == 0
	out.Worries = out.worries(nodes)
	return out
}

// membersOf is the committee as the node knows it that is furthest.
func membersOf(nodes []*nodeStatus) []api.Node {
	var best *nodeStatus
	for _, n := range nodes {
		if n.Status != nil && (best == nil || n.Status.Index > best.Status.Index) {
			best = n
		}
	}
	if best == nil {
		return nil
	}
	return best.members
}

// alarmsOnAll are those that every answering node tells: the replicated ones, while
// which nobody cosigns, are among them.
func alarmsOnAll(nodes []*nodeStatus) []string {
	count, answering := map[string]int{}, 0
	for _, n := range nodes {
		if n.Status == nil {
			continue
		}
		answering++
		for _, a := range n.Status.Alarms {
			count[a]++
		}
	}
	var all []string
	for alarm, n := range count {
		if n == answering && (alarm == "refused_entry" || alarm == "conservation") {
			all = append(all, alarm)
		}
	}
	return all
}

// worries are sentences about what needs a look, the gravest first.
func (s committeeStatus) worries(nodes []*nodeStatus) []string {
	list := []string{}
	add := func(bad bool, format string, args ...any) {
		if bad {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	for _, n := range nodes {
		if n.Status != nil && len(n.Status.Alarms) > 0 {
			add(true, "ALARM on %s: %s (runbooks/alarms.md)", n.Status.Node, strings.Join(n.Status.Alarms, "; "))
		}
	}
	add(!s.Commits, "Nothing is committed: %d of the %d nodes are there, and %d and a leader are needed (runbooks/node-down.md)", s.Alive, s.Committee, s.Majority)
	add(s.Commits && !s.Finalises, "Commands are committed and do not become final: %d of the %d cosigners are there (runbooks/not-final.md)", s.Alive, s.CosignersNeeded)
	spare := min(s.Alive-s.Majority, s.Alive-s.CosignersNeeded)
	add(s.Finalises && s.Alive < s.Committee && spare == 0, "With one more node lost nothing would be final (runbooks/node-down.md)")
	for _, n := range nodes {
		if n.Status == nil {
			add(!retired(nodes, n), "%s does not answer: %s", n.label(), n.Error)
			continue
		}
		add(!n.Status.Ready, "%s is not ready: %s", n.Status.Node, strings.Join(n.Status.Reasons, "; "))
		behind := s.newest.Index - n.Status.Index
		add(uint64(behind) > lagWorth, "%s is %s behind", n.Status.Node, words.Plural(uint64(behind), "entry"))
		add(n.clockOff() > clockWorth, "The clock of %s is %s off this machine's: one of the two is wrong", n.Status.Node, words.Span(n.clockOff()))
		if d := n.Status.Disk; d != nil && d.Total > 0 {
			add(uint64(d.Free)*100/uint64(d.Total) < diskWorth, "The disk of %s has %s left", n.Status.Node, bytesText(uint64(d.Free)))
		}
		add(n.Status.Version != s.newest.Version, "%s runs %s, %s runs %s: bring them to one version", n.Status.Node, n.Status.Version, s.newest.Node, s.newest.Version)
	}
	return list
}

// retired says whether a URL of genesis belongs to a node that was replaced.
func retired(nodes []*nodeStatus, n *nodeStatus) bool {
	return slices.ContainsFunc(membersOf(nodes), func(m api.Node) bool { return m.APIAddress == n.URL && m.Standing == "retired" })
}

func (n *nodeStatus) label() string {
	if n.Node != "" {
		return n.Node
	}
	return n.URL
}

// clockOff is by how much the clock is off for sure.
func (n *nodeStatus) clockOff() time.Duration {
	if n.ClockMs == nil {
		return 0
	}
	off := time.Duration(*n.ClockMs) * time.Millisecond
	return max(off.Abs()-time.Duration(n.ClockOffMs)*time.Millisecond, 0)
}

// screen is the status in words, as of now.
func (s clusterStatus) screen(now time.Time) string {
	var b strings.Builder
	if st := s.newest; st != nil {
		fmt.Fprintf(&b, "cluster   %s, era %s, height %s, epoch %s, %s\n", st.Cluster, eraNumber(st.Era),
			words.Grouped(num(st.Height)), words.Grouped(num(st.Epoch)), words.Time(st.Now-st.Now%1000))
		fmt.Fprintf(&b, "commits   %s: %d of %d nodes are there, %d are needed\n", yesNo(s.Commits), s.Alive, s.Committee, s.Majority)
		fmt.Fprintf(&b, "finalises %s: %s\n\n", yesNo(s.Finalises), finalityText(s.committeeStatus, now))
	}
	rows := [][]string{{"node", "role", "ready", "entry", "lag", "leaves", "final", "clock", "disk free", "up", "version"}}
	if s.DigestsEqual != nil {
		rows[0] = append(rows[0], "state digest")
	}
	for _, n := range s.Nodes {
		rows = append(rows, s.row(n))
	}
	b.WriteString(words.Columns(rows, 3, 4, 5, 6, 7))
	if len(s.Worries) > 0 {
		b.WriteString("\n")
	}
	for _, w := range s.Worries {
		b.WriteString(words.Wrapped("! "+w, 110, "  "))
	}
	switch {
	case s.DigestsEqual == nil:
	case *s.DigestsEqual:
		b.WriteString("\nThe states are the same.\n")
	default:
		b.WriteString("\nTHE STATES DIFFER.\n")
	}
	return b.String()
}

func (s clusterStatus) row(n *nodeStatus) []string {
	st := n.Status
	if st == nil {
		if retired(s.Nodes, n) {
			return []string{n.label(), "replaced"}
		}
		return []string{n.label(), "no answer"}
	}
	row := []string{
		st.Node, st.Role, yesNo(st.Ready), words.Grouped(num(st.Index)), words.Grouped(num(max(s.newest.Index-st.Index, st.Lag))),
		words.Grouped(num(st.TreeSize)), words.Grouped(num(st.FinalSize)), "-", "-", "-", st.Version,
	}
	if n.ClockMs != nil {
		row[7] = fmt.Sprintf("%+d ±%d ms", *n.ClockMs, n.ClockOffMs)
		if n.clockOff() > clockWorth {
			row[7] = fmt.Sprintf("%+.1f s", float64(*n.ClockMs)/1000)
		}
	}
	if st.Disk != nil {
		row[8] = fmt.Sprintf("%s (%d %%)", bytesText(uint64(st.Disk.Free)), uint64(st.Disk.Free)*100/max(uint64(st.Disk.Total), 1))
	}
	if st.StartedAt > 0 {
		row[9] = words.Span(time.Duration(st.Clock-st.StartedAt) * time.Millisecond)
	}
	if n.Digest != "" {
		row = append(row, fmt.Sprintf("%.16s at entry %d", n.Digest, n.DigestIndex))
	}
	return row
}

// finalityText says how large and old the newest checkpoint is and who cosigned it.
func finalityText(s committeeStatus, now time.Time) string {
	st := s.newest
	if st.FinalSize == 0 {
		return fmt.Sprintf("no checkpoint yet, %d of %d nodes must cosign it", s.CosignersNeeded, s.Committee)
	}
	text := fmt.Sprintf("%s of %s leaves, cosigned by %d of %d nodes, %d are needed", words.Grouped(num(st.FinalSize)), words.Grouped(num(st.TreeSize)),
		len(st.Cosigners), s.Committee, s.CosignersNeeded)
	if st.CheckpointAt > 0 {
		age := max(now.Sub(time.UnixMilli(st.CheckpointAt)), 0)
		if age < time.Second {
			return text + ", just now"
		}
		text += ", " + words.Span(age.Truncate(time.Second)) + " ago"
		if st.Final && age > oldCheckpoint {
			text += " (nothing has happened since)"
		}
	}
	return text
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "NO"
}

// bytesText writes a number of bytes in its largest unit.
func bytesText(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	v, i := float64(n), 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if v < 10 && i > 0 {
		return fmt.Sprintf("%.1f %s", v, units[i])
	}
	return fmt.Sprintf("%.0f %s", v, units[i])
}
