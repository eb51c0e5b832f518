package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what the agent does. Labels are closed sets: markets and
// references are those of the policy, reasons those of [Reasons].
type metrics struct {
	verdicts     *prometheus.CounterVec
	attestations *prometheus.CounterVec
	troubles     *prometheus.CounterVec
	references   *prometheus.CounterVec
	judged       *prometheus.GaugeVec
	newest       *prometheus.GaugeVec
	waiting      *prometheus.GaugeVec
	seconds      *prometheus.HistogramVec
}

// newMetrics registers with a registry, unless it is nil.
func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oracle_agent_verdicts_total", Help: "Readings judged, by market, vote and reason.",
		}, []string{"market", "vote", "reason"}),
		attestations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oracle_agent_attestations_total", Help: "Attestations whose outcome is known, by market and result (accepted or refused).",
		}, []string{"market", "result"}),
		troubles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oracle_agent_troubles_total", Help: "Times that the agent had to wait before it tried again, by market.",
		}, []string{"market"}),
		references: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oracle_agent_reference_reads_total", Help: "Looks at a reference, by result (read, unchanged or failed).",
		}, []string{"reference", "result"}),
		judged: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oracle_agent_judged_number", Help: "Number of the last reading that was looked at.",
		}, []string{"market"}),
		newest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oracle_agent_newest_number", Help: "Number of the market's newest reading, as the node told last.",
		}, []string{"market"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "oracle_agent_waiting_readings", Help: "Readings that wait for a reference.",
		}, []string{"market"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oracle_agent_vote_seconds", Help: "Time from a reading's acceptance to the outcome of this oracle's vote on it.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}, []string{"market"}),
	}
	if registry != nil {
		registry.MustRegister(m.verdicts, m.attestations, m.troubles, m.references, m.judged, m.newest, m.waiting, m.seconds)
	}
	return m
}

func (m *metrics) verdict(market string, v Verdict) {
	m.verdicts.WithLabelValues(market, string(v.Vote), string(v.Reason)).Inc()
}

func (m *metrics) attested(market, result string) {
	m.attestations.WithLabelValues(market, result).Inc()
}

func (m *metrics) reference(name, result string) { m.references.WithLabelValues(name, result).Inc() }

// voted notes how long after its acceptance a reading's vote had its outcome.
func (m *metrics) voted(market string, acceptedAt int64, now time.Time) {
	m.seconds.WithLabelValues(market).Observe(max(0, now.Sub(time.UnixMilli(acceptedAt)).Seconds()))
}
