package treasury

// Effect is something the caller has to see to: receipts to write, accounts to
// look at. The money of an effect has moved already. Effects come in order.
type Effect interface{ effect() }

// Action names a step of a disbursement or a withdrawal.
type Action string

// The steps of a disbursement. The set is closed.
const (
	ActPropose  Action = "propose"
	ActAmend    Action = "amend"
	ActOpen     Action = "open"
	ActVote     Action = "vote"
	ActCount    Action = "count"    // the vote is over
	ActReserve  Action = "reserve"  // its amount is reserved
	ActTimelock Action = "timelock" // money and dependencies are there
	ActConfirm  Action = "confirm"
	ActExecute  Action = "execute"
	ActFinalize Action = "finalize"
	ActRollback Action = "rollback"
	ActCancel   Action = "cancel"
	ActVeto     Action = "veto"
	ActExpire   Action = "expire"
	ActExtend   Action = "extend" // it waits longer for its dependencies
	ActFail     Action = "fail"   // it was tried in vain
)

// The steps of a withdrawal. The set is closed.
const (
	ActWithdraw Action = "withdraw"
	ActRecall   Action = "recall" // taken back by its owner
	ActPayout   Action = "payout"
	ActPaid     Action = "paid"
	ActUnpaid   Action = "failed"
	ActUnknown  Action = "unknown"
)

// Step says what happened to a disbursement. The disbursement is as it is after
// the step, and must not be changed.
type Step struct {
	*Disbursement
	Number uint64 // counted from 1 for each disbursement
	Action Action
	From   Status // 0 for a proposal
	By     string // empty where time did it
	Legs   []Leg
	Facts  []Field
}

// Moved says what happened to a withdrawal, which must not be changed.
type Moved struct {
	*Withdrawal
	Number uint64
	Action Action
	By     string
	Legs   []Leg
	Facts  []Field
}

func (Step) effect()  {}
func (Moved) effect() {}
