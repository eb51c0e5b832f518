package treasury

import "slices"

// Vote counts a principal's one and final vote, in every house that has a say and
// of which it was a member when voting opened.
func (b *Book) Vote(c Clock, by string, id ID, content [32]byte, approve bool) ([]Effect, *Refusal) {
	d, refused := b.find(id)
	if refused != nil {
		return nil, refused
	}
	if refused := d.allowed(Voting); refused != nil {
		return nil, refused
	}
	if content != d.Content {
		return nil, refuse(InvalidTransition, Field{"disbursement", id.String()}, Field{"current", "other_content"}, Field{"allowed", ID(d.Content).String()})
	}
	if b.height >= d.Due {
		return nil, d.notNow(ReasonVoteOver, d.Due)
	}
	tallies, weight := b.cast(d, by, approve)
	if weight == 0 {
		return nil, refuse(Unauthorized, Field{"reason", ReasonNotMember}, Field{"principal", by})
	}
	if _, voted := b.votes.Get(voteKey(id, by)); voted {
		return nil, refuse(InvalidTransition, Field{"disbursement", id.String()}, Field{"current", "voted"}, Field{"allowed", "none"})
	}

	r := &run{b: b, c: c}
	b.votes.Set(voteKey(id, by), approve)
	next := *d
	next.Tallies = tallies
	if _, certain := verdict(tallies); certain {
		next.Due = b.height
	}
	r.step(&next, ActVote, by, nil, Field{"verdict", verdictWord(approve)}, Field{"weight", u64(weight)})
	return r.fx, nil
}

func verdictWord(approve bool) string {
	if approve {
		return "approve"
	}
	return "reject"
}

// cast works out the tallies with one more vote, and its weight over all houses.
func (b *Book) cast(d *Disbursement, by string, approve bool) (tallies []Tally, weight uint64) {
	snapshot, ok := b.rolls.Get(d.roll)
	if !ok {
		panic("treasury: a vote is open without its roll")
	}
	tallies = append(tallies, d.Tallies...)
	for i := range tallies {
		h, _ := snapshot.house(tallies[i].House)
		w := h.Weight(by)
		weight += w
		if approve {
			tallies[i].Approve += w
		} else {
			tallies[i].Reject += w
		}
	}
	return tallies, weight
}

// Ballot is one principal's vote.
type Ballot struct {
	Principal string
	Approve   bool
}

// Ballots are the votes cast so far, in order of principal, while voting is open.
// Afterwards the tallies stay, and the votes are in the receipts.
func (b *Book) Ballots(id ID) (out []Ballot) {
	prefix := string(id[:])
	b.votes.Ascend(prefix, func(key string, approve bool) bool {
		if len(key) < len(prefix) || key[:len(prefix)] != prefix {
			return false
		}
		out = append(out, Ballot{key[len(prefix):], approve})
		return true
	})
	return out
}

// forgetVotes is work, too: there may be as many votes as all houses have members.
func (r *run) forgetVotes(id ID) {
	ballots := r.b.Ballots(id)
	r.looked += len(ballots)
	for _, v := range ballots {
		r.b.votes.Delete(voteKey(id, v.Principal))
	}
}

// count ends a vote that is over or certain.
func (r *run) count(d *Disbursement) {
	if passed, _ := verdict(d.Tallies); !passed {
		r.end(d, Rejected, ActCount, "", EndFloor, tallyFacts(d.Tallies)...)
		return
	}
	if why := r.checkGraph(d); why.Code != "" {
		failed := *d
		failed.Failure = d.Failure.again(why, r.c)
		r.end(&failed, Cancelled, ActCount, "", EndError, append(tallyFacts(d.Tallies), failureFacts(failed.Failure)...)...)
		return
	}
	r.forgetVotes(d.ID)
	next := *d
	next.Status, next.Queued, next.roll = Queued, r.moment(), 0
	next.Grace = r.b.height + r.b.epochs(r.b.params.GraceEpochs)
	next.Due = next.Grace
	r.step(&next, ActCount, "", nil, tallyFacts(d.Tallies)...)
	r.reserve(&next)
}

func tallyFacts(tallies []Tally) (facts []Field) {
	for _, t := range tallies {
		facts = append(facts, Field{"house", t.House}, Field{"approve", u64(t.Approve)}, Field{"reject", u64(t.Reject)}, Field{"required", u64(t.Required())})
	}
	return facts
}

// Missing lists the members of the houses that have a say in an open vote and have not
// voted, in order.
func (b *Book) Missing(d *Disbursement) (out []string) {
	snapshot, ok := b.rolls.Get(d.roll)
	if !ok || d.Status != Voting {
		return nil
	}
	for _, t := range d.Tallies {
		h, _ := snapshot.house(t.House)
		for _, m := range h.Members {
			if _, voted := b.votes.Get(voteKey(d.ID, m.Principal)); !voted && !slices.Contains(out, m.Principal) {
				out = append(out, m.Principal)
			}
		}
	}
	slices.Sort(out)
	return out
}
