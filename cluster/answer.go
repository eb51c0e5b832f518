package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// An Answer says what became of one submitted command. Exactly one of its three
// last members is set.
type Answer struct {
	ID fsm.Identity
	// Outcome is what the state machine decided; it is in the journal.
	Outcome *fsm.Outcome
	// Refusal was given at the leader's door: the command is not logged and no
	// nonce is consumed.
	Refusal *fsm.Refusal
	// Err is an *Unavailable (not logged, send it again later) or an
	// *UnknownOutcome (perhaps logged, send the same again).
	Err error
}

// Unavailable says that the cluster cannot take commands now.
type Unavailable struct {
	Reason     string
	RetryAfter time.Duration
}

// Error implements error.
func (u *Unavailable) Error() string {
	return fmt.Sprintf("unavailable: %s (try again in %s)", u.Reason, u.RetryAfter)
}

// UnknownOutcome says that a command may or may not have been logged. Sending the
// same command again is always safe and tells.
type UnknownOutcome struct{ ID fsm.Identity }

// Error implements error.
func (u *UnknownOutcome) Error() string {
	return "the outcome of command " + u.ID.String() + " is not known yet; send it again to learn it"
}

// Errors of reads.
var (
	// ErrNotFinal: the leaf is not yet under a checkpoint that k nodes cosigned.
	ErrNotFinal = errors.New("not yet under a cosigned checkpoint")
	// ErrNoLeaf: the journal is not that long.
	ErrNoLeaf = errors.New("the journal has no such leaf")
	// ErrIncomplete: this node still fetches parts of its journal from its peers.
	ErrIncomplete = errors.New("this node's journal is not complete yet")
)
