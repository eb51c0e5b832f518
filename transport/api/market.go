package api

// Facts states at which point a read was made. It is part of every answer made
// from replicated state.
type Facts struct {
	Index Uint64 `json:"index" doc:"the last entry that the answer takes into account"`
	Final bool   `json:"final" doc:"whether a checkpoint cosigned by the committee covers all that the answer rests on"`
}

// Page is the part that all lists share.
type Page struct {
	Facts
	Next string `json:"next,omitempty" doc:"pass as after= for the rest; absent at the end of the list"`
}

// Market is a row of market parameters.
type Market struct {
	Market              string `json:"market"`
	Noun                string `json:"noun"`
	Unit                string `json:"unit"`
	Asset               string `json:"asset"`
	UnitPrice           Uint64 `json:"unit_price" doc:"minor units of the asset for one whole unit"`
	FeeBps              uint32 `json:"fee_bps"`
	SkewMs              int64  `json:"skew_ms"`
	MaxReadingAgeMs     int64  `json:"max_reading_age_ms"`
	DeviationPpm        uint32 `json:"deviation_ppm"`
	QuorumThresholdPpm  uint32 `json:"quorum_threshold_ppm"`
	ExpiryBlocks        Uint64 `json:"expiry_blocks"`
	DisputeWindowBlocks Uint64 `json:"dispute_window_blocks"`
	MaxPendingPerMeter  uint32 `json:"max_pending_per_meter"`
	MaxLiveReadings     uint32 `json:"max_live_readings"`
	Mode                string `json:"mode"`
	Stage               string `json:"stage" doc:"rehearsal: everything runs, no money moves"`
	LastReading         Uint64 `json:"last_reading" doc:"number of the newest reading"`
}

// Markets is a list of markets.
type Markets struct {
	Page
	Markets []Market `json:"markets"`
}

// Provider is who submits readings.
type Provider struct {
	Provider string `json:"provider"`
	Active   bool   `json:"active"`
}

// Providers is a list of providers.
type Providers struct {
	Page
	Providers []Provider `json:"providers"`
}

// Meter is a registered meter with its base: the register up to which is settled.
type Meter struct {
	Meter      string `json:"meter"`
	Market     string `json:"market"`
	Provider   string `json:"provider"`
	Payer      string `json:"payer"`
	Capacity   Uint64 `json:"capacity" doc:"most register units that it can count in an hour"`
	IntervalMs int64  `json:"interval_ms" doc:"expected time between readings"`
	Decimals   uint8  `json:"decimals" doc:"registers count 10^-decimals of the market's unit"`
	Base       *Base  `json:"base,omitempty" doc:"absent until the first reading closed"`
	Remainder  Uint64 `json:"remainder" doc:"money owed below one minor unit, in 10^-decimals"`
	Pending    uint32 `json:"pending" doc:"readings that are not closed"`
	Newest     *Base  `json:"newest,omitempty" doc:"the one of them that was measured last; absent where pending is 0"`
}

// Base is a register of a meter: the last closed one, or the newest.
type Base struct {
	Register   Uint64 `json:"register"`
	MeasuredAt int64  `json:"measured_at"`
}

// Meters is a list of meters.
type Meters struct {
	Page
	Meters []Meter `json:"meters"`
}

// Reading is a reading; see Status for how far it came.
type Reading struct {
	Market         string   `json:"market"`
	Number         Uint64   `json:"number" doc:"dense within the market, from 1"`
	Identity       string   `json:"identity" doc:"identity of the command that submitted it"`
	Status         string   `json:"status" doc:"pending, accepted (waits for an earlier one of its meter), or how it closed: settled, baseline, rejected, quorum_failed, superseded"`
	Reason         string   `json:"reason,omitempty" doc:"why it was rejected"`
	Meter          string   `json:"meter,omitempty"`
	Register       *Uint64  `json:"register,omitempty"`
	MeasuredAt     int64    `json:"measured_at,omitempty"`
	IssuedAt       int64    `json:"issued_at,omitempty"`
	ClockSync      string   `json:"clock_sync,omitempty"`
	MeterStatus    string   `json:"meter_status,omitempty"`
	AcceptedAt     int64    `json:"accepted_at,omitempty"`
	AcceptedHeight *Uint64  `json:"accepted_height,omitempty"`
	Base           *Base    `json:"base,omitempty" doc:"the base of its meter now; absent while the meter has none, and for closed readings"`
	Tally          *Tally   `json:"tally,omitempty"`
	Votes          []Vote   `json:"votes,omitempty" doc:"the first vote of each oracle on a live reading"`
	Receipt        *Receipt `json:"receipt,omitempty" doc:"the journal leaf that says how it closed"`
}

// Tally is the weight collected so far on a live reading.
type Tally struct {
	Accept   Uint64 `json:"accept"`
	Reject   Uint64 `json:"reject"`
	Total    Uint64 `json:"total" doc:"weight of the electorate"`
	Required Uint64 `json:"required" doc:"accepting weight that closes it"`
}

// Vote is what an oracle said first about a reading.
type Vote struct {
	Oracle string `json:"oracle"`
	Vote   string `json:"vote" enum:"accept,reject"`
}

// Readings is a list of live readings.
type Readings struct {
	Page
	Last     Uint64    `json:"last" doc:"number of the market's newest reading"`
	Readings []Reading `json:"readings"`
}

// OneReading is the answer about a single reading.
type OneReading struct {
	Facts
	Reading
}
