package oracle

import (
	"fmt"
	"slices"

	"lukechampine.com/uint128"
)

// price works out the settlement between a meter's base and the reading that
// closes after it, under the market row valid now.
func (k *closing) price(base meterRow, row liveRow) *Settlement {
	m, spec, sub := k.b.row, base.spec, row.sub
	set := &Settlement{
		Number: k.b.lastSettlement + 1,
		Market: m.ID, Meter: spec.id, Provider: spec.provider, Payer: spec.payer, Asset: m.Asset,
		Readings: []Identity{sub.identity}, FromNumber: sub.number, ToNumber: sub.number,
		FromRegister: base.baseRegister, ToRegister: sub.register, Delta: sub.register - base.baseRegister,
		FromMeasuredAt: base.baseMeasuredAt, ToMeasuredAt: sub.measuredAt,
		UnitPrice: m.UnitPrice, Decimals: spec.decimals, FeeBps: m.FeeBps,
		RemainderBefore: base.remainder,
		Rehearsal:       m.Stage == StageRehearsal,
		Height:          k.c.Height,
	}
	set.Gross, set.RemainderAfter = gross(set.Delta, m.UnitPrice, base.remainder, spec.decimals)
	set.Fee = fee(set.Gross, m.FeeBps)
	set.Net = set.Gross.Sub(set.Fee)
	return set
}

// gross is what a delta costs, and what flooring leaves over. The numerator
// fits: (2^64-1)^2 + 10^9 is below 2^128.
func gross(delta, unitPrice, remainder uint64, decimals uint8) (whole Amount, rest uint64) {
	return uint128.From64(delta).Mul64(unitPrice).Add64(remainder).QuoRem64(powersOfTen[decimals])
}

// fee is floor(gross x bps / 10,000), taken apart since the product may not
// fit: with gross = 10,000 q + r it is q x bps + floor(r x bps / 10,000).
func fee(gross Amount, bps uint32) Amount {
	q, r := gross.QuoRem64(wholeBps)
	return q.Mul64(uint64(bps)).Add64(r * uint64(bps) / wholeBps)
}

var powersOfTen = [MaxDecimals + 1]uint64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000}

// book keeps a settlement until its release. One that moves no money has
// nothing to wait for but its dispute window, which starts at once.
func (k *closing) book(set *Settlement, row liveRow) {
	k.b.lastSettlement = set.Number
	free := set.Rehearsal || set.Gross.IsZero()
	if free {
		set.ReleaseHeight = k.c.Height + k.b.row.DisputeWindowBlocks
	}
	k.b.settlements.Set(set.Number, set)
	k.fx = append(k.fx, Settled{Settlement: set.shown(), Reading: row.reading()})
	if free {
		k.fx = append(k.fx, DueRelease{set.Market, set.Number, set.ReleaseHeight})
	}
}

// shown is the settlement for somebody outside, sharing nothing with the state.
func (set *Settlement) shown() Settlement {
	out := *set
	out.Readings = slices.Clone(set.Readings)
	return out
}

// Funded is told once the amounts of a settlement are held: the dispute window
// starts. It does nothing if the window started already.
func (s *State) Funded(market string, settlement uint64, c Clock) []Effect {
	b := s.book(market)
	if b == nil {
		return nil
	}
	set, ok := b.settlements.Get(settlement)
	if !ok || set.ReleaseHeight != 0 {
		return nil
	}
	held := *set
	held.ReleaseHeight = c.Height + b.row.DisputeWindowBlocks
	b.settlements.Set(settlement, &held)
	return []Effect{DueRelease{market, settlement, held.ReleaseHeight}}
}

// Release ends the dispute window of a settlement, which is forgotten then. It
// does nothing if that is done already.
func (s *State) Release(market string, settlement uint64) []Effect {
	b := s.book(market)
	if b == nil {
		return nil
	}
	set, ok := b.settlements.Get(settlement)
	if !ok {
		return nil
	}
	if set.ReleaseHeight == 0 {
		panic(fmt.Sprintf("oracle: market %s: releasing settlement %d, which is not held", market, settlement))
	}
	b.settlements.Delete(settlement)
	return []Effect{Released{set.shown()}}
}
