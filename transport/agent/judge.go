package agent

import (
	"fmt"
	"math/bits"
	"time"
)

// register is a value of a meter at a moment.
type register struct {
	value      uint64
	measuredAt int64
}

// claim is what is known of a reading when it is judged.
type claim struct {
	market, meter string
	register
	acceptedAt int64
	earlier    *register // nil for a meter's first reading
	known      bool      // the meter is on the node's list
}

// verdict is a vote with its reason in words.
type verdict struct {
	vote Vote
	why  string
}

func rejected(format string, args ...any) verdict {
	return verdict{Reject, fmt.Sprintf(format, args...)}
}

// judge applies the policy to one reading.
func (p Policy) judge(c claim) verdict {
	if !c.known {
		if p.RejectUnknownMeters {
			return rejected("the meter is not registered")
		}
		return verdict{Abstain, "the meter is not registered"}
	}
	rule, ok := p.rule(c.market, c.meter)
	if !ok {
		return verdict{p.Default, "no rule for the meter"}
	}
	if v := rule.judgeAlone(c); v.vote == Reject {
		return v
	}
	if c.earlier == nil {
		return verdict{Accept, "first register within its bounds"}
	}
	return rule.judgeStep(c)
}

// judgeAlone looks at what needs no earlier register.
func (r Rule) judgeAlone(c claim) verdict {
	if r.MinRegister != nil && c.value < uint64(*r.MinRegister) {
		return rejected("register %d is below %d", c.value, *r.MinRegister)
	}
	if r.MaxRegister != nil && c.value > uint64(*r.MaxRegister) {
		return rejected("register %d is above %d", c.value, *r.MaxRegister)
	}
	stale := time.Duration(c.acceptedAt-c.measuredAt) * time.Millisecond
	if limit := time.Duration(r.MaxStaleness); limit > 0 && stale > limit {
		return rejected("measured %s before it was taken in, more than %s", stale, limit)
	}
	return verdict{vote: Accept}
}

// judgeStep looks at what was added since the earlier register.
func (r Rule) judgeStep(c claim) verdict {
	if c.value < c.earlier.value {
		if r.AllowDecrease {
			return verdict{Accept, "a decrease is allowed"}
		}
		return rejected("register %d is below the earlier %d", c.value, c.earlier.value)
	}
	delta, elapsed := c.value-c.earlier.value, c.measuredAt-c.earlier.measuredAt
	if r.MaxRegisterStep != nil && delta > uint64(*r.MaxRegisterStep) {
		return rejected("step of %d is above %d", delta, *r.MaxRegisterStep)
	}
	if r.MaxDeltaPerHour != nil && aboveRate(delta, uint64(*r.MaxDeltaPerHour), elapsed) {
		return rejected("step of %d in %s is above %d an hour", delta, time.Duration(elapsed)*time.Millisecond, *r.MaxDeltaPerHour)
	}
	if r.Night != nil && delta > uint64(r.Night.MaxDelta) && r.Night.covers(c.earlier.measuredAt, c.measuredAt) {
		return rejected("step of %d at night is above %d", delta, r.Night.MaxDelta)
	}
	return verdict{Accept, "within the limits"}
}

const hourMs = 3_600_000

// aboveRate says whether delta in elapsed ms is more than perHour, in 128 bits.
func aboveRate(delta, perHour uint64, elapsed int64) bool {
	leftHigh, leftLow := bits.Mul64(delta, hourMs)
	rightHigh, rightLow := bits.Mul64(perHour, uint64(max(elapsed, 0)))
	return leftHigh > rightHigh || (leftHigh == rightHigh && leftLow > rightLow)
}

const (
	dayMs    = 24 * hourMs
	minuteMs = 60_000
)

// covers says whether the whole time from one moment to another lies in one
// night. Time that is only partly night says nothing: the day may have counted.
func (n Night) covers(from, to int64) bool {
	length := int64(n.To-n.From) * minuteMs
	if length < 0 {
		length += dayMs
	}
	local := from + int64(n.UTCOffset)*minuteMs - int64(n.From)*minuteMs
	sinceDusk := ((local % dayMs) + dayMs) % dayMs
	return sinceDusk+(to-from) <= length
}
