package oracle

import "lukechampine.com/uint128"

// Amount is a number of minor units of one asset.
type Amount = uint128.Uint128

// Effect is something the caller has to see to: money to move, a receipt to
// write, a due item to remember. Effects are data and come in order.
type Effect interface{ effect() }

// Status is how a reading closed without being settled.
type Status string

// The ways to close without a settlement.
const (
	Baseline     Status = "baseline"
	Rejected     Status = "rejected"
	QuorumFailed Status = "quorum_failed"
	Superseded   Status = "superseded"
)

// Reason is why a reading was rejected, and empty for other statuses.
type Reason string

// The reasons for a rejection.
const (
	Outvoted     Reason = "outvoted"
	Decreasing   Reason = "decreasing"
	OverCapacity Reason = "over_capacity"
	Deviation    Reason = "deviation"
)

// DueExpire asks for Expire at the height.
type DueExpire struct {
	Market         string
	Number, Height uint64
}

// DueClose asks for CloseMeter at the height.
type DueClose struct {
	Meter  string
	Height uint64
}

// DueRelease asks for Release at the height.
type DueRelease struct {
	Market             string
	Settlement, Height uint64
}

// Closed says that a reading is done with and credited nothing. Required and
// Actual are the weights of a failed quorum.
type Closed struct {
	Reading          Reading
	Status           Status
	Reason           Reason
	Required, Actual uint64
}

// Settled says that a reading closed with a settlement.
type Settled struct {
	Settlement Settlement
	Reading    Reading
}

// Released says that the dispute window of a settlement is over.
type Released struct {
	Settlement Settlement
}

// Equivocated is evidence that an oracle said two different things about one
// reading. First stands; Second changed nothing. Each is "accept" or "reject",
// followed by ":" and the observed register if one was given.
type Equivocated struct {
	Market, Oracle string
	Number         uint64
	First, Second  string
}

func (DueExpire) effect()   {}
func (DueClose) effect()    {}
func (DueRelease) effect()  {}
func (Closed) effect()      {}
func (Settled) effect()     {}
func (Released) effect()    {}
func (Equivocated) effect() {}

// Settlement is what a payer owes a provider for attested units.
type Settlement struct {
	Number                                uint64
	Market, Meter, Provider, Payer, Asset string

	// Readings are the identities of the readings cited, one in real time,
	// and FromNumber and ToNumber the lowest and highest of their numbers.
	Readings             []Identity
	FromNumber, ToNumber uint64

	FromRegister, ToRegister, Delta uint64
	FromMeasuredAt, ToMeasuredAt    int64

	// The terms and the money: Gross = floor((Delta x UnitPrice +
	// RemainderBefore) / 10^Decimals), and RemainderAfter is what that left
	// over; Fee = floor(Gross x FeeBps / 10,000); Net = Gross - Fee.
	UnitPrice                       uint64
	Decimals                        uint8
	FeeBps                          uint32
	RemainderBefore, RemainderAfter uint64
	Gross, Fee, Net                 Amount

	Rehearsal bool

	// Height is when it was settled. ReleaseHeight is when the dispute window
	// ends; zero while the amounts are not held yet.
	Height, ReleaseHeight uint64
}
