package treasury

import "strings"

// Status says where a disbursement stands.
type Status uint8

// The statuses. The first five are live: time does something to them.
const (
	Draft Status = iota + 1
	Voting
	Queued
	Timelocked
	Executed
	Finalized
	RolledBack
	Rejected
	Cancelled
	Expired

	statuses = iota + 1
)

var statusNames = [statuses]string{
	"", "draft", "voting", "queued", "timelocked", "executed", "finalized", "rolled_back", "rejected", "cancelled", "expired",
}

// String is the status's name in JSON and on screens.
func (s Status) String() string { return statusNames[s] }

// Statuses lists all of them, in order.
func Statuses() []Status {
	return []Status{Draft, Voting, Queued, Timelocked, Executed, Finalized, RolledBack, Rejected, Cancelled, Expired}
}

// ParseStatus reads a status's name.
func ParseStatus(name string) (Status, bool) {
	for s, n := range statusNames {
		if n == name && n != "" {
			return Status(s), true
		}
	}
	return 0, false
}

// Live reports whether the disbursement can still become something else.
func (s Status) Live() bool { return s >= Draft && s <= Executed }

// next lists what a status can become.
var next = [statuses][]Status{
	Draft:      {Voting, Cancelled, Expired},
	Voting:     {Queued, Rejected, Cancelled},
	Queued:     {Timelocked, Cancelled, Expired},
	Timelocked: {Executed, Cancelled, Expired},
	Executed:   {Finalized, RolledBack},
}

// Next lists what a status can become; nothing for one that has ended.
func (s Status) Next() []Status { return next[s] }

// Moment is when something happened: replicated time and height.
type Moment struct {
	At     int64
	Height uint64
}

// Disbursement is one payment out of the treasury, from draft to its end. A
// stored one is never changed, but replaced.
type Disbursement struct {
	ID       ID
	Sequence uint64 // in order of proposal, from 1
	Proposer string
	Body     Body
	Content  [32]byte
	Status   Status
	// Steps counts what happened to it: each step is an effect and a receipt.
	Steps uint64

	// Since voting opened:
	Effective Terms
	Tallies   []Tally
	roll      uint64 // while voting

	// Reserved says that its amount lies in treasury/reserved.
	Reserved bool
	// Confirmed are the people who asked for its execution, where four eyes count.
	Confirmed []string

	Proposed, Opened, Queued, Timelocked, Executed, Ended Moment

	// Due is the treasury height of what time does to it next, while it is live:
	// a draft expires, a vote is counted, a queued one's grace is over, a
	// timelocked one is tried, an executed one is finalized.
	Due uint64
	// Executable is the treasury height from which a timelocked one may be
	// executed, as far as time is concerned; Grace ends what waits too long; before
	// Window an executed one can be rolled back.
	Executable, Grace, Window uint64

	// Failure is the latest error, kept until it is overcome.
	Failure Failure
	// Ending says in one word why it ended as it did.
	Ending string
}

// The values of Disbursement.Ending. The set is closed.
const (
	EndProposer  = "proposer"  // cancelled by its proposer
	EndVeto      = "veto"      // cancelled by an admin
	EndFloor     = "floor"     // rejected: a house did not reach its floor
	EndUnopened  = "unopened"  // expired as a draft
	EndGrace     = "grace"     // expired waiting
	EndError     = "error"     // cancelled: Failure says why
	EndWindow    = "window"    // finalized when its rollback window was over
	EndCommittee = "committee" // rolled back by the threshold
)

// allowed refuses a step that the status does not allow.
func (d *Disbursement) allowed(statuses ...Status) *Refusal {
	for _, s := range statuses {
		if d.Status == s {
			return nil
		}
	}
	return refuse(InvalidTransition, Field{"disbursement", d.ID.String()}, Field{"current", d.Status.String()}, Field{"allowed", d.Status.allowedNext()})
}

func (s Status) allowedNext() string {
	if len(s.Next()) == 0 {
		return "none"
	}
	names := make([]string, 0, len(s.Next()))
	for _, n := range s.Next() {
		names = append(names, n.String())
	}
	return strings.Join(names, ",")
}

// notNow refuses a step that the status allows, but not yet or not any more.
func (d *Disbursement) notNow(reason string, until uint64) *Refusal {
	return refuse(InvalidTransition, Field{"disbursement", d.ID.String()}, Field{"current", d.Status.String()},
		Field{"allowed", d.Status.allowedNext()}, Field{"reason", reason}, Field{"treasury_height", u64(until)})
}
