package outbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/oracle"
)

// Stage is how far a measurement has come.
type Stage string

// The stages; see the package documentation.
const (
	Stored       Stage = "stored"
	Sent         Stage = "sent" // signed; whether it was logged is not known yet
	Accepted     Stage = "accepted"
	Refused      Stage = "refused"
	Baseline     Stage = "baseline" // the meter's first reading, which credits nothing
	Rejected     Stage = "rejected"
	QuorumFailed Stage = "quorum_failed"
	Superseded   Stage = "superseded"
	Settled      Stage = "settled"
	Paid         Stage = "paid" // its money is available
)

// rank orders the stages; one never goes back but from sent to stored.
func (s Stage) rank() int {
	switch s {
	case Stored, Sent:
		return 0
	case Accepted:
		return 1
	case Settled:
		return 2
	default:
		return 3
	}
}

// over says that nothing comes behind the stage.
func (s Stage) over() bool { return s.rank() == 3 }

// Measurement is what a meter showed at a moment, to the millisecond.
type Measurement struct {
	Market      string    `json:"market"`
	Meter       string    `json:"meter"`
	Register    uint64    `json:"register"` // in 10^-decimals of the market's unit
	MeasuredAt  time.Time `json:"measured_at"`
	ClockSync   string    `json:"clock_sync,omitempty"`
	MeterStatus string    `json:"meter_status,omitempty"`
}

// maxIDs bounds the names in a key.
const maxIDs = 64

// ErrMeasurement says that what is to be stored can be no measurement. An outbox that is
// well will never take it.
var ErrMeasurement = errors.New("no measurement")

func (m Measurement) check() error {
	switch {
	case !oracle.ValidID(m.Meter) || len(m.Meter) > maxIDs:
		return fmt.Errorf("%w: meter %.80q is no id", ErrMeasurement, m.Meter)
	case !oracle.ValidID(m.Market) || len(m.Market) > maxIDs:
		return fmt.Errorf("%w: market %.80q is no id", ErrMeasurement, m.Market)
	case m.MeasuredAt.UnixMilli() <= 0:
		return fmt.Errorf("%w: meter %s: %s is no moment of one", ErrMeasurement, m.Meter, m.MeasuredAt)
	}
	return nil
}

// same says that two measurements of one meter and moment say the same.
func (m Measurement) same(other Measurement) bool {
	m.MeasuredAt = other.MeasuredAt
	return m == other
}

// Fate is a measurement and what has become of it.
type Fate struct {
	Measurement
	Stage Stage `json:"stage"`
	// Final says that a checkpoint cosigned by the committee covers the stage.
	Final bool `json:"final"`
	// ID is the identity of the newest command that submitted it.
	ID string `json:"id,omitempty"`
	// Signed counts the commands that were signed for it, one after the other.
	Signed int `json:"signed,omitempty"`
	// Code and Reason say why it was refused, or what it waits for while it is stored
	// or sent, or why it was rejected.
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Number is the reading's number within the market, from its acceptance on.
	Number uint64 `json:"number,omitempty"`
	// Settlement is the number of the settlement that it is part of. While Receivable
	// is true the payer lacks the funds.
	Settlement uint64 `json:"settlement,omitempty"`
	Receivable bool   `json:"receivable,omitempty"`
	// Leaf is the journal leaf of the stage: its receipt can be had by it.
	Leaf uint64 `json:"leaf,omitempty"`
	// At is when it came to its stage, by the cluster's time from sent on.
	At time.Time `json:"at"`
}

// Over says that nothing more is to come of the measurement: nothing comes behind its
// stage, and that is final.
func (f Fate) Over() bool { return f.Stage.over() && f.Final }

// record is a fate as it is kept.
type record struct {
	Fate
	Nonce    uint64 `json:"nonce,omitempty"`
	Envelope []byte `json:"envelope,omitempty"` // what was signed, while its outcome is not known
}

func (r *record) key() []byte { return recordKey(r.Meter, r.MeasuredAt) }

// recordKey orders the measurements of a meter by time.
func recordKey(meter string, at time.Time) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(meter), 0), uint64(at.UnixMilli()))
}

func (r *record) encode() []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic("outbox: a record cannot fail to encode: " + err.Error())
	}
	return text
}

func decodeRecord(text []byte) (*record, error) {
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("a record of the outbox is damaged: %w", err)
	}
	return &r, nil
}

func (r *record) command() (envelope.Envelope, error) {
	e, err := envelope.Parse(r.Envelope)
	if err != nil {
		return e, errors.Join(errors.New("a signed command of the outbox is damaged"), err)
	}
	return e, nil
}
