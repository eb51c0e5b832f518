package agent

import (
	"path"
	"slices"

	"github.com/tallyvault/tallyvault/transport/api"
)

// Policy says which readings an agent finds plausible. The tags are the file's
// documentation: see [Schema].
type Policy struct {
	Schema              string            `json:"$schema,omitempty" doc:"for editors; the agent does not look at it"`
	Comment             string            `json:"comment,omitempty" doc:"words for people"`
	Default             Vote              `json:"default,omitempty" enum:"abstain,accept,reject" doc:"vote on a reading that no rule matches (abstain when absent)"`
	RejectUnknownMeters bool              `json:"reject_unknown_meters,omitempty" doc:"reject a reading of a meter that the node's own list of meters lacks, whatever the rules say"`
	References          map[string]Source `json:"references,omitempty" doc:"independent series of registers that rules compare with, by name"`
	Rules               []Rule            `json:"rules" minItems:"1" maxItems:"10000" doc:"the first rule whose market and meter match a reading decides"`
}

// Rule holds the limits for some meters of a market. A nil limit is none.
type Rule struct {
	Comment         string          `json:"comment,omitempty" doc:"words for people"`
	Market          string          `json:"market" doc:"id of a market"`
	Meter           string          `json:"meter" minLength:"1" doc:"id of a meter; * stands for any characters, ? for one, [a-f] for one of some"`
	MaxDeltaPerHour *api.Uint64     `json:"max_delta_per_hour,omitempty" pattern:"^(0|[1-9][0-9]*)$" doc:"most register units an hour since the earlier register"`
	MaxRegisterStep *api.Uint64     `json:"max_register_step,omitempty" pattern:"^(0|[1-9][0-9]*)$" doc:"most register units since the earlier register, however long ago"`
	MinRegister     *api.Uint64     `json:"min_register,omitempty" pattern:"^(0|[1-9][0-9]*)$" doc:"least register"`
	MaxRegister     *api.Uint64     `json:"max_register,omitempty" pattern:"^(0|[1-9][0-9]*)$" doc:"greatest register"`
	AllowDecrease   bool            `json:"allow_decrease,omitempty" doc:"accept a register below the earlier one"`
	MaxStaleness    Duration        `json:"max_staleness,omitempty" doc:"most time between measuring and being taken in, like 26h or 90m"`
	Site            *Site           `json:"site,omitempty" doc:"where the meter stands, for the limits that go by the sun"`
	Night           *Night          `json:"night,omitempty" doc:"between two times of day hardly anything may be added; applies if the whole time since the earlier register lies in one night"`
	Dark            *Dark           `json:"dark,omitempty" doc:"while the sun is low hardly anything may be added; applies if it was low during the whole time since the earlier register"`
	StaleRun        *StaleRun       `json:"stale_run,omitempty" doc:"the register must move when the rule says so"`
	RepeatedDeltas  *RepeatedDeltas `json:"repeated_deltas,omitempty" doc:"a meter that adds exactly the same again and again repeats itself instead of measuring"`
	Outlier         *Outlier        `json:"outlier,omitempty" doc:"what is added must be near to what the meter added lately"`
	Reference       *Reference      `json:"reference,omitempty" doc:"what is added must be near to what an independent series says"`
}

// Site is a place on earth.
type Site struct {
	Latitude  float64 `json:"latitude" minimum:"-90" maximum:"90" doc:"degrees, north is positive"`
	Longitude float64 `json:"longitude" minimum:"-180" maximum:"180" doc:"degrees, east is positive"`
}

// Hours is a window of the day. It may pass midnight; from equal to to is no
// window and refused.
type Hours struct {
	From      Clock  `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"time of day, like 22:00"`
	To        Clock  `json:"to" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"time of day"`
	UTCOffset Offset `json:"utc_offset" pattern:"^(Z|[+-][0-9]{2}:[0-9]{2})$" doc:"of these times, like +10:00 or Z; it does not follow summer time"`
}

// Night is a window of hours in which a meter hardly counts.
type Night struct {
	From      Clock      `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"time of day, like 22:00"`
	To        Clock      `json:"to" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"time of day; before from, the night passes midnight"`
	UTCOffset Offset     `json:"utc_offset" pattern:"^(Z|[+-][0-9]{2}:[0-9]{2})$" doc:"of these times, like +10:00 or Z; it does not follow summer time"`
	MaxDelta  api.Uint64 `json:"max_delta" pattern:"^(0|[1-9][0-9]*)$" doc:"most register units between two readings of one night"`
}

