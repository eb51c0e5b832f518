package treasury

import (
	"fmt"
	"strings"
	"testing"
)

func (m *committee) earn(amount uint64) {
	m.l.Post([]Leg{{External(Asset), Provider("sun"), units(amount)}})
}

func TestWithdraw(t *testing.T) {
	m := found(t, 0)
	m.earn(100)
	id, sun := idOf("w"), Provider("sun")
	_, r := m.b.Withdraw(m.l, m.c, "sun", id, sun, units(101), "IBAN 1")
	m.refused(r, "InsufficientFunds")
	_, r = m.b.Withdraw(m.l, m.c, "sun", id, sun, units(60), "")
	m.refused(r, "MalformedPayload out_of_range")
	m.did(m.b.Withdraw(m.l, m.c, "sun", id, sun, units(60), "IBAN 1"))
	m.holds(map[AccountID]uint64{sun: 40, Leaving: 60})
	_, r = m.b.RecordPayout(m.l, m.c, "ann", id, "r1", Paid)
	m.refused(r, "InvalidTransition requested")
	m.did(m.b.Payout(m.c, "ann", id, "r1"))
	_, r = m.b.Payout(m.c, "ann", id, "r2")
	m.refused(r, "InvalidTransition sent")
	_, r = m.b.Recall(m.l, m.c, "sun", id, sun)
	m.refused(r, "InvalidTransition sent")
	m.did(m.b.RecordPayout(m.l, m.c, "ann", id, "r1", Unknown))
	_, r = m.b.RecordPayout(m.l, m.c, "ann", id, "r1", Unknown)
	m.refused(r, "InvalidTransition unknown")
	_, r = m.b.Payout(m.c, "ann", id, "r2") // unknown blocks the retry
	m.refused(r, "InvalidTransition unknown")
	_, r = m.b.RecordPayout(m.l, m.c, "ann", id, "r2", Failed)
	m.refused(r, "InvalidTransition other_reference")
	m.did(m.b.RecordPayout(m.l, m.c, "ann", id, "r1", Failed))
	_, r = m.b.Payout(m.c, "ann", id, "r1")
	m.refused(r, "InvalidTransition used")
	m.did(m.b.Payout(m.c, "ann", id, "r2"))
	m.sound()
	m.did(m.b.RecordPayout(m.l, m.c, "ann", id, "r2", Paid))
	m.holds(map[AccountID]uint64{sun: 40, Leaving: 0, External(Asset): 40})
	_, r = m.b.RecordPayout(m.l, m.c, "ann", id, "r2", Failed)
	m.refused(r, "InvalidTransition paid")
	m.sound()
}

func TestRecall(t *testing.T) {
	m := found(t, 0)
	m.earn(100)
	id, sun := idOf("w"), Provider("sun")
	m.did(m.b.Withdraw(m.l, m.c, "sun", id, sun, units(60), "IBAN 1"))
	_, r := m.b.Recall(m.l, m.c, "wind", id, Provider("wind"))
	m.refused(r, "Unauthorized not_the_owner")
	m.did(m.b.Recall(m.l, m.c, "sun", id, sun))
	_, r = m.b.Recall(m.l, m.c, "sun", id, sun)
	m.refused(r, "NotFound withdrawal")
	m.holds(map[AccountID]uint64{sun: 100, Leaving: 0})
	m.sound()

	// One that was tried in vain is kept: its reference counts for ever.
	m.did(m.b.Withdraw(m.l, m.c, "sun", idOf("v"), sun, units(60), "IBAN 1"))
	m.did(m.b.Payout(m.c, "ann,ben", idOf("v"), "r1"))
	m.did(m.b.RecordPayout(m.l, m.c, "ann,ben", idOf("v"), "r1", Failed))
	m.did(m.b.Recall(m.l, m.c, "sun", idOf("v"), sun))
	_, r = m.b.Recall(m.l, m.c, "sun", idOf("v"), sun)
	m.refused(r, "InvalidTransition recalled")
	m.sound()
}

// Whoever asks and takes back again and again, which needs nobody else, leaves nothing
// in the book: otherwise one unit would be enough to use up all withdrawals there are.
func TestRecalledLeavesNothing(t *testing.T) {
	m := found(t, 0)
	m.earn(1)
	before := bookRows(m.b)
	for i := range 200 {
		m.did(m.b.Withdraw(m.l, m.c, "sun", idOf(fmt.Sprint(i)), Provider("sun"), units(1), "IBAN 1"))
		m.did(m.b.Recall(m.l, m.c, "sun", idOf(fmt.Sprint(i)), Provider("sun")))
	}
	if n, m := strings.Count(bookRows(m.b), "\n"), strings.Count(before, "\n"); n != m {
		t.Errorf("the book has %d rows, and had %d", n, m)
	}
	m.sound()
}

func TestWithdrawalLimits(t *testing.T) {
	m := found(t, 0)
	m.earn(1_000)
	for i := range MaxOpenWithdrawals {
		m.did(m.b.Withdraw(m.l, m.c, "sun", idOf(fmt.Sprint(i)), Provider("sun"), units(1), "IBAN 1"))
	}
	_, r := m.b.Withdraw(m.l, m.c, "sun", idOf("one more"), Provider("sun"), units(1), "IBAN 1")
	m.refused(r, "LimitExceeded open_withdrawals")
	m.did(m.b.Recall(m.l, m.c, "sun", idOf("7"), Provider("sun")))
	m.did(m.b.Withdraw(m.l, m.c, "sun", idOf("one more"), Provider("sun"), units(1), "IBAN 1"))
	m.refused(m.b.Pause(ScopeAll), "accepted")
	_, r = m.b.Withdraw(m.l, m.c, "sun", idOf("paused"), Provider("sun"), units(1), "IBAN 1")
	m.refused(r, "Paused")
	_, r = m.b.Payout(m.c, "ann", idOf("1"), "r1")
	m.refused(r, "Paused")
	m.sound()
}

// What a payee outside is paid leaves the ledger as a withdrawal of its own.
func TestPayee(t *testing.T) {
	m := found(t, 1_000)
	body := pay(70)
	body.Destination, body.Payee = "payee/acme", "Acme GmbH, IBAN 2"
	m.decide("a", body)
	m.pass(20)
	m.is("a", Finalized)
	w, ok := m.b.Withdrawal(idOf("a"))
	if !ok || w.State != Requested || w.Payee != body.Payee || w.Account != "payee/acme" {
		t.Fatalf("%+v", w)
	}
	m.holds(map[AccountID]uint64{"payee/acme": 0, "payee/acme/held": 0, Leaving: 70, Treasury: 930})
	m.did(m.b.Payout(m.c, "ann,ben", w.ID, "bank 7"))
	m.did(m.b.RecordPayout(m.l, m.c, "ann,ben", w.ID, "bank 7", Paid))
	m.holds(map[AccountID]uint64{Leaving: 0})
	m.sound()
}
