package treasury

// blocked says what stands in the way of executing a timelocked disbursement whose
// time has come, or nothing.
func (r *run) blocked(d *Disbursement) Failure {
	b := r.b
	switch {
	case d.Body.Content() != d.Content:
		return Failure{Code: ExecutionFailed, Detail: DetailContent}
	case r.lacksEyes(d):
		return Failure{Code: ExecutionFailed, Detail: DetailFourEyes}
	}
	if why := r.target(d); why.Code != "" {
		return why
	}
	epoch := b.epoch(r.c)
	if above(d.Body.Amount, b.params.EpochCap) || above(d.Body.Amount, b.params.DestinationCap) {
		return Failure{Code: ExecutionFailed, Detail: DetailAboveCap}
	}
	nextEpoch := b.height + b.untilEpoch(r.c, epoch+1)
	if cap := b.params.EpochCap; above(b.spent.in(epoch).AddWrap(d.Body.Amount), cap) {
		return Failure{Code: ExecutionFailed, Detail: DetailEpochCap, Next: nextEpoch}
	}
	if cap := b.params.DestinationCap; above(b.spent.to(epoch, d.Body.Destination).AddWrap(d.Body.Amount), cap) {
		return Failure{Code: ExecutionFailed, Detail: DetailDestination, Subject: string(d.Body.Destination), Next: nextEpoch}
	}
	return Failure{}
}

// lacksEyes reports whether people must still confirm.
func (r *run) lacksEyes(d *Disbursement) bool {
	return above(d.Body.Amount, r.b.params.FourEyesAbove) && len(d.Confirmed) < 2
}

// target asks whether the destination can take the amount. The accounts of a payee
// and all held ones are opened when they are needed.
func (r *run) target(d *Disbursement) Failure {
	to := d.Body.Destination
	invalid := func(detail string) Failure {
		return Failure{Code: InvalidTarget, Detail: detail, Subject: string(to)}
	}
	a, known := r.l.Account(to)
	if !known && !to.IsPayee() {
		return invalid(DetailNoAccount)
	}
	if known && a.Asset != Asset {
		return invalid(DetailOtherAsset)
	}
	limit := Failure{Code: ExecutionFailed, Detail: DetailLedger, Subject: string(to)}
	if r.l.CheckOpen(Asset, to, to.Held()) != nil {
		return limit
	}
	if _, open := r.l.Account(to.Held()); open && r.l.Check(executeLegs(d)) != nil {
		return limit
	}
	return Failure{}
}

func executeLegs(d *Disbursement) []Leg {
	return []Leg{{TreasuryReserved, d.Body.Destination.Held(), d.Body.Amount}}
}

// try executes a timelocked disbursement whose time has come, or notes why not. One
// that fails is tried again later and later, so that it delays no other.
func (r *run) try(d *Disbursement) {
	b := r.b
	why := r.blocked(d)
	if why.Code == "" {
		r.execute(d, "")
		return
	}
	if b.height >= d.Grace {
		r.expire(d, EndGrace)
		return
	}
	b.mature(d)
	next := *d
	next.Failure = d.Failure.again(why, r.c)
	next.Due = d.Grace
	if why.Detail != DetailFourEyes && why.Detail != DetailContent {
		if next.Failure.Next == 0 {
			next.Failure.Next = b.height + backoff(next.Failure.Attempts)
		}
		next.Due = min(next.Failure.Next, d.Grace)
	}
	b.facts.lastError, b.facts.lastFailed = next.Failure, d.ID
	r.step(&next, ActFail, "", nil, failureFacts(next.Failure)...)
}

// execute pays a disbursement into the destination's held account.
func (r *run) execute(d *Disbursement, by string) {
	b, to := r.b, d.Body.Destination
	b.mature(d)
	r.l.Open(to, Asset)
	r.l.Open(to.Held(), Asset)
	legs := executeLegs(d)
	r.l.Post(legs)
	b.spent.add(b.epoch(r.c), to, d.Body.Amount)
	b.flow(r.c, func(f *Flow) {
		b.facts.executed = b.facts.executed.Add(d.Body.Amount)
		f.Executed = f.Executed.Add(d.Body.Amount)
		f.Executions++
	})
	b.facts.lastSuccess = r.moment()
	lag := uint64(max(r.c.Now-d.Queued.At, 0))
	b.facts.lags, b.facts.lagTotal, b.facts.lagMax = b.facts.lags+1, b.facts.lagTotal+lag, max(b.facts.lagMax, lag)

	next := *d
	next.Status, next.Reserved, next.Executed, next.Failure = Executed, false, r.moment(), Failure{}
	next.Window = b.height + b.epochs(d.Effective.RollbackEpochs)
	next.Due = next.Window
	r.step(&next, ActExecute, by, legs, Field{"window", u64(next.Window)}, Field{"lag_ms", u64(lag)})
}

// mature counts a timelock that ran out, when it is looked at first.
func (b *Book) mature(d *Disbursement) {
	if d.Failure.Code == "" {
		b.facts.matured++
	}
}

