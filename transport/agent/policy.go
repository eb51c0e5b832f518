package agent

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

// maxPolicy bounds a policy file and its rules.
const (
	maxPolicyBytes = 1 << 20
	maxRules       = 10_000
)

// Policy says which readings an agent finds plausible.
type Policy struct {
	Comment             string `json:"comment,omitempty"`
	Default             Vote   `json:"default,omitempty"`
	RejectUnknownMeters bool   `json:"reject_unknown_meters,omitempty"`
	Rules               []Rule `json:"rules"`
}

// Rule holds the limits for some meters of a market. A nil limit is none.
type Rule struct {
	Comment         string      `json:"comment,omitempty"`
	Market          string      `json:"market"`
	Meter           string      `json:"meter"`
	MaxDeltaPerHour *api.Uint64 `json:"max_delta_per_hour,omitempty"`
	MaxRegisterStep *api.Uint64 `json:"max_register_step,omitempty"`
	MinRegister     *api.Uint64 `json:"min_register,omitempty"`
	MaxRegister     *api.Uint64 `json:"max_register,omitempty"`
	AllowDecrease   bool        `json:"allow_decrease,omitempty"`
	Night           *Night      `json:"night,omitempty"`
	MaxStaleness    Duration    `json:"max_staleness,omitempty"`
}

// Night is a window of hours in which a meter hardly counts. It may pass
// midnight; from equal to to is no window and refused.
type Night struct {
	From      Clock      `json:"from"`
	To        Clock      `json:"to"`
	UTCOffset Offset     `json:"utc_offset"`
	MaxDelta  api.Uint64 `json:"max_delta"`
}

// Vote is a verdict on a reading.
type Vote string

// The verdicts.
const (
	Abstain Vote = "abstain"
	Accept  Vote = "accept"
	Reject  Vote = "reject"
)

// ReadPolicy reads a policy file.
func ReadPolicy(file string) (Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Policy{}, fmt.Errorf("reading the policy: %w", err)
	}
	p, err := ParsePolicy(text)
	if err != nil {
		return Policy{}, fmt.Errorf("policy %s: %w", file, err)
	}
	return p, nil
}

// ParsePolicy reads a policy. A member it does not know is refused, since a
// misspelt limit would be no limit.
func ParsePolicy(text []byte) (Policy, error) {
	if len(text) > maxPolicyBytes {
		return Policy{}, fmt.Errorf("it has %d bytes, more than %d", len(text), maxPolicyBytes)
	}
	var p Policy
	if err := json.Unmarshal(text, &p, json.RejectUnknownMembers(true)); err != nil {
		return Policy{}, err
	}
	if p.Default == "" {
		p.Default = Abstain
	}
	return p, p.Validate()
}

// Validate says what is wrong with a policy.
func (p Policy) Validate() error {
	if !slices.Contains([]Vote{Abstain, Accept, Reject}, p.Default) {
		return fmt.Errorf("default is %q, want abstain, accept or reject", p.Default)
	}
	if len(p.Rules) == 0 {
		return errors.New("it has no rules")
	}
	if len(p.Rules) > maxRules {
		return fmt.Errorf("it has %d rules, more than %d", len(p.Rules), maxRules)
	}
	for i, r := range p.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return nil
}

func (r Rule) validate() error {
	if !oracle.ValidID(r.Market) {
		return fmt.Errorf("market %q is not the id of a market", r.Market)
	}
	if _, err := path.Match(r.Meter, ""); err != nil || r.Meter == "" {
		return fmt.Errorf("meter pattern %q is malformed", r.Meter)
	}
	if r.MinRegister != nil && r.MaxRegister != nil && *r.MinRegister > *r.MaxRegister {
		return fmt.Errorf("min_register %d is above max_register %d", *r.MinRegister, *r.MaxRegister)
	}
	if r.MaxStaleness < 0 {
		return errors.New("max_staleness is negative")
	}
	if r.Night != nil && r.Night.From == r.Night.To {
		return errors.New("night begins and ends at the same time")
	}
	return nil
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

// rule finds the first rule for a meter.
func (p Policy) rule(market, meter string) (Rule, bool) {
	for _, r := range p.Rules {
		if r.Market != market {
			continue
		}
		// Ids hold no slash, so * really matches any characters.
		if matched, err := path.Match(r.Meter, meter); err == nil && matched {
			return r, true
		}
	}
	return Rule{}, false
}

// Duration is a time.Duration in its textual form.
type Duration time.Duration

// MarshalText writes like "26h0m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Clock is a time of day in minutes.
type Clock int

// MarshalText writes like "22:00".
func (c Clock) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%02d:%02d", c/60, c%60), nil }

// UnmarshalText reads "HH:MM" from 00:00 to 23:59.
func (c *Clock) UnmarshalText(text []byte) error {
	t, err := time.Parse("15:04", string(text))
	if err != nil || len(text) != len("15:04") {
		return fmt.Errorf("%q is not a time of day like 22:00", text)
	}
	*c = Clock(t.Hour()*60 + t.Minute())
	return nil
}

// Offset is a fixed offset from UTC in minutes.
type Offset int

// MarshalText writes like "+10:00".
func (o Offset) MarshalText() ([]byte, error) {
	sign, minutes := '+', int(o)
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	return fmt.Appendf(nil, "%c%02d:%02d", sign, minutes/60, minutes%60), nil
}

// UnmarshalText reads "+HH:MM" or "-HH:MM", or "Z".
func (o *Offset) UnmarshalText(text []byte) error {
	t, err := time.Parse("Z07:00", string(text))
	if err != nil {
		return fmt.Errorf("%q is not an offset like +10:00", text)
	}
	_, seconds := t.Zone()
	*o = Offset(seconds / 60)
	return nil
}
