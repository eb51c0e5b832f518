package oracle

import "strconv"

// voting is one attestation being counted. Rejects and values are consumed
// from the front while the numbers ascend.
type voting struct {
	closing
	oracle  string
	rejects []uint64
	values  []Value
	result  AttestResult

	// The electorate of the last reading and the oracle's place in it, since
	// neighbours mostly share one.
	electorate *Electorate
	member     int
	enrolled   bool
}

// verdict is what an oracle says about one reading.
type verdict struct {
	accept   bool
	observed bool
	register uint64
}

// String is the verdict as evidence cites it.
func (v verdict) String() string {
	word := "reject"
	if v.accept {
		word = "accept"
	}
	if v.observed {
		word += ":" + strconv.FormatUint(v.register, 10)
	}
	return word
}

// next takes the verdict on a number from the lists.
func (v *voting) next(number uint64) verdict {
	out := verdict{accept: true}
	if len(v.rejects) > 0 && v.rejects[0] == number {
		out.accept = false
		v.rejects = v.rejects[1:]
	}
	if len(v.values) > 0 && v.values[0].Number == number {
		out.observed, out.register = true, v.values[0].Register
		v.values = v.values[1:]
	}
	return out
}

// vote counts the verdict on one number.
func (v *voting) vote(number uint64) {
	said := v.next(number)
	row, ok := v.b.live.Get(number)
	if !ok {
		v.result.Late++
		return
	}
	if !v.enrol(row.sub.electorate) {
		v.result.NotInElectorate++
		return
	}
	bit := uint64(1) << v.member
	if (row.accept|row.reject)&bit != 0 {
		v.again(row, said)
		return
	}
	// The height decides, not whether Expire was called yet: due items queue.
	if row.decided || v.c.Height >= row.sub.expires {
		v.result.Late++
		return
	}
	if said.accept {
		row.accept |= bit
	} else {
		row.reject |= bit
	}
	if said.observed {
		row.said = row.said.with(Observed{uint8(v.member), said.register})
	}
	v.result.Counted++
	v.decide(row, v.electorate)
}

// enrol finds the oracle in an electorate of the market.
func (v *voting) enrol(number uint64) bool {
	if v.electorate == nil || v.electorate.Number != number {
		v.electorate = v.b.mustElectorate(number)
		v.member, v.enrolled = v.electorate.member(v.oracle)
	}
	return v.enrolled
}

// again deals with a second verdict on a reading. The first stands. What
// contradicts it is recorded once per reading and oracle, so that repeating a
// contradiction cannot fill the journal.
func (v *voting) again(row liveRow, said verdict) {
	first := verdict{accept: row.accept&(1<<v.member) != 0}
	first.register, first.observed = row.observed(v.member)
	differs := first.accept != said.accept || first.observed && said.observed && first.register != said.register
	if !differs || row.equivocated(v.member) {
		v.result.Repeated++
		return
	}
	row.said = row.said.against(v.member)
	v.b.live.Set(row.sub.number, row)
	v.result.Equivocations++
	v.fx = append(v.fx, Equivocated{v.b.row.ID, v.oracle, row.sub.number, first.String(), said.String()})
}

// with returns the testimony with one more observed value.
func (t *testimony) with(o Observed) *testimony {
	if t == nil {
		return &testimony{values: []Observed{o}}
	}
	values := make([]Observed, len(t.values), len(t.values)+1)
	copy(values, t.values)
	return &testimony{values: append(values, o), equivocal: t.equivocal}
}

// against returns the testimony with a member's contradiction noted.
func (t *testimony) against(member int) *testimony {
	var out testimony
	if t != nil {
		out = *t
	}
	out.equivocal |= 1 << member
	return &out
}
