package fsm

import "github.com/tallyvault/tallyvault/fsm/strict"

// CommandForm is what a command's payload looks like, for whoever documents it.
// Beside `json`, its members' tags may say `doc` (what it is), `enum` (the only
// values that the rules know, divided by commas) and `form` (a kind of name, see
// package schema); none of them is a rule.
type CommandForm struct {
	Name        string
	PayloadType string
	Scope       string // the scope a signing key must have
	Threshold   bool
	Shape       *strict.Shape
	New         func() any // a pointer to a zero payload
}

// CommandForms describes every command in table order.
func CommandForms() []CommandForm {
	forms := make([]CommandForm, 0, len(specs))
	for _, s := range specs {
		forms = append(forms, CommandForm{
			Name: s.name, PayloadType: s.payloadType, Scope: s.scope, Threshold: s.threshold,
			Shape: s.codec.Shape(), New: s.empty,
		})
	}
	return forms
}

// ReceiptForm is what a kind of receipt looks like. Tags are as in a payload.
type ReceiptForm struct {
	Kind  string
	Shape *strict.Shape
	New   func() any // a pointer to a zero receipt
}

// ReceiptForms describes every kind of receipt in table order.
func ReceiptForms() []ReceiptForm {
	forms := make([]ReceiptForm, 0, len(receiptRows))
	for _, r := range receiptRows {
		forms = append(forms, ReceiptForm{Kind: r.kind, Shape: r.codec.Shape(), New: r.empty})
	}
	return forms
}
