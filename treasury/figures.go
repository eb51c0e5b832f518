package treasury

// keptFlows is for how many epochs with movement the history reaches back.
const keptFlows = 4_096

// Flow is what one epoch moved.
type Flow struct {
	Epoch                          uint64
	Accrued, Executed, Compensated Amount
	Executions                     uint64
	// Current is what the treasury had at its end, reserved or free.
	Current Amount
}

// flow changes the figures of the treasury and of the epoch that is on.
func (b *Book) flow(c Clock, change func(*Flow)) {
	epoch := b.epoch(c)
	f, known := b.history.Get(epoch)
	f.Epoch = epoch
	change(&f)
	f.Current = b.current()
	b.history.Set(epoch, f)
	if !known && b.history.Len() > keptFlows {
		b.history.PopMin()
	}
}

// current is what the treasury must have: all it got, less what it paid.
func (b *Book) current() Amount {
	return b.facts.accrued.SubWrap(b.facts.executed).AddWrap(b.facts.compensated)
}

// Accrue notes that money came into the treasury's account by others than this
// package: a deposit, or fees that nobody can dispute any more.
func (b *Book) Accrue(c Clock, amount Amount) {
	b.flow(c, func(f *Flow) {
		b.facts.accrued = b.facts.accrued.Add(amount)
		f.Accrued = f.Accrued.Add(amount)
	})
	b.wake()
}

// History yields the epochs in which anything moved, the newest first, from below
// an epoch on; before 0 means from the newest.
func (b *Book) History(before uint64, yield func(Flow) bool) {
	if before == 0 {
		before = 1<<64 - 1
	}
	b.history.Descend(before, func(epoch uint64, f Flow) bool {
		return epoch >= before || yield(f)
	})
}

// Balance is the treasury's money: Initial + Accrued - Executed + Compensated =
// Current, and Reserved + Free = Current. Held lies with destinations and can still
// be rolled back; Leaving is on its way out of the ledger.
type Balance struct {
	Initial, Accrued, Executed, Compensated Amount
	Current, Reserved, Free                 Amount
	Held, Leaving                           Amount
}

// Balance works the figures out.
func (b *Book) Balance() Balance {
	current := b.current()
	return Balance{
		Accrued: b.facts.accrued, Executed: b.facts.executed, Compensated: b.facts.compensated,
		Current: current, Reserved: b.reserved, Free: current.SubWrap(b.reserved),
		Held: b.amounts[Executed], Leaving: b.leaving,
	}
}

// Limits of what may be overdue, and for how many epochs.
const (
	stallAbove, stallEpochs = 100, 3
	warnAbove, warnEpochs   = 50, 2
)

// lookOverdue looks once an epoch at how many are overdue.
func (b *Book) lookOverdue(c Clock) {
	epoch := b.epoch(c) + 1
	if epoch == b.facts.overdueEpoch {
		return
	}
	b.facts.overdueEpoch = epoch
	n := b.Overdue(stallAbove + 1)
	since := func(at *uint64, over bool) {
		if !over {
			*at = 0
		} else if *at == 0 {
			*at = epoch
		}
	}
	since(&b.facts.warnedSince, n > warnAbove)
	since(&b.facts.stalledSince, n > stallAbove)
}

// Overdue counts the disbursements that could be executed as far as time is
// concerned, up to a limit.
func (b *Book) Overdue(limit int) (n int) {
	b.executable.Scan(func(key string, _ struct{}) bool {
		if first(key) > b.height || n == limit {
			return false
		}
		n++
		return true
	})
	return n
}

// Oldest is the disbursement that has waited longest to be executed.
func (b *Book) Oldest() (*Disbursement, bool) {
	key, _, ok := b.executable.Min()
	if !ok || first(key) > b.height {
		return nil, false
	}
	return b.at(key), true
}

// Health is how the executor fares.
type Health struct {
	Overdue          int
	Warning, Stalled bool
	LastTick         Moment
	LastSuccess      Moment
	LastError        Failure
	LastFailed       ID
	Matured          uint64 // timelocks that ever ran out
	Executed         uint64 // disbursements ever executed
	LagTotal, LagMax uint64 // ms between queued and executed, of these
}

// Health says how the executor fares.
func (b *Book) Health() Health {
	f := b.facts
	lasts := func(since, epochs uint64) bool { return since != 0 && f.overdueEpoch-since >= epochs }
	return Health{
		Overdue: b.Overdue(b.executable.Len()), Warning: lasts(f.warnedSince, warnEpochs), Stalled: lasts(f.stalledSince, stallEpochs),
		LastTick: f.lastTick, LastSuccess: f.lastSuccess, LastError: f.lastError, LastFailed: f.lastFailed,
		Matured: f.matured, Executed: f.lags, LagTotal: f.lagTotal, LagMax: f.lagMax,
	}
}

// Count is how many disbursements have a status, and how much they are about.
func (b *Book) Count(s Status) (uint64, Amount) { return b.counts[s], b.amounts[s] }