// finalize makes an executed amount the destination's own. What a payee outside gets
// is a withdrawal at once, which the committee pays out.
func (r *run) finalize(d *Disbursement) {
	to := d.Body.Destination
	legs := []Leg{{to.Held(), to, d.Body.Amount}}
	if to.IsPayee() {
		legs = append(legs, Leg{to, Leaving, d.Body.Amount})
	}
	next := *d
	if r.l.Check(legs) != nil {
		next.Failure = d.Failure.again(Failure{Code: ExecutionFailed, Detail: DetailLedger, Subject: string(to)}, r.c)
		next.Failure.Next = r.b.height + backoff(next.Failure.Attempts)
		next.Due = next.Failure.Next
		r.step(&next, ActFail, "", nil, failureFacts(next.Failure)...)
		return
	}
	r.l.Post(legs)
	next.Status, next.Ending, next.Failure = Finalized, EndWindow, Failure{}
	r.step(&next, ActFinalize, "", legs)
	r.b.send(errandWake, &next)
	if to.IsPayee() {
		r.request(&Withdrawal{ID: d.ID, Account: to, Amount: d.Body.Amount, Payee: d.Body.Payee}, "", nil)
	}
}

// expire ends what waited too long.
func (r *run) expire(d *Disbursement, why string) {
	r.end(d, Expired, ActExpire, "", why)
}

// outOfGrace ends a queued disbursement, unless only dependencies keep it that are
// under way themselves: these come to an end of their own.
func (r *run) outOfGrace(d *Disbursement) {
	if d.Reserved && r.underWay(d) {
		next := *d
		next.Grace = r.b.height + r.b.epochs(r.b.params.GraceEpochs)
		next.Due = next.Grace
		r.step(&next, ActExtend, "", nil, Field{"until", u64(next.Grace)})
		return
	}
	r.expire(d, EndGrace)
}

// underWay reports whether every dependency was opened at least.
func (r *run) underWay(d *Disbursement) bool {
	r.looked += len(d.Body.Deps)
	for _, id := range d.Body.Deps {
		if dep, known := r.b.Get(id); !known || dep.Status == Draft {
			return false
		}
	}
	return true
}

// Execute tries at once what time would try, and confirms where four eyes count. Where
// it is executed already nothing happens: asking again is no mistake, and pays nothing.
func (b *Book) Execute(l *Ledger, c Clock, by string, id ID) ([]Effect, *Refusal) {
	d, refused := b.find(id)
	if refused != nil {
		return nil, refused
	}
	if refused := d.allowed(Timelocked, Executed); refused != nil {
		return nil, refused
	}
	if d.Status == Executed {
		return nil, nil
	}
	if b.Paused() {
		return nil, b.refusePaused()
	}
	r := &run{b: b, l: l, c: c}
	confirms, refused := r.confirms(d, by)
	if refused != nil {
		return nil, refused
	}
	if !confirms {
		if b.height < d.Executable {
			return nil, d.notNow(ReasonTimelock, d.Executable)
		}
		if why := r.blocked(d); why.Code != "" {
			return nil, refuse(why.Code, Field{"disbursement", id.String()}, Field{"reason", why.Detail}, Field{"subject", why.Subject})
		}

		r.execute(d, by)
		return r.fx, nil
	}

	next := *d
	next.Confirmed = append(append([]string{}, d.Confirmed...), by)
	r.step(&next, ActConfirm, by, nil, Field{"confirmed", u64(uint64(len(next.Confirmed)))}, Field{"required", "2"})
	switch {
	case b.height < d.Executable || r.lacksEyes(&next):
	case r.blocked(&next).Code == "":
		r.execute(&next, by)
	default:
		r.try(&next) // time looks after it again: it slept until the end of its grace
	}
	return r.fx, nil
}

// confirms reports whether the principal's wish counts as one of two confirmations.
// Whoever proposed it, or confirmed already, adds nothing.
func (r *run) confirms(d *Disbursement, by string) (bool, *Refusal) {
	if !r.lacksEyes(d) {
		return false, nil
	}
	reason := ""
	if by == d.Proposer {
		reason = ReasonProposer
	}
	for _, c := range d.Confirmed {
		if c == by {
			reason = ReasonConfirmed
		}
	}
	if reason != "" {
		return false, refuse(Unauthorized, Field{"reason", reason}, Field{"required", "2"}, Field{"actual", u64(uint64(len(d.Confirmed)))})
	}
	return true, nil
}

// Rollback takes an executed amount back out of the destination's held account, so
// that it cannot bounce. It is allowed while the treasury is paused.
func (b *Book) Rollback(l *Ledger, c Clock, by string, id ID, reason string) ([]Effect, *Refusal) {
	d, refused := b.find(id)
	if refused != nil {
		return nil, refused
	}
	if refused := d.allowed(Executed); refused != nil {
		return nil, refused
	}
	if b.height >= d.Window {
		return nil, d.notNow(ReasonWindowOver, d.Window)
	}
	legs := []Leg{{d.Body.Destination.Held(), Treasury, d.Body.Amount}}
	if refused := l.Check(legs); refused != nil {
		return nil, refused
	}

	r := &run{b: b, l: l, c: c}
	l.Post(legs)
	b.flow(c, func(f *Flow) {
		b.facts.compensated = b.facts.compensated.Add(d.Body.Amount)
		f.Compensated = f.Compensated.Add(d.Body.Amount)
	})
	next := *d
	next.Status, next.Ending, next.Failure = RolledBack, EndCommittee, Failure{}
	r.step(&next, ActRollback, by, legs, Field{"reason", reason})
	b.send(errandCascade, &next)
	b.wake()
	return r.fx, nil
}
