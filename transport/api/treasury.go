package api

// Moment is when something happened: replicated time and height.
type Moment struct {
	At     int64  `json:"at" doc:"unix ms"`
	Height Uint64 `json:"height"`
}

// Due is a treasury height and when it is reached at the earliest.
type Due struct {
	TreasuryHeight Uint64 `json:"treasury_height"`
	At             int64  `json:"at,omitempty" doc:"unix ms, at the earliest; absent while the treasury is paused"`
}

// HouseFloor is how much of a house's weight must approve.
type HouseFloor struct {
	House string `json:"house"`
	Ppm   uint32 `json:"ppm" doc:"millionths of the house's weight"`
}

// Terms are the conditions of a disbursement; windows are in epochs.
type Terms struct {
	Quorum               []HouseFloor `json:"quorum"`
	VoteWindowEpochs     Uint64       `json:"vote_window_epochs"`
	TimelockEpochs       Uint64       `json:"timelock_epochs"`
	RollbackWindowEpochs Uint64       `json:"rollback_window_epochs"`
}

// HouseTally is what a house said so far, or in the end.
type HouseTally struct {
	House    string `json:"house"`
	Ppm      uint32 `json:"ppm"`
	Weight   Uint64 `json:"weight" doc:"of the whole house, when voting opened"`
	Approve  Uint64 `json:"approve"`
	Reject   Uint64 `json:"reject"`
	Required Uint64 `json:"required" doc:"approving weight that reaches the floor"`
}

// Ballot is one vote, while voting is open.
type Ballot struct {
	Principal string `json:"principal"`
	Verdict   string `json:"verdict" enum:"approve,reject"`
}

// ExpectedReceipt is what the recipient will show for the money.
type ExpectedReceipt struct {
	Account string `json:"account"`
	Amount  string `json:"amount"`
}

// Failure is an error that a disbursement carries.
type Failure struct {
	Code     string   `json:"code" doc:"InsufficientFunds, InvalidTarget, StaleDependency, CircularDependency or ExecutionFailed"`
	Detail   string   `json:"detail" doc:"the stable word for what exactly"`
	Subject  string   `json:"subject,omitempty" doc:"the account or the disbursement in the way"`
	Cycle    []string `json:"cycle,omitempty" doc:"for CircularDependency: the ids of the cycle"`
	Attempts uint32   `json:"attempts"`
	First    int64    `json:"first" doc:"unix ms"`
	Last     int64    `json:"last" doc:"unix ms"`
	Next     *Due     `json:"next,omitempty" doc:"the next try by itself; absent if it waits for an event or a person"`
	Retries  bool     `json:"retries" doc:"it is tried again by itself"`
	Who      string   `json:"who" doc:"who must act" example:"admins"`
	Recovery string   `json:"recovery"`
}

// DisbursementWait is what a live disbursement waits for.
type DisbursementWait struct {
	For      string   `json:"for" doc:"opening, votes, funds, dependencies, timelock, confirmation, retry, rollback_window, executor or unpause"`
	Who      string   `json:"who" doc:"who can act now"`
	Until    *Due     `json:"until,omitempty" doc:"when time changes something"`
	On       []string `json:"on,omitempty" doc:"dependencies that are not finalized"`
	Sentence string   `json:"sentence"`
}

