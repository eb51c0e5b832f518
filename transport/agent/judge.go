package agent

import (
	"fmt"
	"math/bits"
	"time"
)

// Claim is a reading to be judged.
type Claim struct {
	Market, Meter string
	Register
	AcceptedAt int64     // when the committee took it in, unix ms; 0 if that is not known
	Base       *Register // what the committee closed last for the meter; nil if nothing or not known
	Unknown    bool      // the node's list of meters lacks the meter
}

// Judge applies a policy to readings and remembers what it needs of them. It is
// not safe for concurrent use.
type Judge struct {
	policy     Policy
	references map[string]*Book
	tracks     map[string]*track // by market and meter
}

// NewJudge takes a policy that is valid, and the registers of its references by
// name; one that is missing knows nothing.
func NewJudge(p Policy, references map[string]*Book) *Judge {
	p.Default = p.Default.or(Abstain)
	return &Judge{policy: p, references: references, tracks: map[string]*track{}}
}

// Verdict judges a reading and remembers it. Readings of one meter come in order
// of measuring; one that comes late is judged by what was measured before it.
func (j *Judge) Verdict(c Claim) Verdict {
	v := j.Look(c)
	j.Remember(c, v.Vote, v.Reason)
	return v
}

// Look judges a reading without remembering it.
func (j *Judge) Look(c Claim) Verdict { return j.scene(c).verdict() }

// Remember takes in what was said of a reading, so that later ones are compared
// with it.
func (j *Judge) Remember(c Claim, vote Vote, why Reason) {
	s := j.scene(c)
	if s.rule == 0 {
		return // nothing is ever compared
	}
	p := s.point()
	p.vote = vote
	if s.earlier != nil && !s.judged(*s.earlier) {
		s.marks = nil // of another device, as far as is known
	}
	s.add(p, s.limits.room())
	if ref := s.limits.Reference; ref != nil && ref.Over > 0 && vote == Accept {
		s.mark(c.Register, time.Duration(ref.Over).Milliseconds())
	}
	if why == Repeated && vote == Reject && s.limits.RepeatedDeltas != nil && s.limits.RepeatedDeltas.Hold {
		s.heldSince = max(s.heldSince, c.MeasuredAt)
	}
}

// scene is all that bears on one reading.
type scene struct {
	Claim
	*track
	policy  *Policy
	book    *Book     // of the rule's reference
	earlier *Register // nil for a meter's first
	delta   uint64    // since earlier, if the register did not decrease
	elapsed int64
}

func (j *Judge) scene(c Claim) scene {
	key := c.Market + "/" + c.Meter
	t := j.tracks[key]
	if t == nil {
		rule, number := j.policy.RuleFor(c.Market, c.Meter)
		t = &track{limits: rule, rule: number}
		j.tracks[key] = t
	}
	s := scene{Claim: c, policy: &j.policy, track: t}
	if t.limits.Reference != nil {
		s.book = j.references[t.limits.Reference.Series]
	}
	if s.earlier = t.nearest(c.Base, c.MeasuredAt); s.earlier != nil {
		s.elapsed = c.MeasuredAt - s.earlier.MeasuredAt
		s.delta = c.Value - min(c.Value, s.earlier.Value)
	}
	return s
}

// verdict asks one limit after the other; the first that is exceeded decides.
func (s scene) verdict() Verdict {
	v := s.decide()
	v.Earlier = s.earlier
	if v.Rule = s.rule; v.Reason == UnknownMeter {
		v.Rule = 0
	}
	return v
}

func (s scene) decide() Verdict {
	if s.Unknown {
		vote := Abstain
		if s.policy.RejectUnknownMeters {
			vote = Reject
		}
		return Verdict{Vote: vote, Reason: UnknownMeter, Words: "the meter is not registered"}
	}
	if s.rule == 0 {
		return Verdict{Vote: s.policy.Default, Reason: NoRule, Words: "no rule for the meter"}
	}
	limits := []func(scene) *Verdict{scene.alone, scene.tooOld}
	if s.earlier != nil {
		limits = append(limits, scene.step, scene.rate, scene.night, scene.dark, scene.held, scene.still, scene.repeats, scene.outlier)
	}
	if s.earlier != nil && s.Value < s.earlier.Value {
		limits = []func(scene) *Verdict{scene.alone, scene.tooOld, scene.decrease}
	}
	for _, limit := range limits {
		if v := limit(s); v != nil {
			return *v
		}
	}
	if s.earlier == nil {
		return Verdict{Vote: Accept, Reason: FirstRegister, Words: "first register within its bounds"}
	}
	return s.compared()
}

