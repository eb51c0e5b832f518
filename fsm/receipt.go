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

	KindDisbursement = "disbursement"
	KindWithdrawal   = "withdrawal"
	KindPause        = "pause"
	KindPolicy       = proof.KindPolicy
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
	// These two have an id in hex as key.
	RefDisbursement = 'd'
	RefWithdrawal   = 'w'
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
	Root  tlog.Hash `json:"root" doc:"RFC 6962 root over their identities in order"`
}

// SettlementReceipt states that attested units are owed and, by its status,
// where the money is: "held" (moved to held accounts), "receivable" (the payer
// lacks funds; another settlement receipt follows), or "rehearsal" (never).
type SettlementReceipt struct {
	ReceiptHead     `doc:"Attested units are owed; the status says where the money is."`
	Market          string        `json:"market"`
	Settlement      uint64        `json:"settlement" doc:"number within the market"`
	Status          string        `json:"status" doc:"held: moved to held accounts; receivable: the payer lacks funds; rehearsal: no money moves" enum:"held,receivable,rehearsal"`
	Meter           string        `json:"meter"`
	Provider        string        `json:"provider"`
	Payer           string        `json:"payer"`
	Readings        CitedReadings `json:"readings"`
	FromRegister    uint64        `json:"from_register"`
	ToRegister      uint64        `json:"to_register"`
	Delta           uint64        `json:"delta" doc:"register units"`
	Decimals        uint8         `json:"decimals"`
	FromMeasuredAt  int64         `json:"from_measured_at"`
	ToMeasuredAt    int64         `json:"to_measured_at"`
	Asset           string        `json:"asset"`
	UnitPrice       uint64        `json:"unit_price"`
	RemainderBefore uint64        `json:"remainder_before"`
	RemainderAfter  uint64        `json:"remainder_after"`
	Gross           Amount        `json:"gross" doc:"minor units; fee is part of it"`
	FeeBps          uint32        `json:"fee_bps"`
	Fee             Amount        `json:"fee"`
	Net             Amount        `json:"net"`
	ReleaseHeight   uint64        `json:"release_height,optional" doc:"at which the dispute window ends"`
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
	ReceiptHead `doc:"The dispute window of a settlement is over and its amounts are available."`
	Market      string `json:"market"`
	Settlement  uint64 `json:"settlement"`
	Provider    string `json:"provider"`
	Asset       string `json:"asset"`
	Net         Amount `json:"net"`
	Fee         Amount `json:"fee"`
	Rehearsal   bool   `json:"rehearsal,optional"`
}

// ReadingReceipt states that a reading closed without being settled.
type ReadingReceipt struct {
	ReceiptHead `doc:"A reading closed without being settled."`
	Market      string   `json:"market"`
	Number      uint64   `json:"number"`
	Identity    Identity `json:"identity"`
	Meter       string   `json:"meter"`
	Register    uint64   `json:"register"`
	MeasuredAt  int64    `json:"measured_at"`
	// Status is baseline, rejected, quorum_failed or superseded.
	Status   string `json:"status" enum:"baseline,rejected,quorum_failed,superseded"`
	Reason   string `json:"reason,optional"`
	Required uint64 `json:"required,optional" doc:"accepting weight that was needed"`
	Actual   uint64 `json:"actual,optional" doc:"accepting weight that came"`
}

// ThresholdReceipt states that a threshold command was executed.
type ThresholdReceipt struct {
	ReceiptHead `doc:"A threshold command was executed."`
	Command     string   `json:"command" doc:"name of the command"`
	Identity    Identity `json:"identity"`
	Signers     []string `json:"signers" doc:"principals whose signatures counted"`
	Facts       []Field  `json:"facts"`
}

// EvidenceReceipt states that an oracle said two different things.
type EvidenceReceipt struct {
	ReceiptHead `doc:"An oracle said two different things."`
	Market      string `json:"market"`
	Oracle      string `json:"oracle"`
	Number      uint64 `json:"number" doc:"reading number"`
	First       string `json:"first"`
	Second      string `json:"second"`
}

// CutReceipt states a marked journal size, its root, all outcomes so far and,
// now and then, the digest of the whole state at an earlier cut.
type CutReceipt struct {
	ReceiptHead  `doc:"A marked journal size, its root, all outcomes so far and, now and then, the digest of the whole state."`
	Cut          uint64     `json:"cut"`
	Size         uint64     `json:"size" doc:"leaves under the root"`
	Root         tlog.Hash  `json:"root"`
	OutcomeChain [32]byte   `json:"outcome_chain" doc:"hash chain over all outcomes so far"`
	Digest       *CutDigest `json:"digest" doc:"digest of the state at an earlier cut"`
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

// receiptRow is one kind of receipt.
type receiptRow struct {
	kind  string
	codec *strict.Codec
	empty func() any // a pointer to a zero receipt
}

// receiptRows is the one table of kinds; encodeReceipt has a case for each.
var receiptRows = []receiptRow{
	{KindSettlement, settlementCodec, func() any { return new(SettlementReceipt) }},
	{KindRelease, releaseCodec, func() any { return new(ReleaseReceipt) }},
	{KindReading, readingCodec, func() any { return new(ReadingReceipt) }},
	{KindThreshold, thresholdCodec, func() any { return new(ThresholdReceipt) }},
	{KindEvidence, evidenceCodec, func() any { return new(EvidenceReceipt) }},
	{KindCut, cutCodec, func() any { return new(CutReceipt) }},
	{KindPolicy, policyCodec, func() any { return new(PolicyReceipt) }},
	{KindDisbursement, disbursementCodec, func() any { return new(DisbursementReceipt) }},
	{KindWithdrawal, withdrawalCodec, func() any { return new(WithdrawalReceipt) }},
	{KindPause, pauseCodec, func() any { return new(PauseReceipt) }},
}

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
	case *DisbursementReceipt:
		return disbursementCodec.Append(make([]byte, 0, 1_024), b)
	case *WithdrawalReceipt:
		return withdrawalCodec.Append(nil, b)
	case *PauseReceipt:
		return pauseCodec.Append(nil, b)
	}
	panic("fsm: a receipt of no known kind")
}

// ParseReceipt reads a receipt leaf; body is a pointer to its type.
func ParseReceipt(leaf []byte) (kind string, body any, err error) {
	for i := range receiptRows {
		if r := &receiptRows[i]; hasKind(leaf, r.kind) {
			body = r.empty()
			return r.kind, body, r.codec.Decode(leaf, body)
		}
	}
	return "", nil, errReceiptKind
}

// hasKind looks at the first member, which every receipt's encoding begins with.
func hasKind(leaf []byte, kind string) bool {
	prefix := `{"kind":"` + kind + `",`
	return len(leaf) >= len(prefix) && string(leaf[:len(prefix)]) == prefix
}
