package oracle

// Limits of providers and meters.
const (
	MaxProviders  = 1 << 17
	MaxMeters     = 1 << 20
	MaxDecimals   = 9
	maxIntervalMs = 366 * 24 * 3_600_000

	// maxUnixMs bounds every time that becomes part of a base, so that an
	// elapsed time times a capacity fits 128 bits.
	maxUnixMs = 1 << 53
)

// The reasons for setting a meter's base anew.
const (
	RebaseRollover = "rollover"
	RebaseSwap     = "swap"
)

// Provider is a principal that may submit readings.
type Provider struct {
	ID     string
	Active bool
}

// Meter is what is measured: a register that only grows, read now and then.
type Meter struct {
	ID, Market, Provider, Payer string

	// Capacity is the most the meter can register in an hour, in register
	// units; IntervalMs is how often a reading is expected.
	Capacity   uint64
	IntervalMs int64

	// Decimals says that a register unit is 10^-Decimals of the market's unit.
	Decimals uint8

	// The base is the reading closed last: where the next delta starts. Only
	// closing a reading and an explicit rebase change it.
	HasBase        bool
	BaseRegister   uint64
	BaseMeasuredAt int64

	// Remainder is what flooring the last gross left over, in 10^-Decimals of
	// a minor unit. The next settlement of the meter adds it.
	Remainder uint64

	// Pending counts the live readings of the meter.
	Pending uint32
}

// meterSpec is the part of a meter that registration fixes. Specs are shared
// by copies of the state and by readings, and never changed.
type meterSpec struct {
	id, market, provider, payer string
	capacity                    uint64
	intervalMs                  int64
	decimals                    uint8
}

func (m Meter) spec() *meterSpec {
	return &meterSpec{
		id: m.ID, market: m.Market, provider: m.Provider, payer: m.Payer,
		capacity: m.Capacity, intervalMs: m.IntervalMs, decimals: m.Decimals,
	}
}

// meterRow is a meter as the table holds it.
type meterRow struct {
	spec           *meterSpec
	baseRegister   uint64
	baseMeasuredAt int64
	remainder      uint64
	pending        uint32
	hasBase        bool
}

func (r meterRow) meter() Meter {
	return Meter{
		ID: r.spec.id, Market: r.spec.market, Provider: r.spec.provider, Payer: r.spec.payer,
		Capacity: r.spec.capacity, IntervalMs: r.spec.intervalMs, Decimals: r.spec.decimals,
		HasBase: r.hasBase, BaseRegister: r.baseRegister, BaseMeasuredAt: r.baseMeasuredAt,
		Remainder: r.remainder, Pending: r.pending,
	}
}

// AddProvider registers a provider, active from now on.
func (s *State) AddProvider(id string) *Refusal {
	if !ValidID(id) {
		return malformed("provider", ReasonMalformedID)
	}
	if _, ok := s.providers.Get(id); ok {
		return exists("provider", id)
	}
	if s.providers.Len() >= MaxProviders {
		return full(LimitProviders, MaxProviders)
	}
	s.providers.Set(id, Provider{ID: id, Active: true})
	return nil
}

// SetProviderActive makes a provider active or inactive. Readings of an
// inactive provider are refused; those already accepted run their course.
func (s *State) SetProviderActive(id string, active bool) *Refusal {
	if _, ok := s.providers.Get(id); !ok {
		return unknown(KindProvider, id)
	}
	s.providers.Set(id, Provider{ID: id, Active: active})
	return nil
}

// AddMeter registers a meter. Its base is empty whatever m says: the first
// reading becomes the baseline.
func (s *State) AddMeter(m Meter) *Refusal {
	if r := s.checkMeter(m); r != nil {
		return r
	}
	s.meters.Set(m.ID, meterRow{spec: m.spec()})
	return nil
}

func (s *State) checkMeter(m Meter) *Refusal {
	if r := checkSpec(m); r != nil {
		return r
	}
	if s.book(m.Market) == nil {
		return unknown(KindMarket, m.Market)
	}
	if _, ok := s.providers.Get(m.Provider); !ok {
		return unknown(KindProvider, m.Provider)
	}
	if _, ok := s.meters.Get(m.ID); ok {
		return exists("meter", m.ID)
	}
	if s.meters.Len() >= MaxMeters {
		return full(LimitMeters, MaxMeters)
	}
	return nil
}

// checkSpec says whether a meter's own fields are such as any meter's may be.
func checkSpec(m Meter) *Refusal {
	for _, id := range [...]struct{ field, value string }{
		{"meter", m.ID}, {"market", m.Market}, {"provider", m.Provider}, {"payer", m.Payer},
	} {
		if !ValidID(id.value) {
			return malformed(id.field, ReasonMalformedID)
		}
	}
	if m.Capacity < 1 {
		return malformed("capacity", ReasonOutOfRange)
	}
	if m.IntervalMs < 1 || m.IntervalMs > maxIntervalMs {
		return malformed("interval_ms", ReasonOutOfRange)
	}
	if m.Decimals > MaxDecimals {
		return malformed("decimals", ReasonOutOfRange)
	}
	return nil
}

// RebaseMeter sets the base of a meter anew after its register rolled over or
// the device was exchanged. It credits nothing, keeps the money remainder and
// never moves the base back in time, so that no time is ever credited twice.
func (s *State) RebaseMeter(meter string, register uint64, measuredAt int64, reason string) *Refusal {
	if reason != RebaseRollover && reason != RebaseSwap {
		return malformed("reason", ReasonUnsupported)
	}
	row, ok := s.meters.Get(meter)
	if !ok {
		return unknown(KindMeter, meter)
	}
	if !row.hasBase {
		return refuse(InvalidTransition, Field{"current", "no_base"}, Field{"allowed", "base"})
	}
	if row.pending > 0 {
		return refuse(SettlementConflict, Field{"reason", ReasonPending}, Field{"pending", u64(uint64(row.pending))})
	}
	if measuredAt < row.baseMeasuredAt {
		return refuse(SettlementConflict, Field{"reason", ReasonClosed},
			Field{"measured_at", i64(measuredAt)}, Field{"closed_until", i64(row.baseMeasuredAt)})
	}
	if measuredAt > maxUnixMs {
		return malformed("measured_at", ReasonOutOfRange)
	}
	row.baseRegister, row.baseMeasuredAt = register, measuredAt
	s.meters.Set(meter, row)
	return nil
}

// exists refuses to register what is registered already.
func exists(field, id string) *Refusal {
	return refuse(InvalidTransition, Field{field, id}, Field{"current", "registered"}, Field{"allowed", "none"})
}
