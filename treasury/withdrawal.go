package treasury

// WithdrawalState says where a withdrawal stands.
type WithdrawalState uint8

// The states of a withdrawal.
const (
	Requested WithdrawalState = iota + 1 // waits for the committee to pay it out
	Sent                                 // on its way outside; nobody has said how that ended
	Unknown                              // somebody looked, and it is not known
	Failed                               // it did not arrive; it can be paid out again
	Paid
	Recalled // its owner took it back

	withdrawalStates = iota + 1
)

var withdrawalNames = [withdrawalStates]string{"", "requested", "sent", "unknown", "failed", "paid", "recalled"}

// String is the state's name in JSON and on screens.
func (s WithdrawalState) String() string { return withdrawalNames[s] }

// Open reports whether the money still lies in the account leaving.
func (s WithdrawalState) Open() bool { return s >= Requested && s <= Failed }

// MaxOpenWithdrawals bounds how many of an account are open at a time.
const MaxOpenWithdrawals = 64

// MaxReference bounds the name of a payment outside.
const MaxReference = 128

// Withdrawal is money on its way out. A stored one is never changed, but replaced.
type Withdrawal struct {
	ID       ID // of the command that asked for it, or of the disbursement to a payee
	Sequence uint64
	Account  AccountID // whose money it is
	Amount   Amount
	Payee    string // where it goes in the world outside
	State    WithdrawalState
	// Reference names the latest payment outside; Payouts counts them.
	Reference          string
	Payouts            uint32
	Steps              uint64
	Requested, Changed Moment
}

// Withdraw asks for an account's own money to be paid out. It is held from now on.
// Whoever calls has made sure that the account is the asking principal's.
func (b *Book) Withdraw(l *Ledger, c Clock, by string, id ID, account AccountID, amount Amount, payee string) ([]Effect, *Refusal) {
	if b.paused.all {
		return nil, b.refusePaused()
	}
	if _, known := b.withdrawals.Get(string(id[:])); known {
		return nil, refuse(InvalidTransition, Field{"withdrawal", id.String()}, Field{"current", "requested"}, Field{"allowed", "none"})
	}
	if payee == "" || len(payee) > MaxPayee {
		return nil, malformed("payee", ReasonOutOfRange)
	}
	if n, _ := b.openByOwner.Get(string(account)); n >= MaxOpenWithdrawals {
		return nil, full(LimitOpenWithdrawals, MaxOpenWithdrawals)
	}
	if b.withdrawals.Len() >= MaxWithdrawals {
		return nil, full(LimitWithdrawals, MaxWithdrawals)
	}
	legs := []Leg{{account, Leaving, amount}}
	if refused := l.Check(legs); refused != nil {
		return nil, refused
	}

	r := &run{b: b, l: l, c: c}
	l.Post(legs)
	r.request(&Withdrawal{ID: id, Account: account, Amount: amount, Payee: payee}, by, legs)
	return r.fx, nil
}

// request stores a new withdrawal whose money has been moved.
func (r *run) request(w *Withdrawal, by string, legs []Leg) {
	w.Sequence, w.State, w.Requested = r.b.withdrawn+1, Requested, r.moment()
	r.moved(w, ActWithdraw, by, legs)
}

// moved stores what became of a withdrawal and says what happened.
func (r *run) moved(w *Withdrawal, action Action, by string, legs []Leg, facts ...Field) {
	w.Steps++
	w.Changed = r.moment()
	r.b.putWithdrawal(w)
	r.fx = append(r.fx, Moved{Withdrawal: w, Number: w.Steps, Action: action, By: by, Legs: legs, Facts: facts})
}

// putWithdrawal stores a withdrawal and keeps the indexes.
func (b *Book) putWithdrawal(w *Withdrawal) {
	key := string(w.ID[:])
	old, known := b.withdrawals.Get(key)
	b.withdrawals.Set(key, w)
	b.withdrawn = max(b.withdrawn, w.Sequence)
	open, _ := b.openByOwner.Get(string(w.Account))
	switch wasOpen := known && old.State.Open(); {
	case w.State.Open() && !wasOpen:
		b.openByOwner.Set(string(w.Account), open+1)
		b.leaving = b.leaving.Add(w.Amount)
	case !w.State.Open() && wasOpen:
		b.leaving = b.leaving.Sub(w.Amount)
		if open > 1 {
			b.openByOwner.Set(string(w.Account), open-1)
		} else {
			b.openByOwner.Delete(string(w.Account))
		}
	}
}

// Withdrawal finds a withdrawal. It must not be changed.
func (b *Book) Withdrawal(id ID) (*Withdrawal, bool) { return b.withdrawals.Get(string(id[:])) }

