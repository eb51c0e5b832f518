package oracle

import "fmt"

// MaxCascade bounds how many waiting readings one call closes behind those it
// decided itself. What is left is closed by CloseMeter, as DueClose asks.
const MaxCascade = 16

// closing is one call that may close readings: the effects so far, and how
// many waiting readings it has closed already.
type closing struct {
	s        *State
	b        *book
	c        Clock
	fx       []Effect
	cascaded int
	left     []string // meters with accepted readings left at the head
}

// effects returns what the call caused, with a DueClose for every meter it had
// to leave unfinished.
func (k *closing) effects() []Effect {
	for _, meter := range k.left {
		k.fx = append(k.fx, DueClose{meter, k.c.Height})
	}
	return k.fx
}

// Expire closes a reading that did not reach its quorum in time. It does
// nothing if the reading is closed or has its quorum and only waits.
func (s *State) Expire(c Clock, market string, number uint64) []Effect {
	b := s.book(market)
	if b == nil {
		return nil
	}
	row, ok := b.live.Get(number)
	if !ok || row.decided {
		return nil
	}
	e := b.mustElectorate(row.sub.electorate)
	k := closing{s: s, b: b, c: c}
	k.drop(row, Closed{Status: QuorumFailed, Required: e.Required, Actual: e.weigh(row.accept)})
	k.advance(row.sub.meter.id)
	return k.effects()
}

// CloseMeter goes on closing the accepted readings at the head of a meter.
func (s *State) CloseMeter(c Clock, meter string) []Effect {
	row, ok := s.meters.Get(meter)
	if !ok {
		return nil
	}
	k := closing{s: s, b: s.book(row.spec.market), c: c}
	k.advance(meter)
	return k.effects()
}

// decide looks at a reading after a vote and closes it if the votes suffice.
func (k *closing) decide(row liveRow, e *Electorate) {
	meter := row.sub.meter.id
	switch {
	case e.weigh(row.accept) >= e.Required:
		row.decided = true
		if first, _ := k.s.head(k.b, meter); first.sub != row.sub {
			k.b.live.Set(row.sub.number, row)
			return
		}
		k.settle(row)
		k.advance(meter)
	case e.Total-e.weigh(row.reject) < e.Required:
		k.drop(row, Closed{Status: Rejected, Reason: Outvoted})
		k.advance(meter)
	default:
		k.b.live.Set(row.sub.number, row)
	}
}

// advance closes accepted readings from the head of a meter on, as far as this
// call may.
func (k *closing) advance(meter string) {
	for {
		row, ok := k.s.head(k.b, meter)
		if !ok || !row.decided {
			return
		}
		if k.cascaded == MaxCascade {
			k.leave(meter)
			return
		}
		k.cascaded++
		k.settle(row)
	}
}

// leave notes a meter that this call may not go on with.
func (k *closing) leave(meter string) {
	for _, m := range k.left {
		if m == meter {
			return
		}
	}
	k.left = append(k.left, meter)
}

// drop closes a reading that credits nothing and leaves the base as it is.
func (k *closing) drop(row liveRow, how Closed) {
	meter, _ := k.s.meters.Get(row.sub.meter.id)
	k.remove(row, meter)
	how.Reading = row.reading()
	k.fx = append(k.fx, how)
}

// remove takes a reading out of the tables and returns its meter's row as it
// then is. The identity stays: ranges may still name the number.
func (k *closing) remove(row liveRow, meter meterRow) meterRow {
	k.b.live.Delete(row.sub.number)
	k.s.waiting.Delete(momentKey(meter.spec.id, row.sub.measuredAt))
	k.b.disengage(row.sub.electorate)
	meter.pending--
	k.s.meters.Set(meter.spec.id, meter)
	return meter
}

// settle closes an accepted reading that is its meter's first: it becomes the
// baseline, or a settlement, or is rejected by the judgement.
func (k *closing) settle(row liveRow) {
	meter, _ := k.s.meters.Get(row.sub.meter.id)
	if reason := judge(k.b.row, meter, row, k.b.mustElectorate(row.sub.electorate)); reason != "" {
		k.drop(row, Closed{Status: Rejected, Reason: reason})
		return
	}
	base := meter
	meter.hasBase, meter.baseRegister, meter.baseMeasuredAt = true, row.sub.register, row.sub.measuredAt
	if !base.hasBase {
		k.remove(row, meter)
		k.fx = append(k.fx, Closed{Reading: row.reading(), Status: Baseline})
		return
	}
	settlement := k.price(base, row)
	meter.remainder = settlement.RemainderAfter
	k.remove(row, meter)
	k.book(settlement, row)
}

// mustElectorate returns an electorate that a live reading refers to.
func (b *book) mustElectorate(number uint64) *Electorate {
	row, ok := b.electorates.Get(number)
	if !ok {
		panic(fmt.Sprintf("oracle: market %s: electorate %d is referred to and not kept", b.row.ID, number))
	}
	return row.Electorate
}