// Disbursement is a payment out of the treasury.
type Disbursement struct {
	ID               string            `json:"id" doc:"identity of the command that proposed it"`
	Sequence         Uint64            `json:"sequence" doc:"in order of proposal, from 1; the cursor of lists"`
	Status           string            `json:"status" enum:"draft,voting,queued,timelocked,executed,finalized,rolled_back,rejected,cancelled,expired"`
	Proposer         string            `json:"proposer"`
	Title            string            `json:"title"`
	Summary          string            `json:"summary,omitempty"`
	Destination      string            `json:"destination" doc:"account"`
	Payee            string            `json:"payee,omitempty" doc:"where it goes outside"`
	Asset            string            `json:"asset"`
	Amount           string            `json:"amount" doc:"minor units"`
	Memo             string            `json:"memo,omitempty"`
	Deps             []string          `json:"deps,omitempty" doc:"must be finalized before"`
	ScheduledEpoch   Uint64            `json:"scheduled_epoch,omitempty"`
	ExpectedReceipts []ExpectedReceipt `json:"expected_receipts,omitempty"`
	Content          string            `json:"content" doc:"hash of the body, which votes name"`
	Asked            Terms             `json:"asked" doc:"what the body asks for itself; zero windows and houses left out are the bracket's"`
	Terms            *Terms            `json:"terms,omitempty" doc:"in force since voting opened"`
	Tallies          []HouseTally      `json:"tallies,omitempty"`
	Reserved         bool              `json:"reserved"`
	Confirmed        []string          `json:"confirmed,omitempty" doc:"who confirmed, where four eyes count"`
	Proposed         *Moment           `json:"proposed,omitempty"`
	Opened           *Moment           `json:"opened,omitempty"`
	Queued           *Moment           `json:"queued,omitempty"`
	Timelocked       *Moment           `json:"timelocked,omitempty"`
	Executed         *Moment           `json:"executed,omitempty"`
	Ended            *Moment           `json:"ended,omitempty"`
	Ending           string            `json:"ending,omitempty" doc:"why it ended: proposer, veto, floor, unopened, grace, error, window or committee"`
	Due              *Due              `json:"due,omitempty" doc:"what time does to it next"`
	Failure          *Failure          `json:"failure,omitempty"`
	Waits            *DisbursementWait `json:"waits,omitempty" doc:"absent once it has ended"`
	Next             []string          `json:"next" doc:"what it can become"`
}

// Disbursements is a page of them, the newest proposal first.
type Disbursements struct {
	Page
	Disbursements []Disbursement `json:"disbursements"`
}

// OneDisbursement is the answer about one, with the votes while they are open, and
// who waits for it.
type OneDisbursement struct {
	Facts
	Disbursement
	Ballots    []Ballot `json:"ballots,omitempty"`
	Dependents []string `json:"dependents,omitempty" doc:"at most 100 that wait for it"`
	Earliest   *Dates   `json:"earliest,omitempty" doc:"if everybody acts at once and nothing fails; absent once it has ended, and while what it depends on is missing or cannot end"`
}

// Dates are the earliest ones of a disbursement, behind all that it depends on.
type Dates struct {
	Executed  Due `json:"executed"`
	Finalized Due `json:"finalized"`
}

// TreasuryEvent is one step of a story, with its receipt.
type TreasuryEvent struct {
	Receipt
	Proof string `json:"proof" doc:"path of the receipt's proof, once it is final"`
}

// Timeline is the whole story of a disbursement, and of the withdrawal that it led to.
type Timeline struct {
	Facts
	Disbursement string          `json:"disbursement"`
	Events       []TreasuryEvent `json:"events" doc:"receipts in order"`
}

// TreasuryMoney is the treasury's money: initial + accrued - executed + compensated
// = current, and reserved + free = current.
type TreasuryMoney struct {
	Asset       string `json:"asset"`
	Initial     string `json:"initial"`
	Accrued     string `json:"accrued" doc:"deposits and fees that ever came in"`
	Executed    string `json:"executed" doc:"ever paid out by execution"`
	Compensated string `json:"compensated" doc:"ever taken back by rollback"`
	Current     string `json:"current"`
	Reserved    string `json:"reserved" doc:"promised to queued and timelocked disbursements"`
	Free        string `json:"free"`
	Held        string `json:"held" doc:"with destinations, and can still be rolled back"`
	Leaving     string `json:"leaving" doc:"withdrawals that are not paid out"`
}

// TreasuryBalance is the answer about the treasury's money.
type TreasuryBalance struct {
	Facts
	TreasuryMoney
}

// TreasuryFlow is what one epoch moved.
type TreasuryFlow struct {
	Epoch       Uint64 `json:"epoch"`
	Accrued     string `json:"accrued"`
	Executed    string `json:"executed"`
	Compensated string `json:"compensated"`
	Executions  Uint64 `json:"executions"`
	Current     string `json:"current" doc:"the treasury's money at its end"`
}

