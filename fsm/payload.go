package fsm

import (
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Amount is a number of minor units, a decimal string in JSON.
type Amount = strict.Amount

// Header begins the payload of every single-signature command.
type Header struct {
	Cluster   [16]byte `json:"cluster" doc:"id of the cluster: the first 16 bytes of SHA-256 of the genesis payload"`
	Era       string   `json:"era" doc:"generation of the cluster's history, <number>-<hash>; /v1/status says it" form:"era"`
	Lane      string   `json:"lane" doc:"nonce sequence of the key: 0 to 15, or m/ and the meter" form:"lane"`
	Nonce     uint64   `json:"nonce" doc:"above the lane's last one, by 2^20 at most"`
	IssuedAt  int64    `json:"issued_at" doc:"when it was signed, unix ms"`
	ExpiresAt int64    `json:"expires_at" doc:"unix ms; at most 24 hours after issued_at"`
	// Signer is the id of the signing key. An identity is of the payload alone, so
	// only this keeps equal payloads of two signers apart: whoever may say the same
	// as others at the same time, as oracles do, has to name itself.
	Signer *[16]byte `json:"signer" doc:"id of the signing key; keeps equal payloads of two signers apart"`
}

// ThresholdHeader begins the payload of every threshold command.
type ThresholdHeader struct {
	Cluster   [16]byte `json:"cluster" doc:"id of the cluster: the first 16 bytes of SHA-256 of the genesis payload"`
	Era       string   `json:"era" doc:"generation of the cluster's history, <number>-<hash>; /v1/status says it" form:"era"`
	Salt      [16]byte `json:"salt" doc:"random: makes the command another one than an equal one before it"`
	IssuedAt  int64    `json:"issued_at" doc:"when it was signed, unix ms"`
	ExpiresAt int64    `json:"expires_at" doc:"unix ms; at most 30 days after issued_at"`
}

// Quality is what the meter says about itself.
type Quality struct {
	ClockSync   string `json:"clock_sync" doc:"a short word such as ntp, or empty" form:"word"`
	MeterStatus string `json:"meter_status" doc:"a short word such as ok, or empty" form:"word"`
}

// SubmitReading is a provider's signed register value.
type SubmitReading struct {
	Header     `doc:"A provider's signed register value."`
	Market     string    `json:"market" form:"id"`
	Meter      string    `json:"meter" form:"id"`
	Register   uint64    `json:"register" doc:"cumulative register, in 10^-decimals of the market's unit"`
	MeasuredAt int64     `json:"measured_at" doc:"unix ms; above the meter's last closed one"`
	Quality    Quality   `json:"quality"`
	Supersedes *[32]byte `json:"supersedes" doc:"identity of the pending reading that this one withdraws"`
}

// Attest is an oracle's verdicts on ranges of readings.
type Attest struct {
	Header  `doc:"An oracle's verdicts on ranges of readings."`
	Market  string          `json:"market" form:"id"`
	Ranges  []AttestedRange `json:"ranges" doc:"1 to 64, ascending and disjoint"`
	Rejects []uint64        `json:"rejects,optional" doc:"numbers in the ranges that the oracle rejects, ascending"`
	Values  []ObservedValue `json:"values,optional" doc:"what the oracle observed itself, ascending by number"`
}

// AttestedRange is a closed range of reading numbers with SHA-256 over their
// identities in order.
type AttestedRange struct {
	From uint64   `json:"from" doc:"first reading number"`
	To   uint64   `json:"to" doc:"last reading number"`
	Hash [32]byte `json:"hash" doc:"SHA-256 over the identities of the readings in order"`
}

// ObservedValue is the register that the oracle itself observed for a reading.
type ObservedValue struct {
	Number   uint64 `json:"number" doc:"reading number"`
	Register uint64 `json:"register" doc:"the register that the oracle observed for it"`
}

// RotateKey replaces the signing key by a new one of the same principal; the
// old key stays valid for OverlapBlocks heights.
type RotateKey struct {
	Header        `doc:"Replaces the signing key by a new one of the same principal; the old one stays valid for a while."`
	PublicKey     [32]byte `json:"public_key" doc:"Ed25519 public key"`
	Proof         [64]byte `json:"proof" doc:"proof of possession: a signature by the new key"`
	OverlapBlocks uint64   `json:"overlap_blocks" doc:"heights for which the old key stays valid"`
}

// RevokeKey ends a key of the signer's own principal at once.
type RevokeKey struct {
	Header `doc:"Ends a key of the signer's own principal at once."`
	Key    [16]byte `json:"key" doc:"key id"`
}

// RegisterPrincipal lets a new principal act, with a first key.
type RegisterPrincipal struct {
	ThresholdHeader `doc:"Lets a new principal act, with a first key."`
	Principal       string   `json:"principal" form:"id"`
	Role            string   `json:"role" enum:"admin,oracle,provider,payer,auditor"`
	Scopes          []string `json:"scopes,optional" doc:"fewer than the role has; absent: all of them"`
	PublicKey       [32]byte `json:"public_key" doc:"Ed25519 public key"`
	Proof           [64]byte `json:"proof" doc:"proof of possession: a signature by the new key"`
}

// RegisterKey gives a principal another key; one that it replaces ends at once.
type RegisterKey struct {
	ThresholdHeader `doc:"Gives a principal another key; one that it replaces ends at once."`
	Principal       string    `json:"principal" form:"id"`
	Scopes          []string  `json:"scopes,optional" doc:"fewer than the role has; absent: all of them"`
	PublicKey       [32]byte  `json:"public_key" doc:"Ed25519 public key"`
	Proof           [64]byte  `json:"proof" doc:"proof of possession: a signature by the new key"`
	Replaces        *[16]byte `json:"replaces" doc:"id of the key that ends"`
}

// RevokePrincipalKey ends another principal's key at once.
type RevokePrincipalKey struct {
	ThresholdHeader `doc:"Ends another principal's key at once."`
	Key             [16]byte `json:"key" doc:"key id"`
}

// RegisterMeters registers meters of one market, all or none.
type RegisterMeters struct {
	ThresholdHeader `doc:"Registers meters of one market, all or none."`
	Market          string     `json:"market" form:"id"`
	Meters          []MeterRow `json:"meters"`
}

// MeterRow is one meter to register. Capacity is in register units per hour; a
// register unit is 10^-Decimals of the market's unit.
type MeterRow struct {
	Meter      string `json:"meter" form:"id"`
	Provider   string `json:"provider" form:"id"`
	Payer      string `json:"payer" form:"id"`
	Capacity   uint64 `json:"capacity" doc:"most register units in an hour"`
	IntervalMs int64  `json:"interval_ms" doc:"expected time between readings"`
	Decimals   uint8  `json:"decimals" doc:"registers count 10^-decimals of the market's unit, at most 9"`
}

// RebaseMeter starts a meter's register anew after a roll-over or a swap.
type RebaseMeter struct {
	ThresholdHeader `doc:"Starts a meter's register anew after a roll-over or a swap."`
	Meter           string `json:"meter" form:"id"`
	Register        uint64 `json:"register" doc:"the new base"`
	MeasuredAt      int64  `json:"measured_at" doc:"unix ms; not before the old base"`
	Reason          string `json:"reason" enum:"rollover,swap"`
}

// SetOracleWeight changes an oracle's weight from the next epoch on.
type SetOracleWeight struct {
	ThresholdHeader `doc:"Changes an oracle's weight from the next epoch on."`
	genesis.OracleWeight
}

// SetMarket adds a market, or replaces its row from an epoch on.
type SetMarket struct {
	ThresholdHeader `doc:"Adds a market, or replaces its row from an epoch on."`
	genesis.Market
	ActivationEpoch uint64 `json:"activation_epoch" doc:"first epoch that goes by the row"`
}

// Deposit brings money in from outside, once per reference.
type Deposit struct {
	ThresholdHeader `doc:"Brings money in from outside, once per reference."`
	Account         string `json:"account" doc:"treasury, payer/<id> or provider/<id>" form:"account"`
	Asset           string `json:"asset" form:"asset"`
	Amount          Amount `json:"amount" doc:"minor units"`
	Reference       string `json:"reference" doc:"names the payment outside, e.g. a line of a bank statement"`
}

// ReplaceNode lets a new node join in the place of an active one.
type ReplaceNode struct {
	ThresholdHeader `doc:"Lets a new node join in the place of an active one."`
	Old             string                `json:"old" doc:"the node that is replaced" form:"id"`
	Node            genesis.NodeStatement `json:"node" doc:"the new node's node.json, taken apart"`
	SealedLogKey    genesis.SealedKey     `json:"sealed_log_key" doc:"the journal's log key, sealed to the new node"`
}

// CancelReplacement gives up the joining of a node.
type CancelReplacement struct {
	ThresholdHeader `doc:"Gives up the joining of a node."`
	Node            string `json:"node" doc:"the joining node" form:"id"`
}

// DisbursementBody is what a disbursement is about; see package treasury.
type DisbursementBody struct {
	Title                string            `json:"title" doc:"one line, at most 200 bytes"`
	Summary              string            `json:"summary,optional" doc:"at most 2,000 bytes"`
	Destination          string            `json:"destination" doc:"account: provider/<name>, payer/<name>, or payee/<name> for somebody outside"`
	Payee                string            `json:"payee,optional" doc:"for a payee account, and only for one: where the money goes outside"`
	Amount               Amount            `json:"amount" doc:"minor units"`
	Memo                 string            `json:"memo,optional" doc:"at most 8,192 bytes"`
	Deps                 [][32]byte        `json:"deps,optional" doc:"at most 100 disbursements that must be finalized before"`
	ScheduledEpoch       uint64            `json:"scheduled_epoch,optional" doc:"first epoch in which it may be executed; it can only delay"`
	ExpectedReceipts     []ExpectedReceipt `json:"expected_receipts,optional" doc:"what the recipient will show for it; the sum equals the amount"`
	Quorum               []genesis.Floor   `json:"quorum,optional" doc:"in order of house; at least the bracket's"`
	VoteWindowEpochs     uint64            `json:"vote_window_epochs,optional" doc:"at least the bracket's, which counts when it is left out"`
	TimelockEpochs       uint64            `json:"timelock_epochs,optional" doc:"at least the bracket's, which counts when it is left out"`
	RollbackWindowEpochs uint64            `json:"rollback_window_epochs,optional" doc:"at least the bracket's, which counts when it is left out"`
}

// ExpectedReceipt is one receipt that the recipient will show.
type ExpectedReceipt struct {
	Account string `json:"account" doc:"whom or what it is for, at most 128 bytes"`
	Amount  Amount `json:"amount" doc:"minor units"`
}

// Propose puts a disbursement before the committee, as a draft. The identity of the
// command is its id.
type Propose struct {
	Header `doc:"Puts a disbursement before the committee, as a draft; the command's identity is its id."`
	DisbursementBody
}

// Amend replaces the body of a draft of the signer's own.
type Amend struct {
	Header       `doc:"Replaces the body of a draft of the signer's own."`
	Disbursement [32]byte `json:"disbursement"`
	DisbursementBody
}

// Open begins the vote about a draft of the signer's own.
type Open struct {
	Header       `doc:"Begins the vote about a draft of the signer's own; houses and terms are frozen."`
	Disbursement [32]byte `json:"disbursement"`
}

// Cancel ends a draft of the signer's own.
type Cancel struct {
	Header       `doc:"Ends a draft of the signer's own."`
	Disbursement [32]byte `json:"disbursement"`
}

// Vote is the signer's one and final vote.
type Vote struct {
	Header       `doc:"The signer's one and final vote about a disbursement."`
	Disbursement [32]byte `json:"disbursement"`
	Content      [32]byte `json:"content" doc:"hash of the body that the vote is about"`
	Verdict      string   `json:"verdict" enum:"approve,reject"`
}

// The verdicts of a vote.
const (
	VerdictApprove = "approve"
	VerdictReject  = "reject"
)

// Queue tries at once what time would try: to count a vote that is over, to reserve
// the amount, to start the timelock.
type Queue struct {
	Header       `doc:"Tries at once to count a vote that is over, to reserve the amount, to start the timelock; no window is skipped."`
	Disbursement [32]byte `json:"disbursement"`
}

// Execute tries at once to execute, and confirms where four eyes count.
type Execute struct {
	Header       `doc:"Tries at once to execute a disbursement whose timelock is over, and confirms where four eyes count; no window is skipped."`
	Disbursement [32]byte `json:"disbursement"`
}

// Veto ends a disbursement that is not executed yet.
type Veto struct {
	Header       `doc:"Ends a disbursement that is not executed yet."`
	Disbursement [32]byte `json:"disbursement"`
	Reason       string   `json:"reason" doc:"one line, at most 256 bytes"`
}

// Pause stops outflows of a scope.
type Pause struct {
	Header `doc:"Stops outflows: of the treasury, or withdrawals and payouts too."`
	Scope  string `json:"scope" enum:"treasury,all"`
	Reason string `json:"reason" doc:"one line, at most 256 bytes"`
}

// Withdraw asks for the signer's own money to be paid out.
type Withdraw struct {
	Header `doc:"Asks for money of the signer's own account to be paid out; it is held from now on. The command's identity is the withdrawal's id."`
	Amount Amount `json:"amount" doc:"minor units"`
	Payee  string `json:"payee" doc:"where the money goes outside, at most 512 bytes"`
}

// CancelWithdrawal takes a withdrawal back that is not on its way.
type CancelWithdrawal struct {
	Header     `doc:"Takes a withdrawal of the signer's own back, unless it is on its way."`
	Withdrawal [32]byte `json:"withdrawal"`
}

// Rollback takes an executed disbursement back inside its window.
type Rollback struct {
	ThresholdHeader `doc:"Takes an executed disbursement back inside its rollback window, by compensating transfers."`
	Disbursement    [32]byte `json:"disbursement"`
	Reason          string   `json:"reason" doc:"one line, at most 256 bytes"`
}

// Unpause lets the outflows of a scope go on.
type Unpause struct {
	ThresholdHeader `doc:"Lets the outflows of a scope go on."`
	Scope           string `json:"scope" enum:"treasury,all"`
}

// SetHouse replaces a house of voters, or dissolves it when it has no members.
type SetHouse struct {
	ThresholdHeader `doc:"Replaces a house of voters, or dissolves it when it has no members. Open votes go on under the houses of their opening."`
	genesis.House
}

// SetTreasury replaces the rules of the treasury.
type SetTreasury struct {
	ThresholdHeader `doc:"Replaces the rules of the treasury: grace, caps, four eyes and brackets. What is open keeps its terms."`
	genesis.Treasury
}

// Payout notes under which reference the committee pays a withdrawal outside.
type Payout struct {
	ThresholdHeader `doc:"Notes under which reference the committee pays a withdrawal outside."`
	Withdrawal      [32]byte `json:"withdrawal"`
	Reference       string   `json:"reference" doc:"names the payment outside; counts once for ever"`
}

// RecordPayout notes how a payment outside ended.
type RecordPayout struct {
	ThresholdHeader `doc:"Notes how a payment outside ended. Unknown blocks a retry until it is resolved."`
	Withdrawal      [32]byte `json:"withdrawal"`
	Reference       string   `json:"reference"`
	Result          string   `json:"result" enum:"paid,failed,unknown"`
}
