package treasury

// run is one operation in progress. Its methods change state only where no
// refusal can follow any more.
type run struct {
	b  *Book
	l  *Ledger
	c  Clock
	fx []Effect
	// looked counts the dependencies that were looked at and the votes that were
	// forgotten, which is work too.
	looked int
}

// step stores what became of a disbursement and says what happened. It fills in
// what follows from the status.
func (r *run) step(d *Disbursement, action Action, by string, legs []Leg, facts ...Field) {
	var from Status
	if old, known := r.b.Get(d.ID); known {
		from = old.Status
	}
	d.Steps++
	if !d.Status.Live() {
		d.Due = 0
		d.Ended = r.moment()
	}
	r.b.put(d)
	r.fx = append(r.fx, Step{
		Disbursement: d, Number: d.Steps, Action: action, From: from, By: by, Legs: legs, Facts: facts,
	})
}

func (r *run) moment() Moment { return Moment{r.c.Now, r.c.Height} }

// end closes a disbursement before it was executed: what was reserved is free
// again, its votes are forgotten, and whoever depends on it is told.
func (r *run) end(d *Disbursement, to Status, action Action, by, why string, facts ...Field) {
	next := *d
	next.Status, next.Ending = to, why
	var legs []Leg
	if d.Reserved {
		legs = []Leg{{TreasuryReserved, Treasury, d.Body.Amount}}
		r.l.Post(legs)
		next.Reserved = false
	}
	if d.Status == Voting {
		r.forgetVotes(d.ID)
		next.roll = 0
	}
	r.step(&next, action, by, legs, facts...)
	r.b.send(errandCascade, &next)
	if legs != nil {
		r.b.wake()
	}
}