func (b *Book) findWithdrawal(id ID) (*Withdrawal, *Refusal) {
	w, ok := b.Withdrawal(id)
	if !ok {
		return nil, unknown(KindWithdrawal, id.String())
	}
	return w, nil
}

func (w *Withdrawal) allowed(steps string, states ...WithdrawalState) *Refusal {
	for _, s := range states {
		if w.State == s {
			return nil
		}
	}
	return refuse(InvalidTransition, Field{"withdrawal", w.ID.String()}, Field{"current", w.State.String()}, Field{"allowed", steps})
}

// steps lists what may follow each state.
var withdrawalSteps = [withdrawalStates]string{
	Requested: "payout,cancel_withdrawal",
	Sent:      "record_payout",
	Unknown:   "record_payout",
	Failed:    "payout,cancel_withdrawal",
	Paid:      "none",
	Recalled:  "none",
}

// Recall gives a withdrawal back to its owner, as long as it is not on its way. One that
// nobody ever paid out is forgotten: asking and taking back needs nobody else, so it must
// leave nothing behind. Its receipts stay.
func (b *Book) Recall(l *Ledger, c Clock, by string, id ID, account AccountID) ([]Effect, *Refusal) {
	w, refused := b.findWithdrawal(id)
	if refused != nil {
		return nil, refused
	}
	if w.Account != account {
		return nil, refuse(Unauthorized, Field{"reason", ReasonNotOwner}, Field{"account", string(w.Account)})
	}
	if refused := w.allowed(withdrawalSteps[w.State], Requested, Failed); refused != nil {
		return nil, refused
	}
	legs := []Leg{{Leaving, w.Account, w.Amount}}
	if refused := l.Check(legs); refused != nil {
		return nil, refused
	}

	r := &run{b: b, l: l, c: c}
	l.Post(legs)
	next := *w
	next.State = Recalled
	r.moved(&next, ActRecall, by, legs)
	if next.Payouts == 0 {
		b.withdrawals.Delete(string(id[:]))
	}
	return r.fx, nil
}

// Payout notes under which reference the committee pays a withdrawal outside. A
// reference counts once for ever, so nothing is paid twice by mistake.
func (b *Book) Payout(c Clock, by string, id ID, reference string) ([]Effect, *Refusal) {
	w, refused := b.findWithdrawal(id)
	if refused != nil {
		return nil, refused
	}
	if refused := w.allowed(withdrawalSteps[w.State], Requested, Failed); refused != nil {
		return nil, refused
	}
	if b.paused.all {
		return nil, b.refusePaused()
	}
	if reference == "" || len(reference) > MaxReference {
		return nil, malformed("reference", ReasonOutOfRange)
	}
	if used, ok := b.references.Get(reference); ok {
		return nil, refuse(InvalidTransition, Field{"reference", reference}, Field{"current", "used"}, Field{"allowed", "none"}, Field{"withdrawal", used.String()})
	}

	r := &run{b: b, c: c}
	b.references.Set(reference, id)
	next := *w
	next.State, next.Reference, next.Payouts = Sent, reference, w.Payouts+1
	r.moved(&next, ActPayout, by, nil, Field{"reference", reference})
	return r.fx, nil
}

// RecordPayout notes how a payment outside ended. While that is not known, the
// withdrawal can be neither paid again nor taken back.
func (b *Book) RecordPayout(l *Ledger, c Clock, by string, id ID, reference string, result WithdrawalState) ([]Effect, *Refusal) {
	w, refused := b.findWithdrawal(id)
	if refused != nil {
		return nil, refused
	}
	if refused := w.allowed(withdrawalSteps[w.State], Sent, Unknown); refused != nil {
		return nil, refused
	}
	if reference != w.Reference {
		return nil, refuse(InvalidTransition, Field{"withdrawal", id.String()}, Field{"current", "other_reference"}, Field{"allowed", w.Reference})
	}
	action := map[WithdrawalState]Action{Paid: ActPaid, Failed: ActUnpaid, Unknown: ActUnknown}[result]
	if action == "" {
		return nil, malformed("result", ReasonUnsupported)
	}
	if result == w.State {
		return nil, w.allowed("paid,failed")
	}
	var legs []Leg
	if result == Paid {
		legs = []Leg{{Leaving, External(Asset), w.Amount}}
		if refused := l.Check(legs); refused != nil {
			return nil, refused
		}
	}

	r := &run{b: b, l: l, c: c}
	if legs != nil {
		l.Post(legs)
	}
	next := *w
	next.State = result
	r.moved(&next, action, by, legs, Field{"reference", reference})
	return r.fx, nil
}
