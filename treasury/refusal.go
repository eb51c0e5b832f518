package treasury

import "strings"

// Code is the wire name of a refusal. The set is closed.
type Code string

// The refusals of this floor, and, from StaleDependency on, the errors that only a
// disbursement carries.
const (
	MalformedPayload   Code = "MalformedPayload"
	NotFound           Code = "NotFound"
	Unauthorized       Code = "Unauthorized"
	Paused             Code = "Paused"
	InvalidTarget      Code = "InvalidTarget"
	InvalidTransition  Code = "InvalidTransition"
	InsufficientFunds  Code = "InsufficientFunds"
	LimitExceeded      Code = "LimitExceeded"
	StaleDependency    Code = "StaleDependency"
	CircularDependency Code = "CircularDependency"
	ExecutionFailed    Code = "ExecutionFailed"
)

// The values of the field "reason". The set is closed.
const (
	ReasonMalformedAccount = "malformed_account"
	ReasonMalformedAsset   = "malformed_asset"
	ReasonMalformedID      = "malformed_id"
	ReasonZeroAmount       = "zero_amount"
	ReasonSameAccount      = "same_account"
	ReasonUnknownAccount   = "unknown_account"
	ReasonOtherAsset       = "other_asset"
	ReasonAmount           = "amount_out_of_range"
	ReasonOutOfRange       = "out_of_range"
	ReasonNotAscending     = "not_ascending"
	ReasonNotFromZero      = "not_from_zero"
	ReasonUnsupported      = "unsupported"
	ReasonTwice            = "twice"
	ReasonSum              = "other_sum"
	ReasonPayee            = "payee_account" // a payee goes with a payee account, and only with one
	ReasonNotProposer      = "not_the_proposer"
	ReasonProposer         = "proposer"
	ReasonConfirmed        = "confirmed"
	ReasonNotOwner         = "not_the_owner"
	ReasonNotMember        = "not_in_a_house"
	ReasonVoteOpen         = "vote_open"
	ReasonVoteOver         = "vote_over"
	ReasonGraceOver        = "grace_over"
	ReasonTimelock         = "timelock"
	ReasonWindowOver       = "window_over"
)

// The values of the field "limit" of a LimitExceeded. The set is closed; the caps and
// windows of the brackets stand there under their own names.
const (
	LimitAccounts        = "accounts"
	LimitLegs            = "legs"
	LimitMoney           = "money"
	LimitAccountSum      = "account_sum"
	LimitHouses          = "houses"
	LimitMembers         = "house_members"
	LimitDeps            = "deps"
	LimitExpected        = "expected_receipts"
	LimitSchedule        = "scheduled_epoch"
	LimitDisbursements   = "disbursements"
	LimitProposals       = "proposals_per_epoch"
	LimitWithdrawals     = "withdrawals"
	LimitOpenWithdrawals = "open_withdrawals"
)

// The values of the field "kind" of a NotFound. The set is closed.
const (
	KindHouse        = "house"
	KindDisbursement = "disbursement"
	KindWithdrawal   = "withdrawal"
)

// Field is one named fact of a refusal, as the canonical string of its value.
type Field struct {
	Name, Value string
}

// Refusal is an expected "no". It is part of the replicated outcome, so its
// fields are ordered and depend on nothing but state and question.
type Refusal struct {
	Code   Code
	Fields []Field
}

// Error says the refusal in one line.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(string(r.Code))
	for _, f := range r.Fields {
		b.WriteByte(' ')
		b.WriteString(f.Name)
		b.WriteByte('=')
		b.WriteString(f.Value)
	}
	return b.String()
}

func refuse(code Code, fields ...Field) *Refusal {
	return &Refusal{Code: code, Fields: fields}
}

// malformed refuses the value of one field of a payload.
func malformed(field, reason string) *Refusal {
	return refuse(MalformedPayload, Field{"field", field}, Field{"reason", reason})
}

// unknown refuses a name that stands for nothing.
func unknown(kind, id string) *Refusal {
	return refuse(NotFound, Field{"kind", kind}, Field{"id", id})
}

// full refuses what would go beyond a named limit.
func full(limit string, most uint64) *Refusal {
	return refuse(LimitExceeded, Field{"limit", limit}, Field{"max", u64(most)})
}
