package api

// Kinds of objects that can be explained.
const (
	KindCommand      = "command"
	KindReading      = "reading"
	KindTally        = "tally"
	KindSettlement   = "settlement"
	KindMeter        = "meter"
	KindProvider     = "provider"
	KindDisbursement = "disbursement"
)

// What an object can wait for.
const (
	WaitQuorum   = "quorum"
	WaitEarlier  = "earlier_reading"
	WaitReading  = "reading"
	WaitFunds    = "funds"
	WaitWindow   = "dispute_window"
	WaitFinality = "finality"
)

// Explanation says of one object what it is, what it waits for and who can act.
type Explanation struct {
	Facts
	Object   string   `json:"object" doc:"the object's full name, e.g. reading/energy/17"`
	Kind     string   `json:"kind" enum:"command,reading,tally,settlement,meter,provider,disbursement" doc:"more kinds may come"`
	Status   string   `json:"status" doc:"where it stands, in one word"`
	Sentence string   `json:"sentence" doc:"all of it for people"`
	Height   Uint64   `json:"height" doc:"replicated height now; windows count it"`
	Now      int64    `json:"now" doc:"replicated time now, unix ms"`
	Waits    []Wait   `json:"waits" doc:"what it waits for, in the order in which that can end; empty if for nothing"`
	Related  []string `json:"related" doc:"names of objects that it leads to, to be explained in turn"`
	Alarms   []string `json:"alarms,omitempty" doc:"alarms of the answering node: with one, what is said here may not come to pass"`
	Runbook  string   `json:"runbook,omitempty" doc:"where in the project's documents it is said what to do"`

	Outcome    *Outcome    `json:"outcome,omitempty"`
	Reading    *Reading    `json:"reading,omitempty"`
	Tally      *TallySheet `json:"tally,omitempty"`
	Settlement *Settlement `json:"settlement,omitempty"`
	Meter      *Meter      `json:"meter,omitempty"`
	Provider   *Provider   `json:"provider,omitempty"`

	Disbursement *Disbursement `json:"disbursement,omitempty"`
}

// Wait is one thing that an object waits for.
type Wait struct {
	For      string   `json:"for" enum:"quorum,earlier_reading,reading,funds,dispute_window,finality,opening,votes,dependencies,timelock,confirmation,retry,rollback_window,executor,unpause" doc:"more may come"`
	Sentence string   `json:"sentence"`
	Who      []string `json:"who" doc:"who can end it, as role/name; empty if only time can"`
	Do       string   `json:"do,omitempty" doc:"what they would do"`
	Object   string   `json:"object,omitempty" doc:"the object that must come first"`
	Need     string   `json:"need,omitempty" doc:"how much is wanted"`
	Have     string   `json:"have,omitempty" doc:"how much is there"`
	Short    string   `json:"short,omitempty" doc:"need minus have"`
	Unit     string   `json:"unit,omitempty" doc:"of these amounts: weight, leaves, readings, or minor units of an asset"`
	Until    *Uint64  `json:"until,omitempty" doc:"height at which it ends by itself"`
	Blocks   *Uint64  `json:"blocks,omitempty" doc:"heights until then"`
	AboutMs  *int64   `json:"about_ms,omitempty" doc:"how long that takes while the cluster runs"`
	Then     string   `json:"then,omitempty" doc:"what happens at that height"`
}

// TallySheet is who may vote on a reading, and how each did.
type TallySheet struct {
	Electorate   Uint64     `json:"electorate" doc:"number of the electorate that tallies the reading"`
	ThresholdPpm uint32     `json:"threshold_ppm"`
	Accept       Uint64     `json:"accept" doc:"weight"`
	Reject       Uint64     `json:"reject"`
	Missing      Uint64     `json:"missing" doc:"weight that has not voted"`
	Total        Uint64     `json:"total"`
	Required     Uint64     `json:"required" doc:"accepting weight that closes it"`
	Members      []TallyRow `json:"members"`
}

// TallyRow is one member of an electorate.
type TallyRow struct {
	Oracle   string  `json:"oracle"`
	Weight   Uint64  `json:"weight"`
	Vote     string  `json:"vote" enum:"accept,reject,missing"`
	Observed *Uint64 `json:"observed,omitempty" doc:"the register that it saw itself"`
	Silent   string  `json:"silent,omitempty" doc:"why it cannot vote now, if it cannot"`
	Twice    bool    `json:"twice,omitempty" doc:"it contradicted itself; the first vote stands and the evidence is in the journal"`
}
