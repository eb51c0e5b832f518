package treasury

import "strings"

// Code is the wire name of a refusal. The set is closed.
type Code string

// The refusals of this floor, in order of precedence within one leg.
const (
	InvalidTarget     Code = "InvalidTarget"
	InsufficientFunds Code = "InsufficientFunds"
	LimitExceeded     Code = "LimitExceeded"
)

// The values of the field "reason" of an InvalidTarget. The set is closed.
const (
	ReasonMalformedAccount = "malformed_account"
	ReasonMalformedAsset   = "malformed_asset"
	ReasonZeroAmount       = "zero_amount"
	ReasonSameAccount      = "same_account"
	ReasonUnknownAccount   = "unknown_account"
	ReasonOtherAsset       = "other_asset"
)

// The values of the field "limit" of a LimitExceeded. The set is closed.
const (
	LimitAccounts   = "accounts"
	LimitLegs       = "legs"
	LimitAccountSum = "account_sum"
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
