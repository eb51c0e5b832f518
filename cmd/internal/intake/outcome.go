package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Result is what became of what was sent.
type Result struct {
	Accepted int
	// There counts readings that somebody else had brought in meanwhile.
	There int
	// Refusals are in the order in which they first came.
	Refusals []Refusal
	Unsent   []Unsent
	// Last is the identity of the command accepted last.
	Last envelope.Identity
}

// Refusal is a reason for which readings were refused.
type Refusal struct {
	Code     string            `json:"code"`
	Cause    string            `json:"cause"`
	Recovery string            `json:"recovery"`
	Readings int               `json:"readings"`
	Meter    string            `json:"meter"` // of the first of them
	At       int64             `json:"measured_at"`
	Fields   map[string]string `json:"fields,omitempty"`
}

// Unsent are readings of a meter that have no outcome.
type Unsent struct {
	Meter    string `json:"meter"`
	Readings int    `json:"readings"`
	Reason   string `json:"reason"`
}

func reasonOf(stopped, ended error) string {
	stopped = cmp.Or(stopped, ended)
	for _, known := range []error{client.ErrUnknown, client.ErrUnavailable} {
		if errors.Is(stopped, known) {
			return known.Error()
		}
	}
	if errors.Is(stopped, context.Canceled) {
		return "interrupted"
	}
	return stopped.Error()
}

// fate is what to do about a reading after an answer.
type fate uint8

const (
	settled fate = iota // it has its outcome
	waits               // the cluster has no room for it now
	anew                // it may be accepted when it is signed again
	open                // its outcome is not known
)

// take enters what came of one reading. An error comes with the fate open only.
func (s *sender) take(l *lot, r Reading, e envelope.Envelope, got client.Result) (fate, error) {
	refused, no := errors.AsType[*client.Refused](got.Err)
	switch {
	case got.Err == nil:
		l.proven = true
		l.open++
		s.result.Accepted++
		s.result.Last = e.Identity()
		return s.advance(), nil
	case !no:
		return open, fmt.Errorf("meter %s, %s: %w", l.meter, time.UnixMilli(r.MeasuredAt).UTC().Format(time.RFC3339), got.Err)
	case there(refused):
		l.proven = true
		s.result.There++
		return s.advance(), nil
	}
	if f := s.learn(l, refused); f == waits || f == anew && l.rebuilds < maxRebuilds {
		return f, nil
	}
	s.note(l, r, refused)
	if !about(refused) && l.stopped == nil {
		l.stopped = fmt.Errorf("a reading of it was refused: %s", refused.Code)
	}
	return s.advance(), nil
}

func (s *sender) advance() fate {
	s.done++
	s.moved = time.Now()
	return settled
}

// there says that the reading, or a later one of its meter, is in.
func there(r *client.Refused) bool {
	reason := r.Fields["reason"]
	return r.Code == string(fsm.SettlementConflict) && (reason == oracle.ReasonDuplicate || reason == oracle.ReasonClosed)
}

// learn notes what a refusal teaches, and says whether the same reading may be
// accepted later.
func (s *sender) learn(l *lot, r *client.Refused) fate {
	nonceGap := r.Fields["limit"] == "nonce_gap"
	switch code := fsm.Code(r.Code); {
	case code == fsm.LimitExceeded && !nonceGap:
		// The pending limit of a meter, or the market's of live readings: both end
		// by waiting, and nothing was wrong with the reading.
		l.open = max(l.open, s.Market.MaxPendingPerMeter)
		return waits
	case code == fsm.LimitExceeded, code == fsm.NonceReplay:
		l.nonce = 0 // another process uses the lane
		return anew
	case code == fsm.TimestampSkew && r.Fields["measured_at"] == "", code == fsm.Expired:
		if now, err := strconv.ParseInt(r.Fields["now"], 10, 64); err == nil {
			s.behind = time.Until(time.UnixMilli(now))
		}
		return anew
	}
	return settled
}

// about says that a refusal is about the reading and not its meter or key.
func about(r *client.Refused) bool {
	code := fsm.Code(r.Code)
	return code == fsm.SettlementConflict || code == fsm.TimestampSkew
}

// note keeps a refusal with others of its kind.
func (s *sender) note(l *lot, r Reading, refused *client.Refused) {
	list := &s.result.Refusals
	for i := range *list {
		known := &(*list)[i]
		if known.Code == refused.Code && known.Fields["reason"] == refused.Fields["reason"] {
			known.Readings++
			return
		}
	}
	*list = append(*list, Refusal{
		Code: refused.Code, Cause: refused.Cause, Recovery: refused.Recovery, Fields: refused.Fields,
		Readings: 1, Meter: l.meter, At: r.MeasuredAt,
	})
}

// Refused counts the refused readings.
func (r Result) Refused() int {
	n := 0
	for _, refusal := range r.Refusals {
		n += refusal.Readings
	}
	return n
}
