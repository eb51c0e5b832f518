package fsm

import (
	"encoding/binary"
	"strings"

	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// Kinds of due items. At one height they come in this order.
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
	market string
	meter  string
	payer  string
	key    KeyID
	number uint64
}

// schedule puts an item into the queue. Rules compare heights, never places in
// the queue: the order is (height, kind, sequence).
func (s *state) schedule(height uint64, item dueItem) {
	s.dueSequence++
	rest := binary.BigEndian.AppendUint64([]byte{item.kind}, s.dueSequence)
	s.due.Set(ordered(height, string(rest)), item)
}

func dueHeight(key string) uint64 { return binary.BigEndian.Uint64([]byte(key[:8])) }

// dueNow reports whether an item waits at a height that is reached.
func (s *state) dueNow() bool {
	key, _, ok := s.due.Min()
	return ok && dueHeight(key) <= s.clock.height
}

// takeDue takes what is due, at most MaxDueItems of it; the leader ticks until
// nothing is left.
func (a *apply) takeDue() {
	for range MaxDueItems {
		if !a.s.dueNow() {
			return
		}
		_, item, _ := a.s.due.PopMin()
		switch item.kind {
		case dueExpire:
			a.handle(a.s.oracle.Expire(oracleClock(a.s), item.market, item.number))
		case dueClose:
			a.handle(a.s.oracle.CloseMeter(oracleClock(a.s), item.meter))
		case dueRelease:
			a.handle(a.s.oracle.Release(item.market, item.number))
		case dueFund:
			a.fund(item.payer)
		case dueForget:
			a.s.forget(item.key)
		default:
			panic("fsm: a due item of no known kind")
		}
	}
}

// Receivables: settlements that their payer could not fund wait in order, whole.

func (s *state) hasReceivables(payer string) bool {
	_, _, ok := s.firstReceivable(payer)
	return ok
}

func (s *state) firstReceivable(payer string) (key string, r receivable, ok bool) {
	prefix := payer + "\x00"
	s.receivables.Ascend(prefix, func(k string, v receivable) bool {
		if strings.HasPrefix(k, prefix) {
			key, r, ok = k, v, true
		}
		return false
	})
	return key, r, ok
}

// owe queues a settlement behind the payer's earlier ones.
func (s *state) owe(set oracle.Settlement) {
	s.waiting++
	key := set.Payer + "\x00" + ordered(s.waiting, "")
	s.receivables.Set(key, receivable{set.Market, set.Number})
}

// wakePayer lets the receivables of a payer whose account got money go on.
func (s *state) wakePayer(id treasury.AccountID) {
	payer, ok := strings.CutPrefix(string(id), string(treasury.Payer("")))
	if ok && s.hasReceivables(payer) {
		s.schedule(s.clock.height, dueItem{kind: dueFund, payer: payer})
	}
}

// fund pays the oldest receivable of a payer if it can be paid whole, and
// comes back for the next one.
func (a *apply) fund(payer string) {
	key, r, ok := a.s.firstReceivable(payer)
	if !ok {
		return
	}
	set, known := a.s.oracle.Settlement(r.market, r.settlement)
	if !known {
		panic("fsm: a receivable of no settlement")
	}
	if a.s.ledger.Check(holdLegs(set)) != nil {
		return
	}
	a.s.receivables.Delete(key)
	a.hold(set)
	if a.s.hasReceivables(payer) {
		a.s.schedule(a.s.clock.height, dueItem{kind: dueFund, payer: payer})
	}
}
