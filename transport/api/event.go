package api

import "encoding/json"

// Kinds of events. What is not listed here bears the kind of the receipt that it
// tells of.
const (
	EventAccepted    = "reading_accepted"
	EventClosed      = "reading_closed"
	EventRejected    = "reading_rejected"
	EventOutcome     = "outcome"
	EventUndecodable = "undecodable"
	EventCheckpoint  = "checkpoint"
	EventEnd         = "end"
)

// EventKinds are the kinds that can be asked for, in the order in which they are
// documented.
func EventKinds() []string {
	return []string{
		EventAccepted, EventClosed, EventRejected, EventOutcome, "settlement", "release", "threshold", "evidence",
		"disbursement", "withdrawal", "pause", "cut", "policy", EventUndecodable, EventCheckpoint,
	}
}

// Why a stream of events ends, as its last event says.
const (
	EndShutdown = "shutdown"      // the node stops
	EndToken    = "token_expired" // ask again with a new token
	EndKey      = "key_ended"     // the token's key may not read any more
	EndBehind   = "behind"        // this node has not come as far as the reader
	EndFailed   = "unavailable"   // the node cannot read its journal
)

// Event is one thing that happened, as the data of a server-sent event.
type Event struct {
	Kind       string          `json:"kind" doc:"the name of the event: reading_accepted, reading_closed, reading_rejected, outcome, settlement, release, threshold, evidence, disbursement, withdrawal, pause, cut, policy, undecodable, checkpoint, end"`
	Leaf       Uint64          `json:"leaf" doc:"the journal leaf that it tells of; for checkpoint and end, the last leaf that the stream has passed. Pass it as after= to go on behind it"`
	Signers    []string        `json:"signers,omitempty" doc:"whose keys signed the command"`
	Market     string          `json:"market,omitempty"`
	Meter      string          `json:"meter,omitempty"`
	Outcome    *Outcome        `json:"outcome,omitempty" doc:"of a command; only of one that consumed something, which is the one that stands"`
	Reading    *Reading        `json:"reading,omitempty" doc:"the reading as it was accepted"`
	Receipt    json.RawMessage `json:"receipt,omitempty" doc:"the receipt as the journal has it"`
	Checkpoint *Checkpoint     `json:"checkpoint,omitempty" doc:"everything below its size is final; it comes after all events below its size"`
	Reason     string          `json:"reason,omitempty" doc:"why the stream ends: shutdown, token_expired, key_ended, behind, unavailable"`
}

// Checkpoint is a size of the journal that the committee has cosigned.
type Checkpoint struct {
	Size      Uint64   `json:"size"`
	Root      string   `json:"root" doc:"base64 of the root, as in the note"`
	Cosigners []string `json:"cosigners"`
	Note      string   `json:"note" doc:"the signed note, as /checkpoint has it"`
}
