package treasury

// Filter says which disbursements to list. Zero members ask for nothing.
type Filter struct {
	Statuses    []Status
	Destination AccountID
	Least, Most Amount
	// FromEpoch and ToEpoch bound the epoch of execution, both included.
	FromEpoch, ToEpoch *uint64
	// Since and Until bound the time of proposal, unix ms; Until is excluded.
	Since, Until int64
	// Before is the sequence below which the page begins: the cursor.
	Before uint64
}

// maxLooked bounds how many rows one page looks at: a filter that finds little
// answers with a short page and a cursor instead of keeping its reader waiting.
const maxLooked = 10_000

// List returns a page of disbursements, the newest proposal first, and the cursor of
// the next page, 0 when there is none.
func (b *Book) List(f Filter, limit int) (page []*Disbursement, next uint64) {
	looked, last := 0, uint64(0)
	b.descend(f, func(d *Disbursement) bool {
		if len(page) == limit || looked == maxLooked {
			next = last
			return false
		}
		looked++
		last = d.Sequence
		if b.matches(d, f) {
			page = append(page, d)
		}
		return true
	})
	return page, next
}

// descend yields the rows that a filter's best index leads to, newest first.
func (b *Book) descend(f Filter, yield func(*Disbursement) bool) {
	before := f.Before
	if before == 0 {
		before = b.sequence + 1
	}
	switch {
	case before <= 1:
	case f.Destination != "":
		prefix := string(f.Destination) + "\x00"
		b.byPlace.Descend(tail(prefix, before-1), func(key string, _ struct{}) bool {
			return len(key) == len(prefix)+8 && key[:len(prefix)] == prefix && yield(b.at(key))
		})
	case len(f.Statuses) == 1:
		status := byte(f.Statuses[0])
		b.byStatus.Descend(statusKey(f.Statuses[0], before-1), func(key string, _ struct{}) bool {
			return key[0] == status && yield(b.at(key))
		})
	default:
		b.rows.Descend(before-1, func(_ uint64, d *Disbursement) bool { return yield(d) })
	}
}

func (b *Book) matches(d *Disbursement, f Filter) bool {
	if len(f.Statuses) > 0 {
		found := false
		for _, s := range f.Statuses {
			found = found || d.Status == s
		}
		if !found {
			return false
		}
	}
	if f.FromEpoch != nil || f.ToEpoch != nil {
		epoch := d.Executed.Height / b.params.EpochBlocks
		if d.Executed.At == 0 || f.FromEpoch != nil && epoch < *f.FromEpoch || f.ToEpoch != nil && epoch > *f.ToEpoch {
			return false
		}
	}
	return (f.Destination == "" || d.Body.Destination == f.Destination) &&
		d.Body.Amount.Cmp(f.Least) >= 0 && (f.Most.IsZero() || d.Body.Amount.Cmp(f.Most) <= 0) &&
		d.Proposed.At >= f.Since && (f.Until == 0 || d.Proposed.At < f.Until)
}

// Disbursements yields all of them, the oldest proposal first.
func (b *Book) Disbursements(yield func(*Disbursement) bool) {
	b.rows.Scan(func(_ uint64, d *Disbursement) bool { return yield(d) })
}

// Dependents yields who waits for a disbursement: the sequence and the id, in order.
func (b *Book) Dependents(id ID, yield func(*Disbursement) bool) {
	for after := uint64(0); ; {
		d, ok := b.dependent(id, after)
		if !ok || !yield(d) {
			return
		}
		after = d.Sequence
	}
}

// Withdrawals yields the withdrawals above an id, in order of id.
func (b *Book) Withdrawals(after ID, yield func(*Withdrawal) bool) {
	b.withdrawals.Ascend(string(after[:]), func(key string, w *Withdrawal) bool {
		return key == string(after[:]) || yield(w)
	})
}

// Wait says what a live disbursement waits for.
type Wait struct {
	// For is what it waits for: opening, votes, funds, dependencies, timelock,
	// confirmations, another try, the rollback window, the executor, or unpause.
	For string
	// Who can act, as a role: proposer, voters, admins, nobody.
	Who string
	// Until is the treasury height at which time changes something, 0 for never.
	Until uint64
	// On are the dependencies that are not finalized.
	On []ID
}

// The values of Wait.For. The set is closed.
const (
	WaitOpening      = "opening"
	WaitVotes        = "votes"
	WaitFunds        = "funds"
	WaitDependencies = "dependencies"
	WaitTimelock     = "timelock"
	WaitConfirmation = "confirmation"
	WaitRetry        = "retry"
	WaitWindow       = "rollback_window"
	WaitExecutor     = "executor"
	WaitUnpause      = "unpause"
)

// Waits says what a live disbursement waits for, the zero Wait for one that ended.
func (b *Book) Waits(d *Disbursement) Wait {
	if !d.Status.Live() {
		return Wait{}
	}
	w := Wait{Until: d.Due, Who: "nobody"}
	switch d.Status {
	case Draft:
		w.For, w.Who = WaitOpening, "proposer"
	case Voting:
		w.For, w.Who = WaitVotes, "voters"
	case Queued:
		for _, id := range d.Body.Deps {
			if dep, known := b.Get(id); !known || dep.Status != Finalized {
				w.On = append(w.On, id)
			}
		}
		w.For = WaitDependencies
		if !d.Reserved {
			w.For, w.Who = WaitFunds, "admins"
		}
	case Timelocked:
		w.For = WaitTimelock
		if d.Failure.Code != "" {
			w.For, w.Who = WaitRetry, d.Failure.Remedy().Who
		}
		if d.Failure.Detail == DetailFourEyes {
			w.For = WaitConfirmation
		}
	case Executed:
		w.For = WaitWindow
	default:
	}
	if d.Status != Draft && b.Paused() {
		w.For, w.Who, w.Until = WaitUnpause, "admins", 0
	} else if d.Due <= b.height {
		w.For, w.Who = WaitExecutor, "nobody"
	}
	return w
}
