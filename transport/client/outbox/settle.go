package outbox

import (
	"errors"
	"strconv"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// settle brings a record to where a result says it is; false if that changes nothing.
func (o *Outbox) settle(t table, r *record, result client.Result, f freed, now time.Time) bool {
	if f.found != nil {
		result = *f.found
	}
	var refusal *client.Refused
	switch {
	case result.Err == nil && result.Outcome.Accepted:
		delete(o.pauses, r.Meter)
		return accept(r, result.Outcome)
	case !errors.As(result.Err, &refusal):
		return false // not known: the same bytes are sent again
	case refusal.Logged || result.Outcome.ID != "":
		if r.refuse(result.Outcome) {
			o.pauses.extend(r.Meter, now)
		}
		return true
	case f.yes:
		r.unsign(Fate{Code: refusal.Code, Reason: refusal.Detail})
		return t.raiseLane(r.Meter, f.last) == nil
	}
	// A door's no that may pass: the same bytes are sent again until they expire.
	o.pauses.extend(r.Meter, now)
	if r.Code == refusal.Code {
		return false
	}
	r.Code, r.Reason = refusal.Code, refusal.Detail
	return true
}

// unsign lets another command be signed for a record.
func (r *record) unsign(why Fate) {
	r.Stage, r.Envelope, r.Code, r.Reason = Stored, nil, why.Code, why.Reason
}

func accept(r *record, o api.Outcome) bool {
	n, err := strconv.ParseUint(o.Result["number"], 10, 64)
	if err != nil {
		return false // not an answer of ours; the event will tell
	}
	r.Stage, r.Envelope, r.Number, r.Leaf, r.At, r.Code, r.Reason = Accepted, nil, n, uint64(o.Leaf), moment(o.At), "", ""
	return true
}

// refuse takes a replicated refusal: its nonce is spent, and the command with it. It
// reports whether the next command has to wait.
func (r *record) refuse(outcome api.Outcome) (waits bool) {
	reason := outcome.Fields["reason"]
	if reason == "" {
		reason = outcome.Cause
	}
	r.unsign(Fate{Code: outcome.Code, Reason: reason})
	switch fsm.Code(outcome.Code) {
	case fsm.SettlementConflict, fsm.MeterMismatch, fsm.MalformedPayload:
		r.Stage, r.Leaf, r.At = Refused, uint64(outcome.Leaf), moment(outcome.At)
		return false
	case fsm.TimestampSkew:
		// The clock is right now, unless it was the measurement's time that is wrong.
		return outcome.Fields["measured_at"] != "" || r.Signed > 2
	default:
		return true
	}
}
