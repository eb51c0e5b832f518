package bench

import (
	"fmt"
	"io"
)

// Summary is what was measured, as one JSON object.
type Summary struct {
	Nodes   int `json:"nodes"`
	Batch   int `json:"batch"`
	Clients int `json:"clients"`
	Meters  int `json:"meters"`

	// Phase ingest. Seconds is the time the clock ran.
	Seconds        float64 `json:"seconds"`
	Readings       int     `json:"readings"`
	ReadingsPerS   float64 `json:"readings_per_s"`
	P50Ms          float64 `json:"p50_ms"`
	P99Ms          float64 `json:"p99_ms"`
	FinalP50Ms     float64 `json:"final_p50_ms"`
	FinalP99Ms     float64 `json:"final_p99_ms"`
	FinalSamples   int     `json:"final_samples"`
	BytesPerRead   float64 `json:"bytes_per_reading,omitempty"` // of the bench's own nodes
	Pending        int     `json:"pending_readings,omitempty"`  // the same
	JournalLeaves  uint64  `json:"journal_leaves"`
	Spans          []Span  `json:"spans"`
	DriverCPU      float64 `json:"driver_cpu_seconds"`
	NodeUsage      []Node  `json:"per_node,omitempty"`
	SettledSeconds float64 `json:"settled_seconds,omitempty"`
	Settled        int     `json:"settled,omitempty"`
	SettledPerS    float64 `json:"settled_per_s,omitempty"`
	SettledSpans   []Span  `json:"settled_spans,omitempty"` // with those until the journal was long enough

	Etcd  *Etcd  `json:"etcd,omitempty"`
	Again *Again `json:"again,omitempty"`

	// Of both phases: refusals by code, requests that had to be sent again by the
	// reason why, and readings without an outcome or answered and not in the state.
	Refused map[string]int `json:"refused"`
	Resent  map[string]int `json:"resent"`
	Lost    int            `json:"lost"`

	Version    string  `json:"version"`
	Go         string  `json:"go"`
	Platform   string  `json:"platform"`
	CPUs       int     `json:"cpus"`
	Load       float64 `json:"load_average"` // of the minute before
	FileSystem string  `json:"filesystem,omitempty"`
}

// Again is phase ingest once more, with a long journal.
type Again struct {
	JournalLeaves uint64  `json:"journal_leaves"` // at its beginning
	Seconds       float64 `json:"seconds"`
	Readings      int     `json:"readings"`
	ReadingsPerS  float64 `json:"readings_per_s"`
	P50Ms         float64 `json:"p50_ms"`
	P99Ms         float64 `json:"p99_ms"`
	Spans         []Span  `json:"spans"`
	DriverCPU     float64 `json:"driver_cpu_seconds"`
	NodeUsage     []Node  `json:"per_node"`
}

// cpuPerThousand is the processor time of all nodes for a thousand readings.
func cpuPerThousand(nodes []Node, readings int) float64 {
	sum := 0.0
	for _, n := range nodes {
		sum += n.CPUSeconds
	}
	return 1000 * sum / float64(max(readings, 1))
}

// Node is what one node used in phase ingest. Where a running process cannot be
// asked, it is what the node used in its whole life.
type Node struct {
	Node       string  `json:"node"`
	Leader     bool    `json:"leader"`
	CPUSeconds float64 `json:"cpu_seconds"`
	RSS        int64   `json:"rss_bytes"`
	Anonymous  int64   `json:"anonymous_bytes,omitempty"`
}

// Clean reports whether the figures mean what they say.
func (s Summary) Clean() bool { return s.Readings > 0 && s.Lost == 0 && len(s.Refused) == 0 }

// Tell says the figures for people.
func (s Summary) Tell(out io.Writer) {
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) } //nolint:errcheck // words for people
	say("%.0f readings/s (%d in %.1f s; batches of %d, %d clients, %d meters)", s.ReadingsPerS, s.Readings, s.Seconds, s.Batch, s.Clients, s.Meters)
	say("  answered within %.1f ms (p50), %.1f ms (p99); final within %.0f ms (p50), %.0f ms (p99)", s.P50Ms, s.P99Ms, s.FinalP50Ms, s.FinalP99Ms)
	if e := s.Etcd; e != nil {
		say("%.0f puts/s of etcd %s (%d in %.1f s; %d members, %.0f bytes each), answered within %.1f ms (p50), %.1f ms (p99)",
			e.PutsPerS, e.Version, e.Puts, e.Seconds, e.Members, e.PutBytes, e.P50Ms, e.P99Ms)
	}
	if s.SettledSeconds > 0 {
		say("%.0f settled/s (%d in %.1f s)", s.SettledPerS, s.Settled, s.SettledSeconds)
	}
	if s.BytesPerRead > 0 {
		say("  %.0f bytes on disk for a reading", s.BytesPerRead)
	}
	for _, n := range s.NodeUsage {
		role := ""
		if n.Leader {
			role = ", leader"
		}
		say("  %s%s: %.1f s of processor time, %d MiB resident, %d of them its own, with %d readings open",
			n.Node, role, n.CPUSeconds, n.RSS>>20, n.Anonymous>>20, s.Pending)
	}
	if a := s.Again; a != nil {
		say("%.0f readings/s behind %d leaves (%d in %.1f s), answered within %.1f ms (p50), %.1f ms (p99)",
			a.ReadingsPerS, a.JournalLeaves, a.Readings, a.Seconds, a.P50Ms, a.P99Ms)
		say("  a thousand of them took %.0f ms of the nodes' processor time, and %.0f ms before", 1000*cpuPerThousand(a.NodeUsage, a.Readings),
			1000*cpuPerThousand(s.NodeUsage, s.Readings))
	}
	if len(s.Refused) > 0 || s.Lost > 0 || len(s.Resent) > 0 {
		say("  refused %v, lost %d, sent again %v", s.Refused, s.Lost, s.Resent)
	}
	if s.Resent["RateLimited"] > 0 {
		say("  the nodes limit what one address may ask of them (serve --checks-per-second): they may take in more than that")
	}
}
