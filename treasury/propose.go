package treasury

import "github.com/tidwall/btree"

// Propose takes in a new disbursement as a draft. Its id is the identity of the
// command that proposes it.
func (b *Book) Propose(c Clock, by string, id ID, body Body) ([]Effect, *Refusal) {
	if _, known := b.Get(id); known {
		return nil, refuse(InvalidTransition, Field{"disbursement", id.String()}, Field{"current", "proposed"}, Field{"allowed", "none"})
	}
	if refused := b.checkBody(c, body); refused != nil {
		return nil, refused
	}
	if b.rows.Len() >= MaxDisbursements {
		return nil, full(LimitDisbursements, MaxDisbursements)
	}
	if b.proposals.of(b.epoch(c), by) >= MaxProposals {
		return nil, full(LimitProposals, MaxProposals)
	}

	r := &run{b: b, c: c}
	d := &Disbursement{
		ID: id, Sequence: b.sequence + 1, Proposer: by, Body: body, Content: body.Content(), Status: Draft,
		Proposed: r.moment(), Due: b.height + b.epochs(b.params.GraceEpochs),
	}
	r.step(d, ActPropose, by, nil)
	return r.fx, nil
}

// proposals counts those of the epoch of the newest one, by proposer.
type proposals struct {
	epoch uint64
	by    *btree.Map[string, uint32]
}

func newProposals() proposals { return proposals{by: new(btree.Map[string, uint32])} }

func (p *proposals) of(epoch uint64, proposer string) uint32 {
	if p.epoch != epoch {
		return 0
	}
	n, _ := p.by.Get(proposer)
	return n
}

func (p *proposals) add(epoch uint64, proposer string) {
	if p.epoch != epoch {
		*p = newProposals()
		p.epoch = epoch
	}
	n, _ := p.by.Get(proposer)
	p.by.Set(proposer, n+1)
}

// checkBody asks whether a body may be voted on under the rules as they are now.
func (b *Book) checkBody(c Clock, body Body) *Refusal {
	if refused := body.validate(); refused != nil {
		return refused
	}
	if body.ScheduledEpoch > b.epoch(c)+maxAhead {
		return refuse(LimitExceeded, Field{"limit", LimitSchedule}, Field{"max", u64(b.epoch(c) + maxAhead)})
	}
	if above(body.Amount, b.params.EpochCap) {
		return refuse(LimitExceeded, Field{"limit", DetailEpochCap}, Field{"max", b.params.EpochCap.String()})
	}
	if above(body.Amount, b.params.DestinationCap) {
		return refuse(LimitExceeded, Field{"limit", DetailDestination}, Field{"max", b.params.DestinationCap.String()})
	}
	return body.weaker(b.params.bracket(body.Amount))
}

// Amend replaces the body of a draft; its id stays. Only its proposer may.
func (b *Book) Amend(c Clock, by string, id ID, body Body) ([]Effect, *Refusal) {
	d, refused := b.own(by, id)
	if refused != nil {
		return nil, refused
	}
	if refused := d.allowed(Draft); refused != nil {
		return nil, refused
	}
	if b.height >= d.Due {
		return nil, d.notNow(ReasonGraceOver, d.Due)
	}
	if refused := b.checkBody(c, body); refused != nil {
		return nil, refused
	}

	r := &run{b: b, c: c}
	next := *d
	next.Body, next.Content = body, body.Content()
	r.step(&next, ActAmend, by, nil)
	return r.fx, nil
}

// own finds a disbursement for its proposer.
func (b *Book) own(by string, id ID) (*Disbursement, *Refusal) {
	d, refused := b.find(id)
	if refused == nil && d.Proposer != by {
		refused = refuse(Unauthorized, Field{"reason", ReasonNotProposer}, Field{"proposer", d.Proposer})
	}
	return d, refused
}

// Open begins the vote: weights and the rules of the bracket are those of now.
// What asks for less than the bracket, since that was raised, gets the bracket's.
func (b *Book) Open(c Clock, by string, id ID) ([]Effect, *Refusal) {
	d, refused := b.own(by, id)
	if refused != nil {
		return nil, refused
	}
	if refused := d.allowed(Draft); refused != nil {
		return nil, refused
	}
	if b.Paused() {
		return nil, b.refusePaused()
	}
	if b.height >= d.Due {
		return nil, d.notNow(ReasonGraceOver, d.Due)
	}
	if dep := b.stale(d); dep != nil {
		return nil, refuse(StaleDependency, Field{"dependency", dep.ID.String()}, Field{"current", dep.Status.String()})
	}
	terms := d.Body.atLeast(b.params.bracket(d.Body.Amount))
	tallies, refused := b.snapshot(terms)
	if refused != nil {
		return nil, refused
	}

	r := &run{b: b, c: c}
	next := *d
	next.Status, next.Effective, next.Tallies, next.roll = Voting, terms, tallies, b.newest().number
	next.Opened = r.moment()
	next.Due = b.height + b.epochs(terms.VoteEpochs)
	facts := []Field{{"deadline", u64(next.Due)}}
	for _, t := range tallies {
		facts = append(facts, Field{"house", t.House}, Field{"weight", u64(t.Total)}, Field{"required", u64(t.Required())})
	}
	r.step(&next, ActOpen, by, nil, facts...)
	return r.fx, nil
}

// snapshot takes the weights of the houses that terms name.
func (b *Book) snapshot(t Terms) ([]Tally, *Refusal) {
	tallies := make([]Tally, 0, len(t.Quorum))
	for _, f := range t.Quorum {
		h, known := b.newest().house(f.House)
		if !known {
			return nil, unknown(KindHouse, f.House)
		}
		tallies = append(tallies, Tally{House: f.House, Ppm: f.Ppm, Total: h.Total()})
	}
	return tallies, nil
}

// stale finds a dependency that ended without being finalized.
func (b *Book) stale(d *Disbursement) *Disbursement {
	for _, id := range d.Body.Deps {
		if dep, known := b.Get(id); known && !dep.Status.Live() && dep.Status != Finalized {
			return dep
		}
	}
	return nil
}

// Cancel ends a draft by the will of its proposer.
func (b *Book) Cancel(c Clock, by string, id ID) ([]Effect, *Refusal) {
	d, refused := b.own(by, id)
	if refused != nil {
		return nil, refused
	}
	if refused := d.allowed(Draft); refused != nil {
		return nil, refused
	}

	r := &run{b: b, c: c}
	r.end(d, Cancelled, ActCancel, by, EndProposer)
	return r.fx, nil
}

// Veto ends what is not executed yet.
func (b *Book) Veto(l *Ledger, c Clock, by string, id ID, reason string) ([]Effect, *Refusal) {
	d, refused := b.find(id)
	if refused != nil {
		return nil, refused
	}
	if refused := d.allowed(Draft, Voting, Queued, Timelocked); refused != nil {
		return nil, refused
	}

	r := &run{b: b, l: l, c: c}
	r.end(d, Cancelled, ActVeto, by, EndVeto, Field{"reason", reason})
	return r.fx, nil
}