// TreasuryHistory is a page of epochs with movement, the newest first.
type TreasuryHistory struct {
	Page
	Epochs []TreasuryFlow `json:"epochs"`
}

// StatusCount is how many disbursements have a status and what they are about.
type StatusCount struct {
	Status string `json:"status"`
	Count  Uint64 `json:"count"`
	Amount string `json:"amount"`
}

// Executor is how the executor fares.
type Executor struct {
	Overdue     Uint64  `json:"overdue" doc:"could be executed as far as time is concerned"`
	Warning     bool    `json:"warning" doc:"more than 50 overdue for 2 epochs"`
	Stalled     bool    `json:"stalled" doc:"more than 100 overdue for more than 3 epochs"`
	LastTick    *Moment `json:"last_tick,omitempty"`
	LastSuccess *Moment `json:"last_success,omitempty"`
	LastError   string  `json:"last_error,omitempty" doc:"code and detail"`
	LastFailed  string  `json:"last_failed,omitempty" doc:"the disbursement that it was about"`
	Matured     Uint64  `json:"matured" doc:"timelocks that ever ran out"`
	Executed    Uint64  `json:"executed" doc:"disbursements ever executed"`
	LagAverage  Uint64  `json:"lag_average_ms" doc:"between queued and executed"`
	LagMax      Uint64  `json:"lag_max_ms"`
	OldestAge   Uint64  `json:"oldest_age_ms" doc:"since the oldest overdue one was queued; 0 if there is none"`
}

// TreasurySummary is the treasury at a glance.
type TreasurySummary struct {
	Facts
	TreasuryHeight Uint64        `json:"treasury_height" doc:"stands still while the treasury is paused"`
	Paused         []string      `json:"paused" doc:"scopes that are paused"`
	Counts         []StatusCount `json:"counts"`
	Current        string        `json:"current"`
	Free           string        `json:"free"`
	LastChange     *TreasuryFlow `json:"last_change,omitempty" doc:"the newest epoch in which money moved"`
	Executor       Executor      `json:"executor"`
}

// Withdrawal is money on its way out.
type Withdrawal struct {
	ID        string `json:"id" doc:"identity of the command that asked for it, or the disbursement's that paid a payee outside"`
	State     string `json:"state" enum:"requested,sent,unknown,failed,paid,recalled"`
	Account   string `json:"account"`
	Asset     string `json:"asset"`
	Amount    string `json:"amount"`
	Payee     string `json:"payee"`
	Reference string `json:"reference,omitempty" doc:"of the latest payment outside"`
	Payouts   uint32 `json:"payouts"`
	Requested Moment `json:"requested"`
	Changed   Moment `json:"changed"`
}

// Withdrawals is a page of them by id.
type Withdrawals struct {
	Page
	Withdrawals []Withdrawal `json:"withdrawals"`
}

// House is a table of voters.
type House struct {
	House   string        `json:"house"`
	Members []HouseMember `json:"members"`
}

// HouseMember is a voter and their weight.
type HouseMember struct {
	Principal string `json:"principal"`
	Weight    Uint64 `json:"weight"`
}

// TreasuryBracket is the least that disbursements from an amount on must satisfy.
type TreasuryBracket struct {
	FromAmount string `json:"from_amount"`
	Terms
}

// TreasuryRules are the committee's rules for its treasury, as they are now.
type TreasuryRules struct {
	Facts
	EpochBlocks    Uint64            `json:"epoch_blocks"`
	GraceEpochs    Uint64            `json:"grace_epochs"`
	EpochCap       string            `json:"epoch_cap,omitempty"`
	DestinationCap string            `json:"destination_cap,omitempty"`
	FourEyesAbove  string            `json:"four_eyes_above,omitempty"`
	Brackets       []TreasuryBracket `json:"brackets"`
	Houses         []House           `json:"houses"`
}
