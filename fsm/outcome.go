package fsm

import (
	"crypto/sha256"
	"errors"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Outcome is what became of one logged command.
type Outcome struct {
	ID   Identity
	Type Type
	// Ordinal counts commands from 0; Entry and Leaf say where the command lies.
	Ordinal, Entry, Leaf uint64
	Height               uint64
	At                   int64
	// Refusal is nil when the command was accepted; then Result says with what
	// effect.
	Refusal *Refusal
	Result  []Field
	// Receipts are the leaves of the receipts that the command itself caused.
	Receipts []uint64
	// Unconsumed says that nothing was consumed: an earlier outcome of the same
	// command, or a later one, may stand, and this one is not indexed.
	Unconsumed bool
}

// link extends the outcome chain by the record, so that nothing of it is a peer's word
// where it comes from one. A malformed payload's words are left out: they are the
// parser's, not a rule's.
func (o *Outcome) link(previous [32]byte) [32]byte {
	bound := *o
	if o.Refusal != nil && o.Refusal.Code == MalformedPayload {
		bound.Refusal = &Refusal{Code: MalformedPayload}
	}
	return sha256.Sum256(bound.appendRecord(previous[:]))
}

func addFields(b *cryptobyte.Builder, fields []Field) {
	b.AddUint16(uint16(len(fields)))
	for _, f := range fields {
		addText(b, f.Name)
		addText(b, f.Value)
	}
}

func addText(b *cryptobyte.Builder, s string) {
	b.AddUint16(uint16(len(s)))
	b.AddBytes([]byte(s))
}

func readText(s *cryptobyte.String, out *string) bool {
	var text cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&text) {
		return false
	}
	*out = string(text)
	return true
}

func readFields(s *cryptobyte.String) ([]Field, bool) {
	var n uint16
	if !s.ReadUint16(&n) {
		return nil, false
	}
	var fields []Field
	for range n {
		var f Field
		if !readText(s, &f.Name) || !readText(s, &f.Value) {
			return nil, false
		}
		fields = append(fields, f)
	}
	return fields, true
}

// Record encodes the outcome for the sequence of outcomes beside the journal.
func (o *Outcome) Record() []byte { return o.appendRecord(nil) }

func (o *Outcome) appendRecord(before []byte) []byte {
	b := cryptobyte.NewBuilder(append(make([]byte, 0, 192), before...))
	b.AddBytes(o.ID[:])
	b.AddUint16(uint16(o.Type))
	for _, v := range []uint64{o.Ordinal, o.Entry, o.Leaf, o.Height, uint64(o.At)} {
		b.AddUint64(v)
	}
	b.AddUint8(flag(o.Unconsumed))
	if o.Refusal == nil {
		b.AddUint16(0)
		addFields(b, o.Result)
	} else {
		n, _ := o.Refusal.Code.row()
		b.AddUint16(uint16(n))
		addFields(b, o.Refusal.Fields)
	}
	b.AddUint16(uint16(len(o.Receipts)))
	for _, leaf := range o.Receipts {
		b.AddUint64(leaf)
	}
	return b.BytesOrPanic()
}

var errOutcome = errors.New("outcome record is damaged")

// ParseOutcome reads a record.
func ParseOutcome(record []byte) (*Outcome, error) {
	s := cryptobyte.String(record)
	var o Outcome
	var tag, code, receipts uint16
	var at uint64
	var unconsumed uint8
	ok := s.CopyBytes(o.ID[:]) && s.ReadUint16(&tag) &&
		s.ReadUint64(&o.Ordinal) && s.ReadUint64(&o.Entry) && s.ReadUint64(&o.Leaf) &&
		s.ReadUint64(&o.Height) && s.ReadUint64(&at) && s.ReadUint8(&unconsumed) && s.ReadUint16(&code)
	if !ok || unconsumed > 1 || int(code) > len(codeTable) {
		return nil, errOutcome
	}
	o.Type, o.At, o.Unconsumed = Type(tag), int64(at), unconsumed == 1
	fields, ok := readFields(&s)
	if !ok || !s.ReadUint16(&receipts) {
		return nil, errOutcome
	}
	if code == 0 {
		o.Result = fields
	} else {
		o.Refusal = &Refusal{Code: codeTable[code-1].code, Fields: fields}
	}
	for range receipts {
		var leaf uint64
		if !s.ReadUint64(&leaf) {
			return nil, errOutcome
		}
		o.Receipts = append(o.Receipts, leaf)
	}
	if !s.Empty() {
		return nil, errOutcome
	}
	return &o, nil
}

// outcomeJSON is the form that people and programs see.
type outcomeJSON struct {
	ID       Identity `json:"id"`
	Command  string   `json:"command"`
	Accepted bool     `json:"accepted"`
	Code     string   `json:"code,optional"`
	Cause    string   `json:"cause,optional"`
	Recovery string   `json:"recovery,optional"`
	Fields   []Field  `json:"fields,optional"`
	Entry    uint64   `json:"entry"`
	Leaf     uint64   `json:"leaf"`
	Height   uint64   `json:"height"`
	At       int64    `json:"at"`
	Receipts []uint64 `json:"receipts,optional"`
}

var outcomeCodec = strict.Compile(outcomeJSON{})

// JSON is the outcome for people and programs.
func (o *Outcome) JSON() []byte {
	j := outcomeJSON{
		ID: o.ID, Command: o.Type.String(), Accepted: o.Refusal == nil, Fields: o.Result,
		Entry: o.Entry, Leaf: o.Leaf, Height: o.Height, At: o.At, Receipts: o.Receipts,
	}
	if o.Refusal != nil {
		j.Code, j.Cause, j.Recovery = string(o.Refusal.Code), o.Refusal.Code.Cause(), o.Refusal.Code.Recovery()
		j.Fields = o.Refusal.Fields
	}
	return outcomeCodec.Append(make([]byte, 0, 512), &j)
}

func keyIDOf(public *signature.PublicKey) KeyID {
	raw := public.Raw()
	return envelope.KeyIDOf(raw[:])
}
