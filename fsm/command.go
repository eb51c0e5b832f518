package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/oracle"
)

// Short names for what package envelope defines.
type (
	KeyID    = envelope.KeyID
	Identity = envelope.Identity
)

// MaxCommandBytes bounds a command's frame.
const MaxCommandBytes = 60 << 10

// Command is one parsed command. It is immutable once parsed, but for the
// marks that VerifyCommands leaves on its signatures.
type Command struct {
	Type    Type
	KeyIDs  []KeyID
	Sigs    [][signature.Size]byte
	Payload []byte

	id      Identity
	pae     []byte   // what is signed
	body    any      // pointer to the payload type, nil when malformed
	refused *Refusal // why the payload is malformed
	marks   []mark
}

// FromEnvelope turns an envelope into a command. Only what cannot be put into
// a frame is refused here: a payload that does not parse is a command too,
// since a leader may lie, and Refused tells why it will be refused.
func FromEnvelope(e envelope.Envelope) (*Command, *Refusal) {
	s := specOfPayloadType(e.PayloadType)
	if s == nil {
		return nil, malformed(fmt.Errorf("payloadType %.100q is not a command", e.PayloadType))
	}
	c := &Command{Type: s.tag, Payload: e.Payload}
	for _, sig := range e.Signatures {
		c.KeyIDs = append(c.KeyIDs, sig.KeyID)
		c.Sigs = append(c.Sigs, sig.Sig)
	}
	if len(c.Sigs) == 0 || len(c.Sigs) > envelope.MaxSignatures {
		return nil, malformed(fmt.Errorf("%d signatures, want 1 to %d", len(c.Sigs), envelope.MaxSignatures))
	}
	if n := c.frameLen(); n > MaxCommandBytes {
		return nil, malformed(fmt.Errorf("command takes %d bytes, more than %d", n, MaxCommandBytes))
	}
	c.parse(s, new(strict.Parser))
	return c, nil
}

func (c *Command) parse(s *spec, p *strict.Parser) {
	c.pae = envelope.PAE(s.payloadType, c.Payload)
	c.id = sha256.Sum256(c.pae)
	c.marks = make([]mark, len(c.Sigs))
	if !s.threshold && len(c.Sigs) != 1 {
		c.refused = malformed(fmt.Errorf("%s takes exactly one signature, not %d", s.name, len(c.Sigs)))
		return
	}
	body := s.empty()
	if err := s.codec.DecodeWith(p, c.Payload, body); err != nil {
		c.refused = malformed(err)
		return
	}
	c.body = body
}

// Envelope rebuilds the DSSE envelope.
func (c *Command) Envelope() envelope.Envelope {
	e := envelope.Envelope{PayloadType: c.Type.PayloadType(), Payload: c.Payload}
	for i := range c.Sigs {
		e.Signatures = append(e.Signatures, envelope.Signature{KeyID: c.KeyIDs[i], Sig: c.Sigs[i]})
	}
	return e
}

// Identity is SHA-256 of the command's PAE.
func (c *Command) Identity() Identity { return c.id }

// Name is the command's name, e.g. "submit_reading".
func (c *Command) Name() string { return c.Type.String() }

// Body is a pointer to the parsed payload, or nil when it is malformed.
func (c *Command) Body() any { return c.body }

// Refused tells why the payload is malformed, or nil.
func (c *Command) Refused() *Refusal { return c.refused }

// Single is the header of a single-signature command, nil for others.
func (c *Command) Single() *Header {
	switch b := c.body.(type) {
	case *SubmitReading:
		return &b.Header
	case *Attest:
		return &b.Header
	case *RotateKey:
		return &b.Header
	case *RevokeKey:
		return &b.Header
	case *Propose:
		return &b.Header
	case *Amend:
		return &b.Header
	case *Open:
		return &b.Header
	case *Cancel:
		return &b.Header
	case *Vote:
		return &b.Header
	case *Queue:
		return &b.Header
	case *Execute:
		return &b.Header
	case *Veto:
		return &b.Header
	case *Pause:
		return &b.Header
	case *Withdraw:
		return &b.Header
	case *CancelWithdrawal:
		return &b.Header
	}
	return nil
}

// namedSigner is the key that the payload says signs it, if it says so.
func (c *Command) namedSigner() *KeyID {
	if h := c.Single(); h != nil {
		return (*KeyID)(h.Signer)
	}
	return nil
}

