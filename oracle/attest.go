package oracle

import "crypto/sha256"

// Limits of one attestation.
const (
	MaxRanges   = 64
	MaxAttested = 1_024
)

// Range names the readings From to To, and by the hash which ones they are:
// see RangeHash.
type Range struct {
	From, To uint64
	Hash     [sha256.Size]byte
}

// Value is the register an oracle observed itself for a reading.
type Value struct {
	Number, Register uint64
}

// Attestation is an oracle's verdict on ranges of readings: yes to all but
// those listed as rejects. Rejects and values ascend and lie in the ranges.
type Attestation struct {
	Market  string
	Ranges  []Range
	Rejects []uint64
	Values  []Value
}

// AttestResult counts what became of the verdicts; the five add up to the
// readings in the ranges.
type AttestResult struct {
	Counted         uint32 // votes that were tallied
	Late            uint32 // the reading was decided already, or its time is over
	Repeated        uint32 // the same was said before
	Equivocations   uint32 // something else was said before
	NotInElectorate uint32 // the oracle has no vote on the reading
}

// Attest counts the verdicts of an oracle, or refuses them all.
func (s *State) Attest(c Clock, oracle string, a Attestation) (AttestResult, []Effect, *Refusal) {
	b := s.book(a.Market)
	if b == nil {
		return AttestResult{}, nil, unknown(KindMarket, a.Market)
	}
	if ref := a.check(b.lastNumber); ref != nil {
		return AttestResult{}, nil, ref
	}
	if !b.entitled(oracle, a.Ranges) {
		return AttestResult{}, nil, refuse(Unauthorized, Field{"reason", ReasonNotElectorate}, Field{"oracle", oracle})
	}
	for _, r := range a.Ranges {
		if ref := b.checkHash(r); ref != nil {
			return AttestResult{}, nil, ref
		}
	}

	// Nothing is refused from here on.
	v := voting{closing: closing{s: s, b: b, c: c}, oracle: oracle, rejects: a.Rejects, values: a.Values}
	for _, r := range a.Ranges {
		for n := r.From; n <= r.To; n++ {
			v.vote(n)
		}
	}
	return v.result, v.effects(), nil
}

// check asks whether an attestation is in order by itself and names no number
// above the last given out.
func (a Attestation) check(last uint64) *Refusal {
	if len(a.Ranges) == 0 {
		return malformed("ranges", ReasonEmpty)
	}
	if len(a.Ranges) > MaxRanges {
		return full(LimitRanges, MaxRanges)
	}
	var before, readings uint64
	for _, r := range a.Ranges {
		if r.From <= before || r.To < r.From {
			return malformed("ranges", ReasonNotAscending)
		}
		if r.To > last {
			return unknown(KindReading, u64(r.To))
		}
		if readings += r.To - r.From + 1; readings > MaxAttested {
			return full(LimitReadingsAttested, MaxAttested)
		}
		before = r.To
	}
	return a.checkLists()
}

// checkLists asks whether rejects and values ascend inside the ranges.
func (a Attestation) checkLists() *Refusal {
	if ref := inside(a.Ranges, "rejects", len(a.Rejects), func(i int) uint64 { return a.Rejects[i] }); ref != nil {
		return ref
	}
	return inside(a.Ranges, "values", len(a.Values), func(i int) uint64 { return a.Values[i].Number })
}

func inside(ranges []Range, field string, n int, number func(int) uint64) *Refusal {
	var before uint64
	at := 0
	for i := range n {
		v := number(i)
		if v <= before {
			return malformed(field, ReasonNotAscending)
		}
		for at < len(ranges) && ranges[at].To < v {
			at++
		}
		if at == len(ranges) || v < ranges[at].From {
			return malformed(field, ReasonOutsideRanges)
		}
		before = v
	}
	return nil
}

// entitled reports whether the oracle votes in the newest electorate or on any
// live reading of the ranges.
func (b *book) entitled(oracle string, ranges []Range) bool {
	newest, ok := b.electorates.Get(b.newest)
	if !ok {
		return false
	}
	if _, ok := newest.member(oracle); ok {
		return true
	}
	for _, r := range ranges {
		for n := r.From; n <= r.To; n++ {
			row, ok := b.live.Get(n)
			if !ok {
				continue
			}
			if _, ok := b.mustElectorate(row.sub.electorate).member(oracle); ok {
				return true
			}
		}
	}
	return false
}

// checkHash asks whether the range names the readings that the oracle meant.
func (b *book) checkHash(r Range) *Refusal {
	h := sha256.New()
	for n := r.From; n <= r.To; {
		run := b.identitiesFrom(n, r.To)
		if run == nil {
			return unknown(KindReading, u64(n))
		}
		for i := range run {
			h.Write(run[i][:])
		}
		n += uint64(len(run))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	if sum != r.Hash {
		return refuse(SettlementConflict, Field{"reason", ReasonRangeHash}, Field{"from", u64(r.From)}, Field{"to", u64(r.To)})
	}
	return nil
}

// identitiesFrom returns the identities of the numbers from n on, one or more
// up to to, or none if n is closed and older than the window.
func (b *book) identitiesFrom(n, to uint64) []Identity {
	if b.inWindow(n) {
		return b.identities.run(n, to, b.lastNumber)
	}
	row, ok := b.live.Get(n)
	if !ok {
		return nil
	}
	return []Identity{row.sub.identity}
}

// inWindow reports whether a number is among the newest whose identities are
// kept, whatever became of their readings.
func (b *book) inWindow(number uint64) bool {
	return b.lastNumber < IdentityWindow || number > b.lastNumber-IdentityWindow
}
