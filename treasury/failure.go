package treasury

// Failure is an error that a disbursement carries until it is overcome.
type Failure struct {
	Code   Code // "" for none
	Detail string
	// Subject names what is in the way: accounts, or ids joined by commas.
	Subject     string
	Attempts    uint32
	First, Last int64 // unix ms
	// Next is the treasury height of the next try by itself; 0 if it waits for an
	// event or a person, or is over.
	Next uint64
}

// The details of failures. The set is closed.
const (
	DetailFree        = "treasury_free"   // InsufficientFunds: less is free than is needed
	DetailNoAccount   = "unknown_account" // InvalidTarget
	DetailOtherAsset  = "other_asset"     // InvalidTarget
	DetailEnded       = "ended_otherwise" // StaleDependency
	DetailCycle       = "cycle"           // CircularDependency
	DetailEpochCap    = "epoch_cap"       // ExecutionFailed, and so are all below
	DetailDestination = "destination_cap"
	DetailAboveCap    = "above_cap"
	DetailFourEyes    = "four_eyes"
	DetailContent     = "content"
	DetailLedger      = "ledger_limit"
	DetailDepth       = "dependency_depth"
	DetailGraph       = "dependency_graph"
)

// Remedy is what people are told about a failure.
type Remedy struct {
	// Retries says that it is tried again by itself.
	Retries bool
	// Who must act; "nobody" where time or money heals it.
	Who string
	// Recovery is one sentence that says what to do.
	Recovery string
}

// remedies is the one table of failures.
var remedies = []struct {
	code   Code
	detail string
	Remedy
}{
	{InsufficientFunds, DetailFree, Remedy{true, "admins", "Deposit into the treasury, or wait until other reservations end; it is tried again as soon as money is free, oldest first."}},
	{InvalidTarget, DetailNoAccount, Remedy{true, "admins", "Register the payer or provider that the destination names; it is tried again by itself."}},
	{InvalidTarget, DetailOtherAsset, Remedy{true, "proposer", "The destination holds another asset: veto it and propose again with an account of the treasury's asset."}},
	{StaleDependency, DetailEnded, Remedy{false, "proposer", "Propose it again without the dependency that ended, or after proposing that one again."}},
	{CircularDependency, DetailCycle, Remedy{false, "proposer", "Propose it again without one of the dependencies in the named cycle."}},
	{ExecutionFailed, DetailEpochCap, Remedy{true, "nobody", "The epoch's cap is used up: it is tried again in the next epoch."}},
	{ExecutionFailed, DetailDestination, Remedy{true, "nobody", "The destination's cap of this epoch is used up: it is tried again in the next epoch."}},
	{ExecutionFailed, DetailAboveCap, Remedy{true, "admins", "A cap is below the amount itself: raise it with set_treasury, or veto the disbursement."}},
	{ExecutionFailed, DetailFourEyes, Remedy{false, "admins", "Two admins who did not propose it must each send execute."}},
	{ExecutionFailed, DetailContent, Remedy{false, "admins", "What was voted on is not what is stored: veto it and compare the nodes' digests."}},
	{ExecutionFailed, DetailLedger, Remedy{true, "admins", "The ledger's limits do not allow the transfer: veto it, or pay another account."}},
	{ExecutionFailed, DetailDepth, Remedy{false, "proposer", "Propose it again with a shorter chain of dependencies."}},
	{ExecutionFailed, DetailGraph, Remedy{false, "proposer", "Propose it again with fewer dependencies, direct and indirect."}},
}

// Remedy says whether a failure heals by itself, who must act, and what to do.
func (f Failure) Remedy() Remedy {
	for _, r := range remedies {
		if r.code == f.Code && r.detail == f.Detail {
			return r.Remedy
		}
	}
	return Remedy{}
}

// again is the failure after one more try that found the same or another reason.
func (f Failure) again(found Failure, c Clock) Failure {
	found.Attempts, found.First, found.Last = 1, c.Now, c.Now
	if f.Code == found.Code && f.Detail == found.Detail {
		found.Attempts, found.First = f.Attempts+1, f.First
	}
	return found
}

// maxBackoff is the longest wait between two tries, as a power of two heights.
const maxBackoff = 12

// backoff is how many heights pass before the next try after so many.
func backoff(attempts uint32) uint64 { return 1 << min(attempts, maxBackoff) }
