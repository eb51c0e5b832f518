package treasury

// reserve tries to set the amount of a queued disbursement aside. While too little
// is free it waits, whole; what is smaller may go before it.
func (r *run) reserve(d *Disbursement) {
	next := *d
	if !r.affords(d) {
		next.Failure = d.Failure.again(Failure{Code: InsufficientFunds, Detail: DetailFree, Subject: string(Treasury)}, r.c)
		if next.Failure.Attempts > 1 {
			r.b.put(&next) // one receipt tells that it waits; not every look at it
			return
		}
		r.step(&next, ActFail, "", nil, failureFacts(next.Failure)...)
		return
	}
	next.Reserved, next.Failure = true, Failure{}
	legs := []Leg{{Treasury, TreasuryReserved, d.Body.Amount}}
	r.l.Post(legs)
	r.step(&next, ActReserve, "", legs)
	r.timelock(&next)
}

func (r *run) affords(d *Disbursement) bool { return r.free().Cmp(d.Body.Amount) >= 0 }

// free is what the treasury may still promise.
func (r *run) free() Amount {
	a, _ := r.l.Account(Treasury)
	free, _ := a.Balance()
	return free
}

// timelock starts the timelock of a queued disbursement once its amount is reserved
// and everything that it depends on is finalized.
func (r *run) timelock(d *Disbursement) {
	if !d.Reserved || r.unfinished(d) != nil {
		return
	}
	b := r.b
	next := *d
	next.Status, next.Timelocked = Timelocked, r.moment()
	next.Executable = b.height + max(b.epochs(d.Effective.TimelockEpochs), b.untilEpoch(r.c, d.Body.ScheduledEpoch))
	next.Grace = next.Executable + b.epochs(b.params.GraceEpochs)
	next.Due = next.Executable
	r.step(&next, ActTimelock, "", nil, Field{"executable", u64(next.Executable)})
}

// unfinished finds the first dependency that is not finalized.
func (r *run) unfinished(d *Disbursement) *ID {
	r.looked += len(d.Body.Deps)
	return r.b.unfinished(d)
}

func (b *Book) unfinished(d *Disbursement) *ID {
	for i, id := range d.Body.Deps {
		if dep, known := b.Get(id); !known || dep.Status != Finalized {
			return &d.Body.Deps[i]
		}
	}
	return nil
}

// Queue tries at once what time would try: to count a vote whose window is over, to
// reserve, to start the timelock. Where time has done all of it that can be done,
// nothing happens: asking again is no mistake.
func (b *Book) Queue(l *Ledger, c Clock, id ID) ([]Effect, *Refusal) {
	d, refused := b.find(id)
	if refused != nil {
		return nil, refused
	}
	if refused := d.allowed(Voting, Queued, Timelocked); refused != nil {
		return nil, refused
	}
	if b.Paused() {
		return nil, b.refusePaused()
	}
	r := &run{b: b, l: l, c: c}
	if d.Status == Voting {
		if b.height < d.Due {
			return nil, d.notNow(ReasonVoteOpen, d.Due)
		}

		r.count(d)
		return r.fx, nil
	}
	if d.lacks() && !r.affords(d) {
		return nil, refuse(InsufficientFunds, Field{"account", string(Treasury)},
			Field{"balance", r.free().String()}, Field{"needed", d.Body.Amount.String()})
	}

	if d.lacks() {
		r.reserve(d)
	} else if d.Status == Queued {
		r.timelock(d)
	}
	return r.fx, nil
}

// sweep offers free money to those that wait for it, oldest first, a few in each
// Apply.
type sweep struct {
	active, again bool
	cursor        string // of unfunded
}

// wake begins a sweep: money is free that was not before.
func (b *Book) wake() {
	switch {
	case b.unfunded.Len() == 0:
	case b.sweep.active:
		b.sweep.again = true
	default:
		b.sweep = sweep{active: true}
	}
}

// sweepOne offers to the next one. The sweep is over when none is left, or when
// even the smallest could not be paid.
func (r *run) sweepOne() {
	b := r.b
	smallest, _, any := b.bySize.Min()
	if free := r.free(); !any || pair(free.Hi, free.Lo) < smallest[:16] {
		b.sweep = sweep{}
		return
	}
	var key string
	b.unfunded.Ascend(b.sweep.cursor, func(k string, _ struct{}) bool {
		if k == b.sweep.cursor {
			return true
		}
		key = k
		return false
	})
	if key == "" {
		b.sweep = sweep{active: b.sweep.again}
		return
	}
	b.sweep.cursor = key
	r.reserve(b.at(key))
}

func failureFacts(f Failure) []Field {
	facts := []Field{{"code", string(f.Code)}, {"detail", f.Detail}}
	if f.Subject != "" {
		facts = append(facts, Field{"subject", f.Subject})
	}
	facts = append(facts, Field{"attempts", u64(uint64(f.Attempts))})
	if f.Next != 0 {
		facts = append(facts, Field{"next", u64(f.Next)})
	}
	return facts
}
