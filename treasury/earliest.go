package treasury

// Dates are treasury heights before which something cannot happen.
type Dates struct{ Executed, Finalized uint64 }

// Earliest is when a live disbursement can be executed and finalized, if everybody acts
// at once and nothing fails: its own windows after those of all that it depends on,
// directly and indirectly. There are no such dates while something that it depends on
// is missing, has ended otherwise, or leads back to it.
func (b *Book) Earliest(c Clock, d *Disbursement) (Dates, bool) {
	e := earliest{book: b, clock: c, known: map[ID]dates{}}
	at := e.of(d)
	return at.Dates, at.ok && d.Status.Live()
}

type dates struct {
	Dates
	ok bool
}

// earliest remembers what it found; what is being worked out is found without dates,
// which is how a cycle ends.
type earliest struct {
	book  *Book
	clock Clock
	known map[ID]dates
}

func (e *earliest) of(d *Disbursement) dates {
	if at, seen := e.known[d.ID]; seen || len(e.known) >= MaxGraph {
		return at
	}
	e.known[d.ID] = dates{}
	at := e.ahead(d)
	e.known[d.ID] = at
	return at
}

func (e *earliest) ahead(d *Disbursement) dates {
	b, now := e.book, e.book.height
	terms := d.Effective
	if d.Status == Draft {
		terms = d.Body.Terms.atLeast(b.params.bracket(d.Body.Amount))
	}
	start := now
	switch d.Status {
	case Finalized:
		return dates{Dates{now, now}, true}
	case Executed:
		return dates{Dates{now, max(now, d.Due)}, true}
	case Timelocked:
		start = max(now, d.Due)
	case Draft, Voting, Queued:
		for _, id := range d.Body.Deps {
			dep, proposed := b.Get(id)
			if !proposed {
				return dates{}
			}
			at := e.of(dep)
			if !at.ok {
				return dates{}
			}
			start = max(start, at.Finalized)
		}
		start += b.epochs(terms.TimelockEpochs)
	default:
		return dates{}
	}
	start = max(start, now+b.untilEpoch(e.clock, d.Body.ScheduledEpoch))
	return dates{Dates{start, start + b.epochs(terms.RollbackEpochs)}, true}
}
