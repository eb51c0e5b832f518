package fsm

import (
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Leaf kinds: the first byte of every leaf.
const (
	LeafHeader      = 0x01
	LeafCommand     = 0x02
	LeafUndecodable = 0x03
	LeafReceipt     = '{'
)

// Receipt kinds.
const (
	KindSettlement = "settlement"
	KindRelease    = "release"
	KindReading    = "reading"
	KindThreshold  = "threshold"
	KindEvidence   = "evidence"
	KindCut        = "cut"
	KindPolicy     = proof.KindPolicy
)

// Receipt is a journal leaf that states one outcome.
type Receipt struct {
	Leaf uint64
	Kind string
	// Body is a pointer to one of the receipt types below.
	Body any
	// Refs name what the receipt is about, for the index beside the journal.
	Refs []Ref
}

// Ref names an object by kind and key.
type Ref struct {
	Kind byte
	Key  string
}

// Kinds of refs. A key is "<market>/<number>".
const (
	RefReading    = 'r'
	RefSettlement = 's'
)

// NumberKey is the key of a numbered object of a market.
func NumberKey(market string, n uint64) string { return market + "/" + strconv.FormatUint(n, 10) }

// What every receipt begins with, and the receipt of a change of the committee, are
// package proof's: who verifies a chain of policies reads them too.
type (
	ReceiptHead   = proof.ReceiptHead
	PolicyReceipt = proof.PolicyReceipt
)

// CitedReadings cites readings by count and by the RFC 6962 root over their
// identities in order of their numbers.
type CitedReadings struct {
	Count uint64    `json:"count"`
	From  uint64    `json:"from"`
	To    uint64    `json:"to"`
	Root  tlog.Hash `json:"root"`
}

// SettlementReceipt states that attested units are owed and, by its status,
// where the money is: "held" (moved to held accounts), "receivable" (the payer
// lacks funds; another settlement receipt follows), or "rehearsal" (never).
type SettlementReceipt struct {
	ReceiptHead
	Market          string        `json:"market"`
	Settlement      uint64        `json:"settlement"`
	Status          string        `json:"status"`
	Meter           string        `json:"meter"`
	Provider        string        `json:"provider"`
	Payer           string        `json:"payer"`
	Readings        CitedReadings `json:"readings"`
	FromRegister    uint64        `json:"from_register"`
	ToRegister      uint64        `json:"to_register"`
	Delta           uint64        `json:"delta"`
	Decimals        uint8         `json:"decimals"`
	FromMeasuredAt  int64         `json:"from_measured_at"`
	ToMeasuredAt    int64         `json:"to_measured_at"`
	Asset           string        `json:"asset"`
	UnitPrice       uint64        `json:"unit_price"`
	RemainderBefore uint64        `json:"remainder_before"`
	RemainderAfter  uint64        `json:"remainder_after"`
	Gross           Amount        `json:"gross"`
	FeeBps          uint32        `json:"fee_bps"`
	Fee             Amount        `json:"fee"`
	Net             Amount        `json:"net"`
	ReleaseHeight   uint64        `json:"release_height,optional"`
}

// Settlement statuses.
const (
	StatusHeld       = "held"
	StatusReceivable = "receivable"
	StatusRehearsal  = "rehearsal"
)

// ReleaseReceipt states that the dispute window of a settlement is over and
// its amounts are available.
type ReleaseReceipt struct {
	ReceiptHead
	Market     string `json:"market"`
	Settlement uint64 `json:"settlement"`
	Provider   string `json:"provider"`
	Asset      string `json:"asset"`
	Net        Amount `json:"net"`
	Fee        Amount `json:"fee"`
	Rehearsal  bool   `json:"rehearsal,optional"`
}

// ReadingReceipt states that a reading closed without being settled.
type ReadingReceipt struct {
	ReceiptHead
	Market     string   `json:"market"`
	Number     uint64   `json:"number"`
	Identity   Identity `json:"identity"`
	Meter      string   `json:"meter"`
	Register   uint64   `json:"register"`
	MeasuredAt int64    `json:"measured_at"`
	// Status is baseline, rejected, quorum_failed or superseded.
	Status   string `json:"status"`
	Reason   string `json:"reason,optional"`
	Required uint64 `json:"required,optional"`
	Actual   uint64 `json:"actual,optional"`
}

// ThresholdReceipt states that a threshold command was executed.
type ThresholdReceipt struct {
	ReceiptHead
	Command  string   `json:"command"`
	Identity Identity `json:"identity"`
	Signers  []string `json:"signers"`
	Facts    []Field  `json:"facts"`
}

// EvidenceReceipt states that an oracle said two different things.
type EvidenceReceipt struct {
	ReceiptHead
	Market string `json:"market"`
	Oracle string `json:"oracle"`
	Number uint64 `json:"number"`
	First  string `json:"first"`
	Second string `json:"second"`
}

// CutReceipt states a marked journal size, its root, all outcomes so far and,
// now and then, the digest of the whole state at an earlier cut.
type CutReceipt struct {
	ReceiptHead
	Cut          uint64     `json:"cut"`
	Size         uint64     `json:"size"`
	Root         tlog.Hash  `json:"root"`
	OutcomeChain [32]byte   `json:"outcome_chain"`
	Digest       *CutDigest `json:"digest"`
}

// CutDigest is the digest of the state just before an earlier cut's entry.
type CutDigest struct {
	Cut   uint64   `json:"cut"`
	Value [32]byte `json:"value"`
}

var (
	settlementCodec = strict.Compile(SettlementReceipt{})
	releaseCodec    = strict.Compile(ReleaseReceipt{})
	readingCodec    = strict.Compile(ReadingReceipt{})
	thresholdCodec  = strict.Compile(ThresholdReceipt{})
	evidenceCodec   = strict.Compile(EvidenceReceipt{})
	cutCodec        = strict.Compile(CutReceipt{})
	policyCodec     = strict.Compile(PolicyReceipt{})
)

// encodeReceipt writes a receipt's body as its leaf.
func encodeReceipt(body any) []byte {
	switch b := body.(type) {
	case *SettlementReceipt:
		return settlementCodec.Append(make([]byte, 0, 768), b)
	case *ReleaseReceipt:
		return releaseCodec.Append(nil, b)
	case *ReadingReceipt:
		return readingCodec.Append(nil, b)
	case *ThresholdReceipt:
		return thresholdCodec.Append(nil, b)
	case *EvidenceReceipt:
		return evidenceCodec.Append(nil, b)
	case *CutReceipt:
		return cutCodec.Append(nil, b)
	case *PolicyReceipt:
		return policyCodec.Append(nil, b)
	}
	panic("fsm: a receipt of no known kind")
}

// ParseReceipt reads a receipt leaf; body is a pointer to its type.
func ParseReceipt(leaf []byte) (kind string, body any, err error) {
	for _, candidate := range []struct {
		kind  string
		codec *strict.Codec
		body  any
	}{
		{KindSettlement, settlementCodec, new(SettlementReceipt)},
		{KindRelease, releaseCodec, new(ReleaseReceipt)},
		{KindReading, readingCodec, new(ReadingReceipt)},
		{KindThreshold, thresholdCodec, new(ThresholdReceipt)},
		{KindEvidence, evidenceCodec, new(EvidenceReceipt)},
		{KindCut, cutCodec, new(CutReceipt)},
		{KindPolicy, policyCodec, new(PolicyReceipt)},
	} {
		if hasKind(leaf, candidate.kind) {
			return candidate.kind, candidate.body, candidate.codec.Decode(leaf, candidate.body)
		}
	}
	return "", nil, errReceiptKind
}

// hasKind looks at the first member, which every receipt's encoding begins with.
func hasKind(leaf []byte, kind string) bool {
	prefix := `{"kind":"` + kind + `",`
	return len(leaf) >= len(prefix) && string(leaf[:len(prefix)]) == prefix
}