// exceeded makes the verdict on a limit.
func exceeded(vote Vote, reason Reason, value, limit, words string, args ...any) *Verdict {
	return &Verdict{Vote: vote, Reason: reason, Value: value, Limit: limit, Words: fmt.Sprintf(words, args...)}
}

// alone looks at the register by itself.
func (s scene) alone() *Verdict {
	if least := s.limits.MinRegister; least != nil && s.Value < uint64(*least) {
		return exceeded(Reject, BelowMinRegister, decimal(s.Value), decimal(uint64(*least)), "register %d is below %d", s.Value, *least)
	}
	if most := s.limits.MaxRegister; most != nil && s.Value > uint64(*most) {
		return exceeded(Reject, AboveMaxRegister, decimal(s.Value), decimal(uint64(*most)), "register %d is above %d", s.Value, *most)
	}
	return nil
}

func (s scene) tooOld() *Verdict {
	age, limit := time.Duration(s.AcceptedAt-s.MeasuredAt)*time.Millisecond, time.Duration(s.limits.MaxStaleness)
	if limit == 0 || s.AcceptedAt == 0 || age <= limit {
		return nil
	}
	return exceeded(Reject, TooOld, age.String(), limit.String(), "measured %s before it was taken in, more than %s", age, limit)
}

func (s scene) decrease() *Verdict {
	if s.limits.AllowDecrease {
		return &Verdict{Vote: Accept, Reason: Plausible, Words: "a decrease is allowed"}
	}
	return exceeded(Reject, Decrease, decimal(s.Value), decimal(s.earlier.Value), "register %d is below the earlier %d", s.Value, s.earlier.Value)
}

func (s scene) step() *Verdict {
	most := s.limits.MaxRegisterStep
	if most == nil || s.delta <= uint64(*most) {
		return nil
	}
	return exceeded(Reject, AboveStep, decimal(s.delta), decimal(uint64(*most)), "a step of %d is above %d", s.delta, *most)
}

func (s scene) rate() *Verdict {
	most := s.limits.MaxDeltaPerHour
	if most == nil || !aboveRate(s.delta, uint64(*most), s.elapsed) {
		return nil
	}
	return exceeded(Reject, AboveRate, s.added(), fmt.Sprintf("%d an hour", *most), "%s is above %d an hour", s.added(), *most)
}

// added says what was added, in words.
func (s scene) added() string { return fmt.Sprintf("%d in %s", s.delta, span(s.elapsed)) }

func (s scene) night() *Verdict {
	n := s.limits.Night
	if n == nil || s.delta <= uint64(n.MaxDelta) || !n.hours().covers(s.earlier.MeasuredAt, s.MeasuredAt) {
		return nil
	}
	return exceeded(Reject, AtNight, s.added(), fmt.Sprintf("%d from %s", n.MaxDelta, n.hours()), "%s at night, which is from %s, is above %d", s.added(), n.hours(), n.MaxDelta)
}

func (s scene) dark() *Verdict {
	d := s.limits.Dark
	if d == nil || s.delta <= uint64(d.MaxDelta) {
		return nil
	}
	highest := s.limits.Site.highest(s.earlier.MeasuredAt, s.MeasuredAt)
	if highest >= hundredths(d.SunBelow) {
		return nil
	}
	return exceeded(Reject, InTheDark, s.added()+" with the sun at "+degrees(highest), fmt.Sprintf("%d below %s", d.MaxDelta, degrees(hundredths(d.SunBelow))),
		"%s is above %d while the sun stood at %s at most, below %s", s.added(), d.MaxDelta, degrees(highest), degrees(hundredths(d.SunBelow)))
}

func decimal(n uint64) string { return fmt.Sprint(n) }

// aboveRate says whether delta in elapsed ms is more than most an hour, in 128 bits.
func aboveRate(delta, most uint64, elapsed int64) bool {
	leftHigh, leftLow := bits.Mul64(delta, hourMs)
	rightHigh, rightLow := bits.Mul64(most, uint64(max(elapsed, 0)))
	return leftHigh > rightHigh || (leftHigh == rightHigh && leftLow > rightLow)
}

// perHour is a rate, rounded down; what does not fit is the greatest number.
func perHour(delta uint64, elapsed int64) uint64 {
	high, low := bits.Mul64(delta, hourMs)
	if elapsed <= 0 || high >= uint64(elapsed) {
		return ^uint64(0)
	}
	rate, _ := bits.Div64(high, low, uint64(elapsed))
	return rate
}