// Dark is the time when the sun is below an elevation at the rule's site.
type Dark struct {
	SunBelow float64    `json:"sun_below" minimum:"-90" maximum:"90" doc:"degrees of elevation; the sun sets at -0.83 and civil twilight ends at -6"`
	MaxDelta api.Uint64 `json:"max_delta" pattern:"^(0|[1-9][0-9]*)$" doc:"most register units between two readings of the dark"`
}

// StaleRun says when a register must move.
type StaleRun struct {
	Readings int        `json:"readings" minimum:"2" maximum:"10000" doc:"so many readings in a row that did not move are too many"`
	MaxDelta api.Uint64 `json:"max_delta,omitempty" pattern:"^(0|[1-9][0-9]*)$" doc:"a reading that adds no more than this did not move (0 when absent)"`
	Between  *Hours     `json:"between,omitempty" doc:"only time in these hours counts; readings outside neither count nor end a run"`
	SunAbove *float64   `json:"sun_above,omitempty" minimum:"-90" maximum:"90" doc:"only time with the sun above this elevation in degrees counts; needs a site"`
	Vote     Vote       `json:"vote,omitempty" enum:"reject,abstain" doc:"what to do then (reject when absent)"`
}

// RepeatedDeltas finds a meter, or somebody, who repeats the last value.
type RepeatedDeltas struct {
	Readings  int        `json:"readings" minimum:"3" maximum:"10000" doc:"so many readings in a row that added the same in the same time are too many; such that added nothing do not count"`
	Tolerance api.Uint64 `json:"tolerance,omitempty" pattern:"^(0|[1-9][0-9]*)$" doc:"register units by which they may differ and be the same, for rounding (0 when absent)"`
	Hold      bool       `json:"hold,omitempty" doc:"go on rejecting the meter's readings until the committee's own base passes the run: else the first reading after it covers its time and is credited"`
	Vote      Vote       `json:"vote,omitempty" enum:"reject,abstain" doc:"what to do then (reject when absent)"`
}

// Outlier compares a rate with the rates before it by median and MAD, the median
// of the distances from the median: neither moves for a few wild values.
type Outlier struct {
	Steps         int        `json:"steps" minimum:"3" maximum:"4096" doc:"so many of the last readings are compared with, plausible or not: a meter whose habits change for good is an outlier for half as many"`
	AtLeast       int        `json:"at_least,omitempty" minimum:"3" maximum:"4096" doc:"with fewer of them the limit does not apply (half of steps when absent, 3 at least)"`
	Deviations    float64    `json:"deviations" minimum:"0" doc:"most distance from the median, in MADs; 1 MAD is about 0.67 standard deviations"`
	MarginPerHour api.Uint64 `json:"margin_per_hour" pattern:"^(0|[1-9][0-9]*)$" doc:"a distance of so many register units an hour is never too much"`
	Low           bool       `json:"low,omitempty" doc:"too little is an outlier, too"`
	Vote          Vote       `json:"vote,omitempty" enum:"reject,abstain" doc:"what to do then (reject when absent)"`
}

// Vote is a verdict on a reading.
type Vote string

// The verdicts.
const (
	Abstain Vote = "abstain"
	Accept  Vote = "accept"
	Reject  Vote = "reject"
)

// or is a vote, or what an absent one means.
func (v Vote) or(otherwise Vote) Vote {
	if v == "" {
		return otherwise
	}
	return v
}

// least is how many steps an outlier needs to compare with.
func (o Outlier) least() int {
	if o.AtLeast > 0 {
		return o.AtLeast
	}
	return max(leastSteps, o.Steps/2)
}

// Markets lists the markets that the rules name.
func (p Policy) Markets() []string {
	var markets []string
	for _, r := range p.Rules {
		if !slices.Contains(markets, r.Market) {
			markets = append(markets, r.Market)
		}
	}
	slices.Sort(markets)
	return markets
}

// RuleFor finds the first rule for a meter and its number, counted from 1. The
// number is 0 if no rule matches.
func (p Policy) RuleFor(market, meter string) (Rule, int) {
	for i, r := range p.Rules {
		if r.Market != market {
			continue
		}
		// Ids hold no slash, so * really matches any characters.
		if matched, err := path.Match(r.Meter, meter); err == nil && matched {
			return r, i + 1
		}
	}
	return Rule{}, 0
}
