package oracle

import (
	"math/bits"
	"slices"
	"sort"
	"strings"
)

// MaxOracles bounds the oracles of a market, so that votes fit a bit mask.
const MaxOracles = 64

// MaxWeight bounds the sum of a market's weights, so that a weight times a
// million fits 64 bits.
const MaxWeight = (1<<64 - 1) / million

// Member is an oracle and its weight, which is never zero.
type Member struct {
	Oracle string
	Weight uint64
}

// Electorate is who may vote on a reading and how much it takes. Electorates
// are numbered per market from 1 and never change.
type Electorate struct {
	Number, Epoch uint64
	ThresholdPpm  uint32
	Members       []Member // in order of oracle
	Total         uint64

	// Required is the least weight w with w x 10^6 >= ThresholdPpm x Total.
	Required uint64
}

// electorateRow is an electorate and how many live readings it tallies.
type electorateRow struct {
	*Electorate
	readings uint64
}

func newElectorate(number, epoch uint64, threshold uint32, members []Member) *Electorate {
	e := &Electorate{Number: number, Epoch: epoch, ThresholdPpm: threshold, Members: members}
	for _, m := range members {
		e.Total += m.Weight
	}
	e.Required = ceilShare(e.Total, threshold)
	return e
}

// ceilShare is ceil(total x ppm / 10^6); total is at most MaxWeight.
func ceilShare(total uint64, ppm uint32) uint64 {
	product := total * uint64(ppm)
	share := product / million
	if product%million != 0 {
		share++
	}
	return share
}

// member returns the place of an oracle in the electorate.
func (e *Electorate) member(oracle string) (int, bool) {
	return sort.Find(len(e.Members), func(i int) int { return strings.Compare(oracle, e.Members[i].Oracle) })
}

// weigh adds up the weights of the members in a mask.
func (e *Electorate) weigh(mask uint64) uint64 {
	var sum uint64
	for ; mask != 0; mask &= mask - 1 {
		sum += e.Members[bits.TrailingZeros64(mask)].Weight
	}
	return sum
}

// SetOracleWeight sets the weight an oracle has in a market from the next
// epoch's electorate on; weight 0 takes it out. Readings already accepted stay
// with the electorate they have.
func (s *State) SetOracleWeight(market, oracle string, weight uint64) *Refusal {
	if !ValidID(oracle) {
		return malformed("oracle", ReasonMalformedID)
	}
	b := s.book(market)
	if b == nil {
		return unknown(KindMarket, market)
	}
	i, ok := sort.Find(len(b.weights), func(i int) int { return strings.Compare(oracle, b.weights[i].Oracle) })
	var others uint64
	for j, m := range b.weights {
		if j != i || !ok {
			others += m.Weight
		}
	}
	if weight > MaxWeight-others {
		return full(LimitWeight, MaxWeight)
	}
	if !ok && weight > 0 && len(b.weights) >= MaxOracles {
		return full(LimitOracles, MaxOracles)
	}
	// Older electorates share the present slice: a new one is made.
	weights := slices.Clone(b.weights)
	if ok {
		weights = slices.Delete(weights, i, i+1)
	}
	if weight > 0 {
		weights = slices.Insert(weights, i, Member{oracle, weight})
	}
	b.weights = weights
	return nil
}

// BeginEpoch makes the market rows due at the epoch valid, then freezes a new
// electorate in every market whose weights or threshold changed since the last.
func (s *State) BeginEpoch(epoch uint64) {
	for _, b := range s.books {
		due := 0
		for due < len(b.scheduled) && b.scheduled[due].epoch <= epoch {
			b.row = b.scheduled[due].row
			due++
		}
		b.scheduled = b.scheduled[due:]
		b.freeze(epoch)
	}
}

// freeze makes the electorate of the epoch if it differs from the newest.
func (b *book) freeze(epoch uint64) {
	old, ok := b.electorates.Get(b.newest)
	if !ok && len(b.weights) == 0 {
		return
	}
	if ok && old.ThresholdPpm == b.row.QuorumThresholdPpm && slices.Equal(old.Members, b.weights) {
		return
	}
	e := newElectorate(b.newest+1, epoch, b.row.QuorumThresholdPpm, b.weights)
	b.newest = e.Number
	b.electorates.Set(e.Number, electorateRow{Electorate: e})
	if ok && old.readings == 0 {
		b.electorates.Delete(old.Number)
	}
}

// engage counts one more live reading for an electorate.
func (b *book) engage(number uint64) {
	row, _ := b.electorates.Get(number)
	row.readings++
	b.electorates.Set(number, row)
}

// disengage counts one live reading less and drops an electorate that has none
// left and is not the newest.
func (b *book) disengage(number uint64) {
	row, _ := b.electorates.Get(number)
	row.readings--
	if row.readings == 0 && number != b.newest {
		b.electorates.Delete(number)
		return
	}
	b.electorates.Set(number, row)
}
