package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Node measures what one node does by itself.
type Node struct {
	refused  *prometheus.CounterVec
	final    prometheus.Histogram
	forwards prometheus.Counter
	ahead    prometheus.Gauge
	audits   prometheus.Counter
	failures prometheus.Counter
}

// NewNode registers the metrics. Reasons are all with which a peer can be refused.
func NewNode(registry prometheus.Registerer, reasons []string) (*Node, error) {
	n := &Node{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tallyvault_peer_refused_total", Help: "Connections turned away at the peer port, by reason.",
		}, []string{"reason"}),
		final: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tallyvault_final_seconds", Help: "Time from applying a cut to publishing it with k cosignatures, on the leader.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		forwards: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tallyvault_forwards_overdue_total", Help: "Commands that this node forwarded to a leader and did not see applied in time.",
		}),
		ahead: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tallyvault_clock_ahead_seconds", Help: "By how much this node's clock was ahead of the committee's at the newest tick; negative if behind.",
		}),
		audits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "settlement_audit_balance_total", Help: "Audits of the whole ledger that found debits and credits equal.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "settlement_audit_conservation_failures_total", Help: "Audits of the whole ledger that found money made or lost.",
		}),
	}
	for _, reason := range reasons {
		n.refused.WithLabelValues(reason)
	}
	return n, register(registry, n.refused, n.final, n.forwards, n.ahead, n.audits, n.failures)
}

// PeerRefused counts a connection that was turned away.
func (n *Node) PeerRefused(reason string) { n.refused.WithLabelValues(reason).Inc() }

// CutFinal records how long a cut took to become final.
func (n *Node) CutFinal(took time.Duration) { n.final.Observe(took.Seconds()) }

// ForwardsOverdue counts commands that were forwarded and not applied in time.
func (n *Node) ForwardsOverdue(count int) { n.forwards.Add(float64(count)) }

// ClockAhead records by how much this node's clock was ahead of the committee's.
func (n *Node) ClockAhead(by time.Duration) { n.ahead.Set(by.Seconds()) }

// Audited counts an audit of the whole ledger.
func (n *Node) Audited(err error) {
	if err != nil {
		n.failures.Inc()
		return
	}
	n.audits.Inc()
}

func register(registry prometheus.Registerer, all ...prometheus.Collector) error {
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}