// Threshold is the header of a threshold command, nil for others.
func (c *Command) Threshold() *ThresholdHeader {
	switch b := c.body.(type) {
	case *RegisterPrincipal:
		return &b.ThresholdHeader
	case *RegisterKey:
		return &b.ThresholdHeader
	case *RevokePrincipalKey:
		return &b.ThresholdHeader
	case *RegisterMeters:
		return &b.ThresholdHeader
	case *RebaseMeter:
		return &b.ThresholdHeader
	case *SetOracleWeight:
		return &b.ThresholdHeader
	case *SetMarket:
		return &b.ThresholdHeader
	case *Deposit:
		return &b.ThresholdHeader
	case *ReplaceNode:
		return &b.ThresholdHeader
	case *CancelReplacement:
		return &b.ThresholdHeader
	case *Rollback:
		return &b.ThresholdHeader
	case *Unpause:
		return &b.ThresholdHeader
	case *SetHouse:
		return &b.ThresholdHeader
	case *SetTreasury:
		return &b.ThresholdHeader
	case *Payout:
		return &b.ThresholdHeader
	case *RecordPayout:
		return &b.ThresholdHeader
	}
	return nil
}

// What commands of the treasury cost at most, in work units: to walk a graph of
// dependencies, to hash a body or check a house, to forget the votes of all houses.
const (
	graphWork  = 256
	bodyWork   = 8
	ballotWork = 64
)

// keyWork is what checking a new key costs, in work units.
const keyWork = 16

// Work is the number of work units that the command may trigger; an entry has
// a budget of them. One unit is about what a vote or a reading takes.
func (c *Command) Work() int {
	switch b := c.body.(type) {
	case *Attest:
		// The rule refuses more than the most before it looks at any of them.
		const most = oracle.MaxAttested
		units := uint64(0)
		for _, r := range b.Ranges {
			if r.To >= r.From && units < most {
				units += min(r.To-r.From, most) + 1
			}
		}
		return 1 + int(min(units, most))
	case *RegisterMeters:
		return 1 + len(b.Meters)
	case *RotateKey, *RegisterPrincipal, *RegisterKey:
		return keyWork
	case *ReplaceNode:
		return 2 * keyWork
	case *Queue:
		return graphWork
	case *Propose, *Amend, *Execute, *SetHouse:
		return bodyWork
	case *Veto:
		return ballotWork
	}
	return 1
}

// The frame: tag u16, count u8, count x (key id 16, signature 64), payload.
const frameHead = 3

func (c *Command) frameLen() int {
	return frameHead + len(c.Sigs)*(len(KeyID{})+signature.Size) + len(c.Payload)
}

// Frame encodes the command for the log.
func (c *Command) Frame() []byte { return c.appendFrame(make([]byte, 0, c.frameLen())) }

func (c *Command) appendFrame(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(c.Type))
	b = append(b, byte(len(c.Sigs)))
	for i := range c.Sigs {
		b = append(b, c.KeyIDs[i][:]...)
		b = append(b, c.Sigs[i][:]...)
	}
	return append(b, c.Payload...)
}

// ParseFrame reads a frame. The payload keeps referring to b.
func ParseFrame(b []byte) (*Command, error) { return parseFrame(b, new(strict.Parser)) }

func parseFrame(b []byte, p *strict.Parser) (*Command, error) {
	if len(b) < frameHead {
		return nil, errors.New("command frame is cut short")
	}
	if len(b) > MaxCommandBytes {
		return nil, fmt.Errorf("command frame of %d bytes, more than %d", len(b), MaxCommandBytes)
	}
	s := specOf(Type(binary.BigEndian.Uint16(b)))
	if s == nil {
		return nil, fmt.Errorf("command tag %d is unknown", binary.BigEndian.Uint16(b))
	}
	n := int(b[2])
	if n == 0 || n > envelope.MaxSignatures {
		return nil, fmt.Errorf("command frame has %d signatures", n)
	}
	b = b[frameHead:]
	if len(b) < n*(len(KeyID{})+signature.Size) {
		return nil, errors.New("command frame is cut short")
	}
	c := &Command{Type: s.tag, KeyIDs: make([]KeyID, n), Sigs: make([][signature.Size]byte, n)}
	for i := range n {
		b = b[copy(c.KeyIDs[i][:], b):]
		b = b[copy(c.Sigs[i][:], b):]
	}
	c.Payload = b
	c.parse(s, p)
	return c, nil
}
