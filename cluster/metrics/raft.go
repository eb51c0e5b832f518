package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	gometrics "github.com/hashicorp/go-metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// InstallRaft sends what the Raft library measures to a registry. The library
// measures into one place per process, so this is called once by a binary and not
// by each node: with several nodes in a process the figures are their sum, and
// gauges are the last writer's. Figures that belong to one node are in [Node].
func InstallRaft(registry prometheus.Registerer) error {
	config := &gometrics.Config{TimerGranularity: time.Millisecond, FilterDefault: true}
	if _, err := gometrics.NewGlobal(config, newRaftSink(registry)); err != nil {
		return fmt.Errorf("install the Raft library's metrics: %w", err)
	}
	return nil
}

// raftBuckets suit what the library samples: mostly milliseconds, else counts.
var raftBuckets = []float64{.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000}

// A raftSink is a go-metrics sink that makes a Prometheus metric of each key the
// first time it sees it. The ready-made sink forgets metrics that rest for a
// minute, which turns quiet counters into gaps.
type raftSink struct {
	registry prometheus.Registerer

	mu         sync.RWMutex
	gauges     map[string]*prometheus.GaugeVec
	counters   map[string]*prometheus.CounterVec
	histograms map[string]*prometheus.HistogramVec
}

func newRaftSink(registry prometheus.Registerer) *raftSink {
	return &raftSink{
		registry: registry,
		gauges:   map[string]*prometheus.GaugeVec{}, counters: map[string]*prometheus.CounterVec{},
		histograms: map[string]*prometheus.HistogramVec{},
	}
}

// raftName turns a key such as raft.leader.lastContact into a metric name.
func raftName(key []string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.Join(key, "_"))
}

// raftLabels sorts labels, since Prometheus wants one order for a name.
func raftLabels(labels []gometrics.Label) (names, values []string) {
	sorted := slices.SortedFunc(slices.Values(labels), func(a, b gometrics.Label) int { return strings.Compare(a.Name, b.Name) })
	for _, l := range sorted {
		names, values = append(names, l.Name), append(values, l.Value)
	}
	return names, values
}

// vector finds the metric of a name or makes it. A name that the registry does not
// take, because it came with other labels before, gets a vector that nobody reads.
func vector[V prometheus.Collector](s *raftSink, all map[string]V, name string, labels []string, make func(labels []string) V) V {
	id := name + "{" + strings.Join(labels, ",") + "}"
	s.mu.RLock()
	v, ok := all[id]
	s.mu.RUnlock()
	if ok {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok = all[id]; ok {
		return v
	}
	v = make(labels)
	_ = s.registry.Register(v)
	all[id] = v
	return v
}

func raftHelp(name string) string { return "Measured by the Raft library: " + name + "." }

// SetGauge implements gometrics.MetricSink.
func (s *raftSink) SetGauge(key []string, v float32) { s.SetGaugeWithLabels(key, v, nil) }

// SetGaugeWithLabels implements gometrics.MetricSink.
func (s *raftSink) SetGaugeWithLabels(key []string, v float32, labels []gometrics.Label) {
	name := raftName(key)
	names, values := raftLabels(labels)
	vector(s, s.gauges, name, names, func(l []string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: raftHelp(name)}, l)
	}).WithLabelValues(values...).Set(float64(v))
}

// EmitKey implements gometrics.MetricSink; the Raft library does not use it.
func (s *raftSink) EmitKey([]string, float32) {}

// IncrCounter implements gometrics.MetricSink.
func (s *raftSink) IncrCounter(key []string, v float32) { s.IncrCounterWithLabels(key, v, nil) }

// IncrCounterWithLabels implements gometrics.MetricSink.
func (s *raftSink) IncrCounterWithLabels(key []string, v float32, labels []gometrics.Label) {
	name := raftName(key) + "_total"
	names, values := raftLabels(labels)
	vector(s, s.counters, name, names, func(l []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: raftHelp(name)}, l)
	}).WithLabelValues(values...).Add(float64(max(v, 0)))
}

// AddSample implements gometrics.MetricSink.
func (s *raftSink) AddSample(key []string, v float32) { s.AddSampleWithLabels(key, v, nil) }

// AddSampleWithLabels implements gometrics.MetricSink.
func (s *raftSink) AddSampleWithLabels(key []string, v float32, labels []gometrics.Label) {
	name := raftName(key)
	names, values := raftLabels(labels)
	vector(s, s.histograms, name, names, func(l []string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: raftHelp(name), Buckets: raftBuckets}, l)
	}).WithLabelValues(values...).Observe(float64(v))
}
