package metrics

import (
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
)

// MaxProviders is how many providers have a label of their own.
const MaxProviders = 256

// other stands for everybody and everything beyond a label's set.
const other = "other"

// Market counts what the state machine decided.
type Market struct {
	settlements      *prometheus.CounterVec
	settlementsAlias *prometheus.CounterVec
	traded           *prometheus.CounterVec
	fulfillment      *prometheus.HistogramVec
	shortfall        *prometheus.CounterVec
	rejected         *prometheus.CounterVec
	signatures       *prometheus.CounterVec
	latency          *prometheus.HistogramVec
	latencyAlias     *prometheus.HistogramVec
	submissions      *prometheus.CounterVec
	emitted          *prometheus.CounterVec
	invalid          *prometheus.CounterVec
	epochCount       prometheus.Gauge
	epochVolume      prometheus.Gauge
	epochInflow      prometheus.Gauge

	mu        sync.Mutex
	providers map[string]bool
	epoch     uint64
	sums      [3]float64 // of the epoch: transactions, volume, inflow
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

// NewMarket registers the metrics.
func NewMarket(registry prometheus.Registerer) (*Market, error) {
	seconds := []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400}
	millis := []float64{1e3, 5e3, 1e4, 6e4, 3e5, 1.8e6, 3.6e6, 2.16e7, 8.64e7, 6.048e8}
	m := &Market{
		settlements:      counter("energy_settlements_total", "Settlements, by market and provider.", "market", "provider"),
		settlementsAlias: counter("energy_settlement_total", "The same as energy_settlements_total.", "market", "provider"),
		traded:           counter("energy_kwh_traded_total", "Settled units of the market.", "market"),
		fulfillment:      histogram("energy_provider_fulfillment_ms", "Time from measuring to settlement.", millis, "market"),
		shortfall:        counter("energy_quorum_shortfall_total", "Readings that expired without a quorum.", "market", "provider"),
		rejected:         counter("energy_reading_reject_total", "Readings refused or rejected, by reason.", "market", "reason"),
		signatures:       counter("energy_signature_failure_total", "Signatures refused, at this node's door or in the log.", "provider", "reason"),
		latency:          histogram("oracle_latency_seconds", "Time from accepting a reading to closing it by quorum.", seconds, "market"),
		latencyAlias:     histogram("oracle_reading_latency_seconds", "The same as oracle_latency_seconds.", seconds, "market"),
		submissions:      counter("oracle_submission_errors_total", "Refused attestations, by reason.", "reason"),
		emitted:          counter("receipt_emitted_total", "Receipts written, by market; none for those of no market.", "market"),
		invalid:          counter("receipt_validation_errors_total", "Receipts that could not be proved from this node's journal.", "market", "reason"),
		epochCount:       gauge("economics_epoch_tx_count", "Settlements of the current epoch."),
		epochVolume:      gauge("economics_epoch_tx_volume_block", "Gross amount settled in the current epoch, minor units."),
		epochInflow:      gauge("economics_epoch_treasury_inflow_block", "Fees released to the treasury in the current epoch, minor units."),
		providers:        map[string]bool{},
	}
	return m, register(registry, m.settlements, m.settlementsAlias, m.traded, m.fulfillment, m.shortfall, m.rejected,
		m.signatures, m.latency, m.latencyAlias, m.submissions, m.emitted, m.invalid, m.epochCount, m.epochVolume, m.epochInflow)
}

// Count takes one applied entry. Before is the state that it met: readings that it
// closed are still live there.
func (m *Market) Count(r *fsm.Result, e *fsm.Entry, before *fsm.View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Epoch != m.epoch {
		m.epoch, m.sums = r.Epoch, [3]float64{}
	}
	for i := range r.Outcomes {
		m.outcome(&r.Outcomes[i], e.Commands[i], before)
	}
	for _, receipt := range r.Receipts {
		m.receipt(receipt, before)
	}
	m.epochCount.Set(m.sums[0])
	m.epochVolume.Set(m.sums[1])
	m.epochInflow.Set(m.sums[2])
}

func (m *Market) outcome(o *fsm.Outcome, c *fsm.Command, before *fsm.View) {
	if o.Refusal == nil {
		return
	}
	m.signature(c, o.Refusal, before)
	switch body := c.Body().(type) {
	case *fsm.SubmitReading:
		m.rejected.WithLabelValues(known(before, body.Market), string(o.Refusal.Code)).Inc()
	case *fsm.Attest:
		m.submissions.WithLabelValues(string(o.Refusal.Code)).Inc()
	}
}

