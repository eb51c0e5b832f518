package metrics

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/treasury"
)

// Treasury counts what became of disbursements. Like the market's, its figures are
// equal on every node that was there, but for the time that a tick took.
type Treasury struct {
	total        *prometheus.CounterVec
	lag          prometheus.Histogram
	errors       *prometheus.CounterVec
	tick         prometheus.Histogram
	dependencies *prometheus.CounterVec
}

// reasons are the labels of errors, by their codes.
var reasons = map[treasury.Code]string{
	treasury.InsufficientFunds: "insufficient_funds", treasury.InvalidTarget: "invalid_target", treasury.StaleDependency: "stale_dep",
	treasury.CircularDependency: "circular_dep", treasury.ExecutionFailed: "execution_failed",
}

// failureTypes are the labels of failed dependencies, by the details of errors.
var failureTypes = map[string]string{
	treasury.DetailEnded: "stale", treasury.DetailCycle: "circular", treasury.DetailDepth: "too_deep", treasury.DetailGraph: "too_many",
}

// NewTreasury registers the metrics.
func NewTreasury(registry prometheus.Registerer) (*Treasury, error) {
	lags := []float64{1, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400, 172_800, 259_200, 604_800, 1_209_600}
	ticks := []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25}
	t := &Treasury{
		total: counter("governance_disbursements_total", "Disbursements that came to a status.", "status"),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "treasury_disbursement_lag_seconds", Help: "Time from queued to executed.", Buckets: lags,
		}),
		errors: counter("treasury_execution_errors_total", "Errors that disbursements met, by reason.", "reason"),
		tick: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "treasury_executor_tick_duration_seconds", Help: "Time that this node took to apply an entry in which the treasury's executor worked.", Buckets: ticks,
		}),
		dependencies: counter("treasury_dependency_failures_total", "Disbursements that ended over their dependencies, by type.", "failure_type"),
	}
	for _, s := range treasury.Statuses() {
		t.total.WithLabelValues(s.String())
	}
	for _, reason := range reasons {
		t.errors.WithLabelValues(reason)
	}
	for _, failure := range failureTypes {
		t.dependencies.WithLabelValues(failure)
	}
	return t, register(registry, t.total, t.lag, t.errors, t.tick, t.dependencies)
}

// Count takes one applied entry and how long that took.
func (t *Treasury) Count(r *fsm.Result, took time.Duration) {
	worked := false
	for _, receipt := range r.Receipts {
		if b, ok := receipt.Body.(*fsm.DisbursementReceipt); ok {
			worked = true
			t.step(b)
		}
	}
	if worked {
		t.tick.Observe(took.Seconds())
	}
}

func (t *Treasury) step(b *fsm.DisbursementReceipt) {
	if b.From != b.Status {
		t.total.WithLabelValues(b.Status).Inc()
	}
	facts := map[string]string{}
	for _, f := range b.Facts {
		facts[f.Name] = f.Value
	}
	if ms, err := strconv.ParseUint(facts["lag_ms"], 10, 64); err == nil && b.Action == string(treasury.ActExecute) {
		t.lag.Observe(float64(ms) / 1_000)
	}
	if reason := reasons[treasury.Code(facts["code"])]; reason != "" {
		t.errors.WithLabelValues(reason).Inc()
	}
	if failure := failureTypes[facts["detail"]]; failure != "" && strings.HasPrefix(b.Status, "cancel") {
		t.dependencies.WithLabelValues(failure).Inc()
	}
}
