package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm"
)

// What nodes say to each other over the peer port. Small things are JSON; commands
// and their answers, leaves and outcome records are binary.
const (
	pathStatement   = "/statement"   // POST: a clock statement for a tick
	pathCosignature = "/cosignature" // GET: this node's cosignature on a size, waits for it
	pathCheckpoint  = "/checkpoint"  // PUT: a published checkpoint note
	pathSubmit      = "/submit"      // POST: commands for the leader
	pathStatus      = "/status"      // GET
	pathReadIndex   = "/readindex"   // GET: which entry a read must wait for
	pathLeaves      = "/leaves"      // GET: a range of leaves
	pathOutcomes    = "/outcomes"    // GET: a range of outcome records
	pathContinues   = "/continues"   // GET: a proof that a tree continues another
	pathStart       = "/start"       // POST: whether an empty node may begin
	pathMembers     = "/members"     // GET: who the nodes are; former ones may ask too
)

// Limits of a call.
const (
	maxSubmit      = 1_024    // commands in one call
	maxSubmitBytes = 8 << 20  // of their frames
	maxNoteBytes   = 64 << 10 // of a checkpoint note
	maxSmallBytes  = 64 << 10 // of a JSON document
	maxRangeBytes  = 4 << 20  // of records in one answer, but for the last one
	// maxMembersBytes hold everybody who ever had a seat, with the longest addresses.
	maxMembersBytes = 1 << 20
)

// statementRequest asks for a signed word on the clock.
type statementRequest struct {
	Cluster string `json:"cluster"`
	Era     string `json:"era"`
	Tick    uint64 `json:"tick"`
}

type statementAnswer struct {
	At  int64  `json:"at"`
	Sig []byte `json:"sig"`
}

// cosignatureAnswer is a node's newest cosignature, on at least the size asked for.
type cosignatureAnswer struct {
	Size uint64 `json:"size"`
	Root []byte `json:"root"`
	Line string `json:"line"`
}

// continuesAnswer is a proof that one tree of the journal continues another.
type continuesAnswer struct {
	Path []tlog.Hash `json:"path"`
}

type readIndexAnswer struct {
	Entry uint64 `json:"entry"`
}

// answerKind begins an answer to one command.
type answerKind = uint8

const (
	answerOutcome     answerKind = 1 // an outcome record
	answerRefusal     answerKind = 2 // a refusal at the leader's door, JSON
	answerUnavailable answerKind = 3 // retry after u32 ms, reason
	answerUnknown     answerKind = 4 // nothing
)

// writeAnswers encodes answers in order: kind, u32 length, content.
func writeAnswers(w io.Writer, answers []Answer) error {
	for _, a := range answers {
		kind, content, err := encodeAnswer(a)
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte{kind}); err != nil {
			return err
		}
		if err := writeRecord(w, content); err != nil {
			return err
		}
	}
	return nil
}

func encodeAnswer(a Answer) (answerKind, []byte, error) {
	switch {
	case a.Outcome != nil:
		return answerOutcome, a.Outcome.Record(), nil
	case a.Refusal != nil:
		content, err := json.Marshal(a.Refusal)
		return answerRefusal, content, err
	}
	if u, ok := errors.AsType[*Unavailable](a.Err); ok {
		content := binary.BigEndian.AppendUint32(nil, uint32(u.RetryAfter.Milliseconds()))
		return answerUnavailable, append(content, u.Reason...), nil
	}
	return answerUnknown, nil, nil
}

// readAnswers reads exactly the answers to these commands.
func readAnswers(r io.Reader, commands []*fsm.Command) ([]Answer, error) {
	answers := make([]Answer, len(commands))
	for i, c := range commands {
		var kind [1]byte
		if _, err := io.ReadFull(r, kind[:]); err != nil {
			return nil, fmt.Errorf("read answer %d: %w", i+1, err)
		}
		content, err := readRecord(r)
		if err != nil {
			return nil, fmt.Errorf("read answer %d: %w", i+1, err)
		}
		if answers[i], err = decodeAnswer(c.Identity(), kind[0], content); err != nil {
			return nil, fmt.Errorf("read answer %d: %w", i+1, err)
		}
	}
	return answers, nil
}

func decodeAnswer(id fsm.Identity, kind answerKind, content []byte) (Answer, error) {
	a := Answer{ID: id}
	switch kind {
	case answerOutcome:
		o, err := fsm.ParseOutcome(content)
		if err != nil {
			return a, err
		}
		if o.ID != id {
			return a, fmt.Errorf("outcome of %s in place of %s", o.ID, id)
		}
		a.Outcome = o
	case answerRefusal:
		a.Refusal = new(fsm.Refusal)
		if err := json.Unmarshal(content, a.Refusal); err != nil {
			return a, err
		}
		if !a.Refusal.Code.Known() {
			return a, fmt.Errorf("refusal %q is not in the table", a.Refusal.Code)
		}
	case answerUnavailable:
		in := cryptobyte.String(content)
		var ms uint32
		if !in.ReadUint32(&ms) {
			return a, errors.New("answer is cut short")
		}
		a.Err = &Unavailable{Reason: string(in), RetryAfter: time.Duration(ms) * time.Millisecond}
	case answerUnknown:
		a.Err = &UnknownOutcome{ID: id}
	default:
		return a, fmt.Errorf("answer of kind %d", kind)
	}
	return a, nil
}