// signature counts a refusal that is about who signed.
func (m *Market) signature(c *fsm.Command, refusal *fsm.Refusal, view *fsm.View) {
	switch refusal.Code {
	case fsm.SignatureInvalid, fsm.UnknownKey, fsm.KeyRevoked:
	default:
		return
	}
	provider := other
	if key, ok := view.Key(c.KeyIDs[0]); ok {
		provider = m.provider(key.Principal)
	}
	m.signatures.WithLabelValues(provider, string(refusal.Code)).Inc()
}

// DoorRefused counts a refusal at this node's door, which the log does not see.
func (m *Market) DoorRefused(c *fsm.Command, refusal *fsm.Refusal, view *fsm.View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signature(c, refusal, view)
}

// ReceiptInvalid counts a receipt that this node could not prove.
func (m *Market) ReceiptInvalid(market, reason string) {
	m.invalid.WithLabelValues(market, reason).Inc()
}

func (m *Market) receipt(r fsm.Receipt, before *fsm.View) {
	switch b := r.Body.(type) {
	case *fsm.SettlementReceipt:
		m.emitted.WithLabelValues(b.Market).Inc()
		m.settled(b, before)
	case *fsm.ReleaseReceipt:
		m.emitted.WithLabelValues(b.Market).Inc()
		if !b.Rehearsal {
			m.sums[2] += amount(b.Fee)
		}
	case *fsm.ReadingReceipt:
		m.emitted.WithLabelValues(b.Market).Inc()
		m.closed(b, before)
	case *fsm.EvidenceReceipt:
		m.emitted.WithLabelValues(b.Market).Inc()
	default:
		m.emitted.WithLabelValues("none").Inc()
	}
}

func (m *Market) settled(b *fsm.SettlementReceipt, before *fsm.View) {
	if _, again := before.Oracle().Settlement(b.Market, b.Settlement); again {
		// A receivable that was paid: the settlement was counted when it was made.
		return
	}
	provider := m.provider(b.Provider)
	m.settlements.WithLabelValues(b.Market, provider).Inc()
	m.settlementsAlias.WithLabelValues(b.Market, provider).Inc()
	m.traded.WithLabelValues(b.Market).Add(float64(b.Delta) / math.Pow10(int(b.Decimals)))
	m.fulfillment.WithLabelValues(b.Market).Observe(float64(max(b.At-b.ToMeasuredAt, 0)))
	m.sums[0]++
	m.sums[1] += amount(b.Gross)
	for n := b.Readings.From; n <= b.Readings.To; n++ {
		m.quorum(b.Market, n, b.At, before)
	}
}

func (m *Market) closed(b *fsm.ReadingReceipt, before *fsm.View) {
	switch b.Status {
	case "baseline":
		m.quorum(b.Market, b.Number, b.At, before)
	case "quorum_failed":
		meter, _ := before.Oracle().Meter(b.Meter)
		m.shortfall.WithLabelValues(b.Market, m.provider(meter.Provider)).Inc()
		m.rejected.WithLabelValues(b.Market, b.Status).Inc()
	case "rejected":
		m.rejected.WithLabelValues(b.Market, b.Reason).Inc()
	}
}

// quorum observes how long a reading waited. One that was accepted by the entry
// that closed it did not wait.
func (m *Market) quorum(market string, number uint64, at int64, before *fsm.View) {
	seconds := 0.0
	if r, live := before.Oracle().Reading(market, number); live {
		seconds = float64(max(at-r.AcceptedAt, 0)) / 1_000
	}
	m.latency.WithLabelValues(market).Observe(seconds)
	m.latencyAlias.WithLabelValues(market).Observe(seconds)
}

// provider bounds the label. The lock is held.
func (m *Market) provider(name string) string {
	if name == "" {
		return other
	}
	if !m.providers[name] {
		if len(m.providers) >= MaxProviders {
			return other
		}
		m.providers[name] = true
	}
	return name
}

// known keeps words of refused commands out of the labels.
func known(view *fsm.View, market string) string {
	if _, ok := view.Oracle().Market(market); ok {
		return market
	}
	return other
}

func amount(a fsm.Amount) float64 { return float64(a.Hi)*math.Pow(2, 64) + float64(a.Lo) }
