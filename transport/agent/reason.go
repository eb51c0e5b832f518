package agent

// Reason says why a vote was cast, as a word that does not change.
type Reason string

// The reasons. The first ones accept or abstain, the others are limits that were
// exceeded: they reject, or abstain where the rule says so.
const (
	Plausible        Reason = "plausible"
	FirstRegister    Reason = "first_register"
	NoRule           Reason = "no_rule"
	UnknownMeter     Reason = "unknown_meter"
	BelowMinRegister Reason = "below_min_register"
	AboveMaxRegister Reason = "above_max_register"
	TooOld           Reason = "too_old"
	Decrease         Reason = "decrease"
	AboveStep        Reason = "above_step"
	AboveRate        Reason = "above_rate"
	AtNight          Reason = "at_night"
	InTheDark        Reason = "in_the_dark"
	Stale            Reason = "stale_run"
	Repeated         Reason = "repeated_deltas"
	Held             Reason = "held"
	OutlierRate      Reason = "outlier"
	OffReference     Reason = "off_reference"
	NoReference      Reason = "no_reference"
)

// Reasons lists all reasons with what each means.
func Reasons() []struct {
	Reason Reason
	Means  string
} {
	return []struct {
		Reason Reason
		Means  string
	}{
		{Plausible, "within all limits of the rule"},
		{FirstRegister, "the meter's first register, within the rule's bounds: there is nothing to compare it with"},
		{NoRule, "no rule matches; the policy's default decides"},
		{UnknownMeter, "the node's list of meters lacks the meter"},
		{BelowMinRegister, "the register is below min_register"},
		{AboveMaxRegister, "the register is above max_register"},
		{TooOld, "it was taken in later after its measuring than max_staleness"},
		{Decrease, "the register is below the earlier one, and allow_decrease is not set"},
		{AboveStep, "more was added since the earlier register than max_register_step"},
		{AboveRate, "more was added an hour than max_delta_per_hour"},
		{AtNight, "something was added at night: night"},
		{InTheDark, "something was added while the sun was low: dark"},
		{Stale, "the register stands still when it must move: stale_run"},
		{Repeated, "the same was added again and again: repeated_deltas"},
		{Held, "the time since the earlier register covers such a repetition: repeated_deltas with hold"},
		{OutlierRate, "what was added is far from what the meter added lately: outlier"},
		{OffReference, "an independent series says something else: reference"},
		{NoReference, "an independent series says nothing about the time; missing of the reference decides"},
	}
}

// Verdict is a vote with its reason.
type Verdict struct {
	Vote   Vote
	Reason Reason
	Rule   int    // number of the rule that decided, from 1; 0 without one
	Value  string // what was found, where a limit decided
	Limit  string // what the limit is
	Words  string // the same as a sentence

	Earlier  *Register // what the reading was compared with
	Observed *uint64   // register that the oracle states itself
	Until    int64     // unix ms: up to then a reference may still say more; 0 if it matters no more
}
