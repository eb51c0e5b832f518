package client

import (
	"errors"
	"fmt"

	"github.com/tallyvault/tallyvault/transport/api"
)

// ErrUnknown says that a command may or may not have taken effect. Send the
// same bytes again, or ask for its outcome by its identity.
var ErrUnknown = errors.New("the outcome is not known")

// ErrUnavailable says that no node answered; nothing took effect.
var ErrUnavailable = errors.New("no node answered")

// Refused is a cluster's "no".
type Refused struct {
	Code     string
	Detail   string // the cause with its values
	Cause    string
	Recovery string
	Runbook  string
	Fields   map[string]string
	Status   int  // the HTTP status
	Logged   bool // replicated, its nonce consumed
}

// Error says code, detail and what to do.
func (r *Refused) Error() string {
	return fmt.Sprintf("%s: %s %s", r.Code, r.Detail, r.Recovery)
}

func refused(p *api.Problem) *Refused {
	return &Refused{
		Code: p.Code, Detail: p.Detail, Cause: p.Cause, Recovery: p.Recovery, Runbook: p.Runbook,
		Fields: p.Fields, Status: p.Status, Logged: p.Logged,
	}
}

// refusedOutcome words a replicated refusal that came as a plain outcome.
func refusedOutcome(o api.Outcome) *Refused {
	return &Refused{
		Code: o.Code, Detail: o.Cause, Cause: o.Cause, Recovery: o.Recovery, Fields: o.Fields, Logged: true,
	}
}

// IsCode says whether an error is a refusal with the code.
func IsCode(err error, code string) bool {
	var r *Refused
	return errors.As(err, &r) && r.Code == code
}
