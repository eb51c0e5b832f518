package fsm

import "encoding/binary"

// Kinds of due items. At one height they come in this order. A reading's expiry is
// taken out of the queue when the reading closes, so that the queue holds no more than
// is open; all others stay until their height.
const (
	dueExpire  = 1 // a reading's time to find its quorum is over
	dueClose   = 2 // a meter's cascade of closings goes on
	dueRelease = 3 // a settlement's dispute window is over
	dueFund    = 4 // a payer got money: its receivables go on
	dueForget  = 5 // a key has ended: its lanes go
)

// dueItem is something that happens at a height.
type dueItem struct {
	kind   uint8
	id     string // a market, a meter, a payer or a key, as the kind says
	number uint64 // of a reading or settlement in its market
}

// schedule puts an item into the queue. Rules compare heights, never places in
// the queue: the order is (height, kind, sequence). For expiries see expiryKey.
func (s *state) schedule(height uint64, item dueItem) {
	s.dueSequence++
	rest := binary.BigEndian.AppendUint64([]byte{item.kind}, s.dueSequence)
	s.due.Set(ordered(height, string(rest)), item)
}

// expiryKey is where a reading's expiry lies: it has the reading's number and market in
// the place of a sequence, so that it can be found again.
func expiryKey(height uint64, market string, number uint64) string {
	rest := binary.BigEndian.AppendUint64([]byte{dueExpire}, number)
	return ordered(height, string(append(rest, market...)))
}

func (s *state) scheduleExpiry(height uint64, market string, number uint64) {
	s.due.Set(expiryKey(height, market, number), dueItem{kind: dueExpire, id: market, number: number})
}

// sound reports whether an item may lie under a key.
func (d dueItem) sound(key string) bool {
	if d.kind == dueExpire {
		return len(key) >= 8 && key == expiryKey(dueHeight(key), d.id, d.number)
	}
	return len(key) == 17 && key[8] == d.kind
}

func dueHeight(key string) uint64 { return binary.BigEndian.Uint64([]byte(key[:8])) }

// queueDue reports whether an item of the queue waits at a height that is reached.
func (s *state) queueDue() bool {
	key, _, ok := s.due.Min()
	return ok && dueHeight(key) <= s.clock.height
}

// dueNow reports whether anything could be done at once.
func (s *state) dueNow() bool { return s.queueDue() || s.book.DueNow() }

// nextDue is the height at which something is due next. The treasury's queue is by
// its own height, which goes on as the cluster's does.
func (s *state) nextDue() (height uint64, ok bool) {
	if key, _, waits := s.due.Min(); waits {
		height, ok = dueHeight(key), true
	}
	if due, waits := s.book.NextDue(); waits {
		at := s.clock.height + max(due, s.book.Height()) - s.book.Height()
		if !ok || at < height {
			height, ok = at, true
		}
	}
	return height, ok
}

// takeDue takes what is due of both queues, at most MaxDueItems of it; the leader
// ticks until nothing is left.
func (a *apply) takeDue() {
	for range MaxDueItems - a.takeTreasuryDue() {
		if !a.s.queueDue() {
			return
		}
		_, item, _ := a.s.due.PopMin()
		switch item.kind {
		case dueExpire:
			a.handle(a.s.oracle.Expire(oracleClock(a.s), item.id, item.number))
		case dueClose:
			a.handle(a.s.oracle.CloseMeter(oracleClock(a.s), item.id))
		case dueRelease:
			a.handle(a.s.oracle.Release(item.id, item.number))
		case dueFund:
			a.fund(item.id)
		case dueForget:
			a.s.forget(KeyID([]byte(item.id)))
		default:
			panic("fsm: a due item of no known kind")
		}
	}
}
