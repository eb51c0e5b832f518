package oracle

// The questions below change nothing. What they return is the caller's.

// Market returns the row that is valid now.
func (s *State) Market(id string) (Market, bool) {
	b := s.book(id)
	if b == nil {
		return Market{}, false
	}
	return b.row, true
}

// Markets yields the rows that are valid now, in order of id.
func (s *State) Markets(yield func(Market) bool) {
	for _, b := range s.books {
		if !yield(b.row) {
			return
		}
	}
}

// Scheduled yields the rows of a market that begin with an epoch to come.
func (s *State) Scheduled(market string, yield func(epoch uint64, m Market) bool) {
	b := s.book(market)
	if b == nil {
		return
	}
	for _, next := range b.scheduled {
		if !yield(next.epoch, next.row) {
			return
		}
	}
}

// Provider returns one provider.
func (s *State) Provider(id string) (Provider, bool) { return s.providers.Get(id) }

// Providers yields the providers above after, in order of id.
func (s *State) Providers(after string, yield func(Provider) bool) {
	s.providers.Ascend(after, func(id string, p Provider) bool {
		return id == after || yield(p)
	})
}

// Meter returns one meter.
func (s *State) Meter(id string) (Meter, bool) {
	row, ok := s.meters.Get(id)
	if !ok {
		return Meter{}, false
	}
	return row.meter(), true
}

// Meters yields the meters above after, in order of id.
func (s *State) Meters(after string, yield func(Meter) bool) {
	s.meters.Ascend(after, func(id string, row meterRow) bool {
		return id == after || yield(row.meter())
	})
}

// Reading returns a live reading.
func (s *State) Reading(market string, number uint64) (Reading, bool) {
	b := s.book(market)
	if b == nil {
		return Reading{}, false
	}
	row, ok := b.live.Get(number)
	if !ok {
		return Reading{}, false
	}
	return row.reading(), true
}

// Pending yields the live readings of a market with numbers above after.
func (s *State) Pending(market string, after uint64, yield func(Reading) bool) {
	b := s.book(market)
	if b == nil {
		return
	}
	b.live.Ascend(after, func(n uint64, row liveRow) bool {
		return n == after || yield(row.reading())
	})
}

// PendingOfMeter yields the live readings of a meter in order of measuring.
func (s *State) PendingOfMeter(meter string, yield func(Reading) bool) {
	m, ok := s.meters.Get(meter)
	if !ok {
		return
	}
	s.ascend(s.book(m.spec.market), meter, func(row liveRow) bool { return yield(row.reading()) })
}

// NewestOfMeter returns the live reading of a meter that was measured last.
func (s *State) NewestOfMeter(meter string) (newest Reading, ok bool) {
	m, known := s.meters.Get(meter)
	if !known || m.pending == 0 {
		return newest, false
	}
	s.waiting.Descend(momentKey(meter, maxUnixMs), func(key string, number uint64) bool {
		newest, ok = s.book(m.spec.market).mustLive(number).reading(), true
		return false
	})
	return newest, ok
}

// LastNumber returns the newest reading number of a market.
func (s *State) LastNumber(market string) uint64 {
	b := s.book(market)
	if b == nil {
		return 0
	}
	return b.lastNumber
}

// LastSettlement returns the newest settlement number of a market.
func (s *State) LastSettlement(market string) uint64 {
	b := s.book(market)
	if b == nil {
		return 0
	}
	return b.lastSettlement
}

// Identity returns the identity behind a reading number, as long as ranges may
// name that number.
func (s *State) Identity(market string, number uint64) (Identity, bool) {
	b := s.book(market)
	if b == nil || number < 1 || number > b.lastNumber {
		return Identity{}, false
	}
	run := b.identitiesFrom(number, number)
	if run == nil {
		return Identity{}, false
	}
	return run[0], true
}

// Settlement returns a settlement that is not released yet.
func (s *State) Settlement(market string, number uint64) (Settlement, bool) {
	b := s.book(market)
	if b == nil {
		return Settlement{}, false
	}
	set, ok := b.settlements.Get(number)
	if !ok {
		return Settlement{}, false
	}
	return set.shown(), true
}

// Open counts the readings that are not closed and the settlements that are not
// released, of all markets: what a walk over all of them comes past.
func (s *State) Open() (readings, settlements int) {
	for _, b := range s.books {
		settlements += b.settlements.Len()
	}
	return s.waiting.Len(), settlements
}

// Settlements yields the settlements of a market that are not released yet and
// have numbers above after.
func (s *State) Settlements(market string, after uint64, yield func(Settlement) bool) {
	b := s.book(market)
	if b == nil {
		return
	}
	b.settlements.Ascend(after, func(n uint64, set *Settlement) bool {
		return n == after || yield(set.shown())
	})
}

// Weights returns the oracles of a market as the next electorate will have
// them, in order of id.
func (s *State) Weights(market string) []Member {
	b := s.book(market)
	if b == nil {
		return nil
	}
	return append([]Member(nil), b.weights...)
}

// Electorate returns an electorate that is still kept; number 0 stands for the
// newest.
func (s *State) Electorate(market string, number uint64) (Electorate, bool) {
	b := s.book(market)
	if b == nil {
		return Electorate{}, false
	}
	if number == 0 {
		number = b.newest
	}
	row, ok := b.electorates.Get(number)
	if !ok {
		return Electorate{}, false
	}
	e := *row.Electorate
	e.Members = append([]Member(nil), e.Members...)
	return e, true
}

// Tally returns the weights behind a live reading: for it, against it, of its
// whole electorate, and what it needs. All are zero if that is not kept.
func (s *State) Tally(r Reading) (accept, reject, total, required uint64) {
	b := s.book(r.Market)
	if b == nil {
		return 0, 0, 0, 0
	}
	row, ok := b.electorates.Get(r.Electorate)
	if !ok {
		return 0, 0, 0, 0
	}
	return row.weigh(r.Accept), row.weigh(r.Reject), row.Total, row.Required
}
