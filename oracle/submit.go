package oracle

import "strings"

// maxQualityWord bounds each word of a reading's quality.
const maxQualityWord = 32

// SubmitReading is a provider's signed claim.
type SubmitReading struct {
	Market, Meter        string
	Register             uint64
	MeasuredAt, IssuedAt int64
	Quality              Quality

	// Supersedes, if set, is the identity of the pending reading with the same
	// meter and MeasuredAt that this one takes the place of.
	Supersedes *Identity
}

// Submit takes in a reading that the principal provider signed under the
// identity, or refuses it. The number it returns is what oracles attest to.
func (s *State) Submit(c Clock, provider string, r SubmitReading, id Identity) (uint64, []Effect, *Refusal) {
	b, meter, ref := s.admit(c, provider, r)
	if ref != nil {
		return 0, nil, ref
	}
	old, replaces, ref := s.place(b, r)
	if ref != nil {
		return 0, nil, ref
	}
	if ref := b.room(meter, replaces); ref != nil {
		return 0, nil, ref
	}

	// Nothing is refused from here on.
	if id == (Identity{}) {
		panic("oracle: a reading was submitted by a command without identity")
	}
	k := closing{s: s, b: b, c: c}
	if replaces {
		k.fx = make([]Effect, 0, 2)
		meter = k.remove(old, meter)
		k.fx = append(k.fx, Closed{Reading: old.reading(), Status: Superseded})
	}
	expires := c.Height + b.row.ExpiryBlocks
	number := s.enter(b, c, r, id, meter, expires)
	return number, append(k.fx, DueExpire{b.row.ID, number, expires}), nil
}

// admit asks everything about a reading that does not depend on other live
// readings.
func (s *State) admit(c Clock, provider string, r SubmitReading) (*book, meterRow, *Refusal) {
	var none meterRow
	b := s.book(r.Market)
	if b == nil {
		return nil, none, unknown(KindMarket, r.Market)
	}
	meter, ok := s.meters.Get(r.Meter)
	if !ok {
		return nil, none, unknown(KindMeter, r.Meter)
	}
	if meter.spec.market != r.Market {
		return nil, none, refuse(MeterMismatch, Field{"reason", ReasonOtherMarket}, Field{"meter", r.Meter}, Field{"market", meter.spec.market})
	}
	if meter.spec.provider != provider {
		return nil, none, refuse(MeterMismatch, Field{"reason", ReasonOtherProvider}, Field{"meter", r.Meter}, Field{"provider", provider})
	}
	if p, _ := s.providers.Get(provider); !p.Active {
		return nil, none, refuse(ProviderInactive, Field{"provider", provider})
	}
	if !validQualityWord(r.Quality.ClockSync) {
		return nil, none, malformed("clock_sync", ReasonOutOfRange)
	}
	if !validQualityWord(r.Quality.MeterStatus) {
		return nil, none, malformed("meter_status", ReasonOutOfRange)
	}
	return b, meter, b.timely(c, meter, r)
}

// timely asks whether a reading was signed and measured at possible times.
// The sums cannot overflow: now and the limits of the row are bounded, and
// issued is compared before anything is added to it.
func (b *book) timely(c Clock, meter meterRow, r SubmitReading) *Refusal {
	if r.IssuedAt < c.Now-b.row.SkewMs || r.IssuedAt > c.Now+b.row.SkewMs {
		return refuse(TimestampSkew, Field{"now", i64(c.Now)}, Field{"issued_at", i64(r.IssuedAt)}, Field{"skew_ms", i64(b.row.SkewMs)})
	}
	if meter.hasBase && r.MeasuredAt <= meter.baseMeasuredAt {
		return refuse(SettlementConflict, Field{"reason", ReasonClosed},
			Field{"measured_at", i64(r.MeasuredAt)}, Field{"closed_until", i64(meter.baseMeasuredAt)})
	}
	if r.MeasuredAt > min(r.IssuedAt, c.Now)+b.row.SkewMs || r.MeasuredAt > maxUnixMs {
		return refuse(TimestampSkew, Field{"now", i64(c.Now)}, Field{"issued_at", i64(r.IssuedAt)},
			Field{"measured_at", i64(r.MeasuredAt)}, Field{"skew_ms", i64(b.row.SkewMs)})
	}
	if oldest := max(0, c.Now-b.row.MaxReadingAgeMs); r.MeasuredAt < oldest {
		return refuse(SettlementConflict, Field{"reason", ReasonTooOld},
			Field{"measured_at", i64(r.MeasuredAt)}, Field{"oldest", i64(oldest)})
	}
	return nil
}

// place asks whether the reading's moment is free, or held by the very reading
// that it supersedes.
func (s *State) place(b *book, r SubmitReading) (old liveRow, replaces bool, ref *Refusal) {
	number, taken := s.waiting.Get(momentKey(r.Meter, r.MeasuredAt))
	if !taken {
		if r.Supersedes != nil {
			return old, false, unknown(KindReading, r.Supersedes.String())
		}
		return old, false, nil
	}
	old = b.mustLive(number)
	if r.Supersedes == nil || *r.Supersedes != old.sub.identity {
		return old, false, refuse(SettlementConflict, Field{"reason", ReasonDuplicate}, Field{"number", u64(number)})
	}
	if old.decided {
		return old, false, refuse(SettlementConflict, Field{"reason", ReasonDecided}, Field{"number", u64(number)})
	}
	return old, true, nil
}

// room asks whether one more reading fits. A reading that takes the place of
// another needs none.
func (b *book) room(meter meterRow, replaces bool) *Refusal {
	if e, _ := b.electorates.Get(b.newest); e.Electorate == nil || e.Total == 0 {
		return refuse(InvalidTransition, Field{"current", "no_electorate"}, Field{"allowed", "electorate"})
	}
	if replaces {
		return nil
	}
	if meter.pending >= b.row.MaxPendingPerMeter {
		return full(LimitPendingPerMeter, uint64(b.row.MaxPendingPerMeter))
	}
	if b.live.Len() >= int(b.row.MaxLiveReadings) {
		return full(LimitLiveReadings, uint64(b.row.MaxLiveReadings))
	}
	return nil
}

// enter writes an allowed reading into the tables under a fresh number.
func (s *State) enter(b *book, c Clock, r SubmitReading, id Identity, meter meterRow, expires uint64) uint64 {
	b.lastNumber++
	number := b.lastNumber
	sub := &submission{
		number: number, identity: id, meter: meter.spec, register: r.Register,
		measuredAt: r.MeasuredAt, issuedAt: r.IssuedAt, acceptedAt: c.Now, acceptedHeight: c.Height,
		expires: expires, electorate: b.newest,
		// The words are cloned: they would keep the whole payload in memory.
		quality: Quality{strings.Clone(r.Quality.ClockSync), strings.Clone(r.Quality.MeterStatus)},
	}
	b.identities.add(number, id)
	b.live.Set(number, liveRow{sub: sub})
	s.waiting.Set(momentKey(meter.spec.id, r.MeasuredAt), number)
	meter.pending++
	s.meters.Set(meter.spec.id, meter)
	b.engage(b.newest)
	return number
}

// validQualityWord reports whether s may describe a measurement: empty, or up
// to 32 of the characters of an id.
func validQualityWord(s string) bool {
	return s == "" || len(s) <= maxQualityWord && ValidID(s)
}
