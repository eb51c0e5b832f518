package fsm

import (
	"strconv"
	"strings"

	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// Code is the stable name of a refusal.
type Code string

// The refusals. Their order is their precedence: an earlier check wins.
const (
	MalformedPayload   Code = "MalformedPayload"
	UnknownKey         Code = "UnknownKey"
	SignatureInvalid   Code = "SignatureInvalid"
	KeyRevoked         Code = "KeyRevoked"
	WrongCluster       Code = "WrongCluster"
	WrongEra           Code = "WrongEra"
	Expired            Code = "Expired"
	NotFound           Code = "NotFound"
	MeterMismatch      Code = "MeterMismatch"
	NonceReplay        Code = "NonceReplay"
	Unauthorized       Code = "Unauthorized"
	Paused             Code = "Paused"
	ProviderInactive   Code = "ProviderInactive"
	TimestampSkew      Code = "TimestampSkew"
	SettlementConflict Code = "SettlementConflict"
	InvalidTarget      Code = "InvalidTarget"
	InvalidTransition  Code = "InvalidTransition"
	InsufficientFunds  Code = "InsufficientFunds"
	QuorumFailed       Code = "QuorumFailed"
	StaleDependency    Code = "StaleDependency"
	CircularDependency Code = "CircularDependency"
	ExecutionFailed    Code = "ExecutionFailed"
	LimitExceeded      Code = "LimitExceeded"

	// RateLimited and Unavailable are said at the door, never in Apply.
	RateLimited Code = "RateLimited"
	Unavailable Code = "Unavailable"
)

// codeRow is what people are told about a refusal.
type codeRow struct {
	code            Code
	cause, recovery string
}

// codeTable is the one table that API, CLI and documents are made from. A
// code's number in the outcome encoding is its position here: append only.
var codeTable = []codeRow{
	{MalformedPayload, "The command is not the strict JSON object that its type demands.", "Correct the named member and sign again."},
	{UnknownKey, "The signing key is not registered in this cluster.", "Register the key with a threshold command, or sign with a registered one."},
	{SignatureInvalid, "A signature does not verify over the payload.", "Sign the exact payload bytes (DSSE PAE) with the named key and send again."},
	{KeyRevoked, "The signing key is outside its range of heights.", "Sign with the principal's current key."},
	{WrongCluster, "The command names another cluster.", "Take the cluster id from genesis and sign again."},
	{WrongEra, "The command names another era of this cluster.", "Take the era from /v1/status and sign again."},
	{Expired, "The command's time to live is over, or is longer than allowed.", "Sign it again with a new issued_at and expires_at."},
	{NotFound, "Something that the command names does not exist.", "Check the named id; register it first if it is missing."},
	{MeterMismatch, "The meter is not the signer's, or not the one that the lane names.", "Submit on the lane of a meter that is registered for this provider."},
	{NonceReplay, "The nonce of this lane was used before, or the command has been judged.", "Ask for the outcome by identity; to send something new, use last_nonce + 1."},
	{Unauthorized, "The signers have no right to this command.", "Use a key with the needed role and scope, or collect more signatures."},
	{Paused, "This part of the cluster is paused.", "Wait for the committee to unpause it."},
	{ProviderInactive, "The provider is inactive.", "Ask the committee for the way back."},
	{TimestampSkew, "A time in the command is too far from the cluster's time.", "Set the clock by the given now and sign again."},
	{SettlementConflict, "The command conflicts with what is already recorded.", "Read the reason; what is closed cannot be submitted again."},
	{InvalidTarget, "The account cannot take part in this transfer.", "Check account and asset."},
	{InvalidTransition, "The object's state does not allow this step.", "Take one of the allowed steps."},
	{InsufficientFunds, "The account does not hold enough.", "Deposit the difference; what waits goes on by itself."},
	{QuorumFailed, "Too little oracle weight attested to the reading in time.", "Find out from the oracles why, and submit a newer reading."},
	{StaleDependency, "A dependency ended without being finalized.", "Propose again with living dependencies."},
	{CircularDependency, "The dependencies form a cycle.", "Remove one of the named dependencies."},
	{ExecutionFailed, "The execution did not succeed.", "Read the reason kept with the object."},
	{LimitExceeded, "A named limit is reached.", "Send less, or wait until there is room."},
	{RateLimited, "Too many requests from this address or key.", "Wait for the time given in Retry-After."},
	{Unavailable, "The node cannot answer now, or the outcome is not known yet.", "Send the same bytes again; resending is always safe."},
}

// Codes lists every code in table order.
func Codes() []Code {
	codes := make([]Code, 0, len(codeTable))
	for _, r := range codeTable {
		codes = append(codes, r.code)
	}
	return codes
}

func (c Code) row() (number int, r codeRow) {
	for i, r := range codeTable {
		if r.code == c {
			return i + 1, r
		}
	}
	panic("fsm: code " + string(c) + " is not in the table")
}

// Known reports whether the code is in the table.
func (c Code) Known() bool {
	for _, r := range codeTable {
		if r.code == c {
			return true
		}
	}
	return false
}

// Cause is one sentence that says what was wrong.
func (c Code) Cause() string { _, r := c.row(); return r.cause }

// Recovery is one sentence that says what to do.
func (c Code) Recovery() string { _, r := c.row(); return r.recovery }

// maxDetail bounds a parser's words.
const maxDetail = 300

// Field is one fact of a refusal or of an outcome.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Refusal is an expected, replicated "no".
type Refusal struct {
	Code   Code
	Fields []Field
}

// Error says code, cause and facts in one line.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(string(r.Code))
	for i, f := range r.Fields {
		b.WriteString([]string{" (", ", "}[min(i, 1)])
		b.WriteString(f.Name + " " + f.Value)
	}
	if len(r.Fields) > 0 {
		b.WriteString(")")
	}
	return b.String()
}

// Field returns the value of a named fact, or "".
func (r *Refusal) Field(name string) string {
	for _, f := range r.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func refuse(code Code, fields ...Field) *Refusal { return &Refusal{Code: code, Fields: fields} }

func number(name string, v uint64) Field { return Field{name, strconv.FormatUint(v, 10)} }

func millis(name string, v int64) Field { return Field{name, strconv.FormatInt(v, 10)} }

// malformed carries a parser's words. They come from the pinned parser, but
// they are no replicated fact: see Outcome.link.
func malformed(err error) *Refusal {
	words := err.Error()
	return refuse(MalformedPayload, Field{"detail", strings.ToValidUTF8(words[:min(len(words), maxDetail)], "")})
}

func fromOracle(r *oracle.Refusal) *Refusal {
	if r == nil {
		return nil
	}
	out := &Refusal{Code: Code(r.Code)}
	for _, f := range r.Fields {
		out.Fields = append(out.Fields, Field{f.Name, clip(f.Value)})
	}
	return out
}

func fromTreasury(r *treasury.Refusal) *Refusal {
	if r == nil {
		return nil
	}
	out := &Refusal{Code: Code(r.Code)}
	for _, f := range r.Fields {
		out.Fields = append(out.Fields, Field{f.Name, clip(f.Value)})
	}
	return out
}

// clip bounds a string that is quoted in an outcome, at a whole rune: it may be
// anything that somebody signed.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxQuoted)], "")
}

// maxQuoted is more than any id or account takes.
const maxQuoted = 128
