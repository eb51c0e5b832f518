package fsm

import "github.com/tallyvault/tallyvault/fsm/strict"

// DisbursementReceipt states one step of a disbursement: how it stands after it, who
// or what caused it, and the transfers that it made.
type DisbursementReceipt struct {
	ReceiptHead    `doc:"One step of a disbursement: how it stands after it, who caused it, and the transfers that it made."`
	Disbursement   Identity     `json:"disbursement" doc:"identity of the command that proposed it"`
	Step           uint64       `json:"step" doc:"counted from 1 for each disbursement"`
	Action         string       `json:"action" enum:"propose,amend,open,vote,count,reserve,timelock,confirm,execute,finalize,rollback,cancel,veto,expire,extend,fail"`
	From           string       `json:"from,optional" doc:"status before; absent for a proposal"`
	Status         string       `json:"status" doc:"status after" enum:"draft,voting,queued,timelocked,executed,finalized,rolled_back,rejected,cancelled,expired"`
	By             string       `json:"by,optional" doc:"who caused it, several divided by commas; absent where time did"`
	Proposer       string       `json:"proposer"`
	Title          string       `json:"title"`
	Content        [32]byte     `json:"content" doc:"hash of the body"`
	Destination    string       `json:"destination" doc:"account"`
	Asset          string       `json:"asset"`
	Amount         Amount       `json:"amount" doc:"minor units"`
	TreasuryHeight uint64       `json:"treasury_height" doc:"stands still while the treasury is paused"`
	Due            uint64       `json:"due,optional" doc:"treasury height at which time does the next thing to it"`
	Error          string       `json:"error,optional" doc:"the error that it carries"`
	Ending         string       `json:"ending,optional" doc:"why it ended" enum:"proposer,veto,floor,unopened,grace,error,window,committee"`
	Legs           []ReceiptLeg `json:"legs,optional" doc:"transfers, in order"`
	Facts          []Field      `json:"facts,optional" doc:"what the step is about, by its action"`
}

// ReceiptLeg is one transfer.
type ReceiptLeg struct {
	From   string `json:"from" doc:"account"`
	To     string `json:"to" doc:"account"`
	Amount Amount `json:"amount" doc:"minor units"`
}

// WithdrawalReceipt states one step of a withdrawal.
type WithdrawalReceipt struct {
	ReceiptHead `doc:"One step of a withdrawal: how it stands after it, who caused it, and the transfers that it made."`
	Withdrawal  Identity     `json:"withdrawal" doc:"identity of the command that asked for it, or the disbursement's that paid a payee outside"`
	Step        uint64       `json:"step" doc:"counted from 1 for each withdrawal"`
	Action      string       `json:"action" enum:"withdraw,recall,payout,paid,failed,unknown"`
	State       string       `json:"state" doc:"state after" enum:"requested,sent,unknown,failed,paid,recalled"`
	By          string       `json:"by,optional" doc:"who caused it, several divided by commas"`
	Account     string       `json:"account" doc:"whose money it is"`
	Asset       string       `json:"asset"`
	Amount      Amount       `json:"amount" doc:"minor units"`
	Payee       string       `json:"payee" doc:"where it goes outside"`
	Reference   string       `json:"reference,optional" doc:"of the latest payment outside"`
	Legs        []ReceiptLeg `json:"legs,optional" doc:"transfers, in order"`
}

// PauseReceipt states that somebody stopped outflows. That they go on is stated by
// the receipt of the threshold command.
type PauseReceipt struct {
	ReceiptHead    `doc:"Somebody stopped outflows."`
	Identity       Identity `json:"identity"`
	Scope          string   `json:"scope" enum:"treasury,all"`
	By             string   `json:"by"`
	Reason         string   `json:"reason"`
	TreasuryHeight uint64   `json:"treasury_height" doc:"at which the treasury's windows stand still"`
}

var (
	disbursementCodec = strict.Compile(DisbursementReceipt{})
	withdrawalCodec   = strict.Compile(WithdrawalReceipt{})
	pauseCodec        = strict.Compile(PauseReceipt{})
)
