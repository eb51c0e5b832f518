package agent

import (
	"cmp"
	"slices"
)

// Register is a value of a meter at a moment.
type Register struct {
	Value      uint64
	MeasuredAt int64 // unix ms
}

// maxRemembered is how many readings of one meter are remembered at least. Beyond
// it, and what the meter's rule needs, the oldest is forgotten.
const maxRemembered = 256

// point is a reading that was judged.
type point struct {
	Register
	vote Vote

	delta   uint64 // since the earlier register
	elapsed int64  // ms since then; 0 without an earlier register

	still int // readings in a row, up to this one, that did not move when they must
	same  int // readings in a row that added the same in the same time
	least uint64
	most  uint64 // of what they added
	took  int64  // the time each of them took
	added uint64 // in that time, since the reading before, whatever was said of that
}

// track is what is remembered of one meter, in order of measuring.
type track struct {
	limits    Rule
	rule      int // its number, from 1; 0 if no rule matches the meter
	points    []point
	forgotten *Register  // newest plausible one that is no more among the points
	marks     []Register // plausible ones of the time that a reference is compared over, some way apart
	heldSince int64      // measuring time of a reading after which the meter is held; 0 is never
}

// nearest is the nearest register before a moment: that of a plausible reading,
// or the base. At the same time the base is right: it is what was closed, or what
// the committee set.
func (t *track) nearest(base *Register, before int64) *Register {
	var nearest *Register
	if t.forgotten != nil && t.forgotten.MeasuredAt < before {
		nearest = &Register{t.forgotten.Value, t.forgotten.MeasuredAt}
	}
	for i := len(t.points) - 1; i >= 0; i-- {
		if p := t.points[i]; p.vote == Accept && p.MeasuredAt < before {
			nearest = &Register{p.Value, p.MeasuredAt}
			break
		}
	}
	if base != nil && base.MeasuredAt < before && (nearest == nil || base.MeasuredAt >= nearest.MeasuredAt) {
		nearest = &Register{base.Value, base.MeasuredAt}
	}
	return nearest
}

// before is the last reading measured before a moment, whatever was said of it.
func (t *track) before(at int64) *point {
	i, _ := t.find(at)
	if i == 0 {
		return nil
	}
	return &t.points[i-1]
}

func (t *track) find(at int64) (int, bool) {
	return slices.BinarySearchFunc(t.points, at, func(p point, at int64) int { return cmp.Compare(p.MeasuredAt, at) })
}

// add remembers a reading, in place of one with the same time.
func (t *track) add(p point, room int) {
	i, found := t.find(p.MeasuredAt)
	if found {
		t.points[i] = p
		return
	}
	t.points = slices.Insert(t.points, i, p)
	over := max(0, len(t.points)-max(room, maxRemembered))
	for _, old := range t.points[:over] {
		if old.vote == Accept {
			t.forgotten = &Register{old.Value, old.MeasuredAt}
		}
	}
	t.points = slices.Delete(t.points, 0, over)
}

// rates are what the last readings before a moment added an hour, whatever was said
// of them: if only plausible ones counted, a meter whose habits change would never be
// plausible again.
func (t *track) rates(before int64, most int) []uint64 {
	var rates []uint64
	for i := len(t.points) - 1; i >= 0 && len(rates) < most; i-- {
		if p := t.points[i]; p.took > 0 && p.MeasuredAt < before {
			rates = append(rates, perHour(p.added, p.took))
		}
	}
	return rates
}

// marksPerSpan is how many registers are kept of the time that a reference is
// compared over.
const marksPerSpan = 16

// mark keeps a plausible register for comparisons over a time.
func (t *track) mark(r Register, over int64) {
	if n := len(t.marks); n == 0 || r.MeasuredAt-t.marks[n-1].MeasuredAt >= over/marksPerSpan {
		t.marks = append(t.marks, r)
	}
	t.marks = slices.DeleteFunc(t.marks, func(m Register) bool { return m.MeasuredAt < r.MeasuredAt-over })
}

// judged says whether the agent has judged a register itself, or else has it from
// the committee, which may have set it to another value than went before.
func (t *track) judged(r Register) bool {
	if t.forgotten != nil && *t.forgotten == r {
		return true
	}
	i, found := t.find(r.MeasuredAt)
	return found && t.points[i].Value == r.Value
}

// since is the oldest register that a comparison over a time may begin with, or the
// earlier one.
func (t *track) since(earlier Register, at, over int64) Register {
	if !t.judged(earlier) {
		return earlier
	}
	for _, m := range t.marks {
		if m.MeasuredAt >= at-over && m.MeasuredAt < earlier.MeasuredAt && m.Value <= earlier.Value {
			return m
		}
	}
	return earlier
}

// room is how many readings of a meter its rule needs.
func (r Rule) room() int {
	if r.Outlier == nil {
		return 0
	}
	return r.Outlier.Steps + 1
}
