package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"golang.org/x/crypto/cryptobyte"
)

// The budget of one entry. A leader packs within it; an entry beyond it is
// refused whole on every replica.
const (
	MaxEntryBytes    = 256 << 10
	MaxEntryCommands = 1_024
	MaxEntryWork     = 4_096
	// MaxDueItems is how many due items one Apply takes at most.
	MaxDueItems = 500
)

// entryVersion begins every encoded entry.
const entryVersion = 1

// Entry is one Raft log entry: a header and a batch of commands.
type Entry struct {
	// Number is one above the last entry's.
	Number uint64
	// At is the leader's clock, unix ms.
	At int64
	// Statements are clock statements of a majority of nodes; only ticks have
	// them, and only a tick has none of the commands below.
	Statements []Statement
	// Cut marks the journal size before this entry for cosigning.
	Cut bool
	// Cosigned carries the cosignatures that an earlier cut collected.
	Cosigned *Cosigned
	Commands []*Command
}

// Statement is a node's signed word on its clock for one tick.
type Statement struct {
	Node uint8 // index in the committee
	At   int64 // unix ms
	Sig  [signature.Size]byte
}

// Cosigned are cosignatures on the checkpoint of one cut.
type Cosigned struct {
	Cut        uint64
	Signatures []Cosignature
}

// Cosignature is a node's cosignature/v1 on a checkpoint.
type Cosignature struct {
	Node uint8
	Time uint64 // unix seconds
	Sig  [signature.Size]byte
}

// header encodes all but the commands; it counts them, so that whoever reads
// the journal's leaves knows which ones belong to the entry.
func (e *Entry) header() []byte {
	b := cryptobyte.NewBuilder(make([]byte, 0, 256))
	b.AddUint8(entryVersion)
	b.AddUint64(e.Number)
	b.AddUint64(uint64(e.At))
	b.AddUint8(uint8(len(e.Statements)))
	for _, s := range e.Statements {
		b.AddUint8(s.Node)
		b.AddUint64(uint64(s.At))
		b.AddBytes(s.Sig[:])
	}
	b.AddUint8(flag(e.Cut))
	if e.Cosigned == nil {
		b.AddUint8(0)
	} else {
		b.AddUint8(uint8(len(e.Cosigned.Signatures)))
		b.AddUint64(e.Cosigned.Cut)
		for _, s := range e.Cosigned.Signatures {
			b.AddUint8(s.Node)
			b.AddUint64(s.Time)
			b.AddBytes(s.Sig[:])
		}
	}
	b.AddUint16(uint16(len(e.Commands)))
	return b.BytesOrPanic()
}

// Encode writes the entry as it goes into the log: the header, then each frame
// behind its length.
func (e *Entry) Encode() []byte { return e.Append(nil) }

// Append writes the entry behind what b holds.
func (e *Entry) Append(b []byte) []byte {
	header := e.header()
	length := len(header)
	for _, c := range e.Commands {
		length += 2 + c.frameLen()
	}
	b = append(slices.Grow(b, length), header...)
	for _, c := range e.Commands {
		b = binary.BigEndian.AppendUint16(b, uint16(c.frameLen()))
		b = c.appendFrame(b)
	}
	return b
}

// DecodeEntry reads an encoded entry. Only the canonical encoding is accepted.
func DecodeEntry(raw []byte) (*Entry, error) {
	if len(raw) > MaxEntryBytes {
		return nil, fmt.Errorf("entry of %d bytes, more than %d", len(raw), MaxEntryBytes)
	}
	rest := cryptobyte.String(raw)
	e, commands, err := readHeader(&rest)
	if err != nil {
		return nil, err
	}
	if commands > MaxEntryCommands {
		return nil, fmt.Errorf("entry has %d commands, more than %d", commands, MaxEntryCommands)
	}
	e.Commands = make([]*Command, 0, min(commands, len(rest)/frameHead))
	var parser strict.Parser
	for i := range commands {
		var frame cryptobyte.String
		if !rest.ReadUint16LengthPrefixed(&frame) {
			return nil, errCutShort
		}
		c, err := parseFrame(frame, &parser)
		if err != nil {
			return nil, fmt.Errorf("command %d: %w", i+1, err)
		}
		e.Commands = append(e.Commands, c)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes behind the last command", len(rest))
	}
	return e, nil
}

// DecodeHeader reads an entry header leaf (without its first byte) and the
// number of commands that follow.
func DecodeHeader(b []byte) (*Entry, int, error) {
	rest := cryptobyte.String(b)
	e, commands, err := readHeader(&rest)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes behind the entry header")
	}
	return e, commands, err
}

var errCutShort = errors.New("entry is cut short")

func readHeader(s *cryptobyte.String) (*Entry, int, error) {
	var e Entry
	var version, statements, cut uint8
	var at uint64
	if !s.ReadUint8(&version) || !s.ReadUint64(&e.Number) || !s.ReadUint64(&at) || !s.ReadUint8(&statements) {
		return nil, 0, errCutShort
	}
	if version != entryVersion {
		return nil, 0, fmt.Errorf("entry version %d is unknown", version)
	}
	e.At = int64(at)
	for range statements {
		var st Statement
		var stAt uint64
		if !s.ReadUint8(&st.Node) || !s.ReadUint64(&stAt) || !s.CopyBytes(st.Sig[:]) {
			return nil, 0, errCutShort
		}
		st.At = int64(stAt)
		e.Statements = append(e.Statements, st)
	}
	if !s.ReadUint8(&cut) {
		return nil, 0, errCutShort
	}
	if cut > 1 {
		return nil, 0, fmt.Errorf("cut mark %d", cut)
	}
	e.Cut = cut == 1
	if err := readCosigned(s, &e); err != nil {
		return nil, 0, err
	}
	var commands uint16
	if !s.ReadUint16(&commands) {
		return nil, 0, errCutShort
	}
	return &e, int(commands), nil
}

func readCosigned(s *cryptobyte.String, e *Entry) error {
	var count uint8
	if !s.ReadUint8(&count) {
		return errCutShort
	}
	if count == 0 {
		return nil
	}
	e.Cosigned = new(Cosigned)
	if !s.ReadUint64(&e.Cosigned.Cut) {
		return errCutShort
	}
	for range count {
		var c Cosignature
		if !s.ReadUint8(&c.Node) || !s.ReadUint64(&c.Time) || !s.CopyBytes(c.Sig[:]) {
			return errCutShort
		}
		e.Cosigned.Signatures = append(e.Cosigned.Signatures, c)
	}
	return nil
}

func flag(set bool) uint8 {
	if set {
		return 1
	}
	return 0
}

func (e *Entry) work() int {
	units := 0
	for _, c := range e.Commands {
		units += c.Work()
	}
	return units
}
