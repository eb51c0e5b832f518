package agent

import (
	"cmp"
	"maps"
	"slices"
)

// DryRun judges readings of the past and counts, without saying anything to
// anybody.
type DryRun struct {
	judge  *Judge
	counts map[string]*Count // by market and meter
}

// Count is how a policy would have voted on the readings of one meter.
type Count struct {
	Market   string         `json:"market"`
	Meter    string         `json:"meter"`
	Rule     int            `json:"rule"` // 0: no rule matches
	Readings int            `json:"readings"`
	Accept   int            `json:"accept"`
	Reject   int            `json:"reject"`
	Abstain  int            `json:"abstain"`
	Reasons  map[Reason]int `json:"reasons"`

	// How it agrees with the committee, where that is known.
	WouldReject int `json:"closed_though_rejected"` // the committee took it
	WouldAccept int `json:"refused_though_accepted"`

	FirstMeasuredAt int64  `json:"first_reject_measured_at,omitempty"`
	FirstWords      string `json:"first_reject,omitempty"`
}

// Fate is how the committee closed a reading.
type Fate int

// The fates. A reading that is still open, superseded or of a file has none.
const (
	NoFate Fate = iota
	Taken
	Refused
)

// NewDryRun takes a valid policy and what its references say.
func NewDryRun(p Policy, references map[string]*Book) *DryRun {
	return &DryRun{judge: NewJudge(p, references), counts: map[string]*Count{}}
}

// Take judges a reading; each meter's come in order of measuring.
func (d *DryRun) Take(c Claim, fate Fate) Verdict {
	v := d.judge.Verdict(c)
	key := c.Market + "/" + c.Meter
	count := d.counts[key]
	if count == nil {
		_, rule := d.judge.policy.RuleFor(c.Market, c.Meter)
		count = &Count{Market: c.Market, Meter: c.Meter, Rule: rule, Reasons: map[Reason]int{}}
		d.counts[key] = count
	}
	count.Readings++
	count.Reasons[v.Reason]++
	switch v.Vote {
	case Accept:
		count.Accept++
		if fate == Refused {
			count.WouldAccept++
		}
	case Reject:
		count.Reject++
		if fate == Taken {
			count.WouldReject++
		}
		if count.FirstWords == "" {
			count.FirstMeasuredAt, count.FirstWords = c.MeasuredAt, v.Words
		}
	case Abstain:
		count.Abstain++
	}
	return v
}

// Counts are those of all meters, by market and meter.
func (d *DryRun) Counts() []Count {
	var out []Count
	for _, key := range slices.Sorted(maps.Keys(d.counts)) {
		out = append(out, *d.counts[key])
	}
	slices.SortStableFunc(out, func(a, b Count) int { return cmp.Compare(a.Market, b.Market) })
	return out
}
