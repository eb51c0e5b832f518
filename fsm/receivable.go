package fsm

import (
	"strings"

	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// Settlements that their payer could not fund wait in order, whole.

// MaxReceivables bounds the settlements that wait for money, of all payers. From
// there on the meters of payers that owe something are not read any more; what was
// accepted before still runs its course.
const MaxReceivables = 1 << 18

// checkDebt asks whether a reading of a meter may lead to one more settlement.
func (s *state) checkDebt(provider, meter string) *Refusal {
	if s.receivables.Len() < MaxReceivables {
		return nil
	}
	m, known := s.oracle.Meter(meter)
	if !known || m.Provider != provider || !s.hasReceivables(m.Payer) {
		return nil // the oracle floor has its own answer
	}
	return refuse(LimitExceeded, Field{"limit", "receivables"}, number("max", MaxReceivables), Field{"payer", m.Payer})
}

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
		s.schedule(s.clock.height, dueItem{kind: dueFund, id: payer})
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
		a.s.schedule(a.s.clock.height, dueItem{kind: dueFund, id: payer})
	}
}
