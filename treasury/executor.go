package treasury

// Kinds of errands. At one time cascades come first.
const (
	errandCascade = 1 // its dependents are cancelled
	errandWake    = 2 // its dependents may go on
)

// errand is what the end of a disbursement has still to do to those that depend on
// it, one after another in the order in which they were proposed.
type errand struct {
	id     ID
	cursor uint64 // sequence of the last dependent seen to
}

// send begins an errand, if there is anybody to see to.
func (b *Book) send(kind byte, d *Disbursement) {
	if _, any := b.dependent(d.ID, 0); any {
		b.errands.Set(statusKey(Status(kind), d.Sequence), errand{id: d.ID})
	}
}

// dependent finds the next one that waits for a disbursement.
func (b *Book) dependent(id ID, after uint64) (found *Disbursement, ok bool) {
	prefix := string(id[:])
	b.dependents.Ascend(dependentKey(id, after+1), func(key string, _ struct{}) bool {
		if key[:len(prefix)] == prefix {
			found, ok = b.at(key), true
		}
		return false
	})
	return found, ok
}

// Tick does what time causes, at most about so many items of it, and says how many
// it did. Whatever a rule compares is a height, so it does not matter in which of
// several calls at one height something is done.
func (b *Book) Tick(l *Ledger, c Clock, budget int) ([]Effect, int) {
	if b.Paused() {
		return nil, 0
	}
	r := &run{b: b, l: l, c: c}
	b.facts.lastTick = r.moment()
	used := 0
	for used < budget && r.one() {
		used += 1 + r.looked/lookedPerItem
		r.looked = 0
	}
	b.lookOverdue(c)
	return r.fx, used
}

// lookedPerItem is how many dependencies can be looked at, or votes forgotten, in the
// time that an item takes otherwise.
const lookedPerItem = 32

// one does the next thing, if anything is due.
func (r *run) one() bool {
	b := r.b
	if key, e, ok := b.errands.Min(); ok {
		r.errand(key, e)
		return true
	}
	if key, _, ok := b.timers.Min(); ok && first(key) <= b.height {
		r.time(b.at(key))
		return true
	}
	if b.sweep.active {
		r.sweepOne()
		return true
	}
	return false
}

// time does to a disbursement what its status has time do.
func (r *run) time(d *Disbursement) {
	switch d.Status {
	case Draft:
		r.expire(d, EndUnopened)
	case Voting:
		r.count(d)
	case Queued:
		r.outOfGrace(d)
	case Timelocked:
		r.try(d)
	case Executed:
		r.finalize(d)
	default:
		panic("treasury: time does nothing to a disbursement that has ended")
	}
}

// errand sees to one dependent.
func (r *run) errand(key string, e errand) {
	b := r.b
	d, ok := b.dependent(e.id, e.cursor)
	if !ok {
		b.errands.Delete(key)
		return
	}
	e.cursor = d.Sequence
	b.errands.Set(key, e)
	if Status(key[0]) == errandWake {
		if d.Status == Queued {
			r.timelock(d)
		}
		return
	}
	failed := *d
	failed.Failure = d.Failure.again(Failure{Code: StaleDependency, Detail: DetailEnded, Subject: e.id.String()}, r.c)
	r.end(&failed, Cancelled, ActCancel, "", EndError, failureFacts(failed.Failure)...)
}

// DueNow reports whether something waits that could be done at once.
func (b *Book) DueNow() bool {
	due, ok := b.NextDue()
	return ok && due <= b.height
}

// NextDue is the treasury height at which something is due next. While the treasury
// is paused, nothing is.
func (b *Book) NextDue() (uint64, bool) {
	if b.Paused() {
		return 0, false
	}
	if b.errands.Len() > 0 || b.sweep.active {
		return b.height, true
	}
	key, _, ok := b.timers.Min()
	if !ok {
		return 0, false
	}
	return first(key), true
}
