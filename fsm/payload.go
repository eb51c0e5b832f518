package fsm

import (
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Amount is a number of minor units, a decimal string in JSON.
type Amount = strict.Amount

// Header begins the payload of every single-signature command.
type Header struct {
	Cluster   [16]byte `json:"cluster"`
	Era       string   `json:"era"`
	Lane      string   `json:"lane"`
	Nonce     uint64   `json:"nonce"`
	IssuedAt  int64    `json:"issued_at"`
	ExpiresAt int64    `json:"expires_at"`
	// Signer is the id of the signing key. An identity is of the payload alone, so
	// only this keeps equal payloads of two signers apart: whoever may say the same
	// as others at the same time, as oracles do, has to name itself.
	Signer *[16]byte `json:"signer"`
}

// ThresholdHeader begins the payload of every threshold command.
type ThresholdHeader struct {
	Cluster   [16]byte `json:"cluster"`
	Era       string   `json:"era"`
	Salt      [16]byte `json:"salt"`
	IssuedAt  int64    `json:"issued_at"`
	ExpiresAt int64    `json:"expires_at"`
}

// Quality is what the meter says about itself.
type Quality struct {
	ClockSync   string `json:"clock_sync"`
	MeterStatus string `json:"meter_status"`
}

// SubmitReading is a provider's signed register value.
type SubmitReading struct {
	Header
	Market     string    `json:"market"`
	Meter      string    `json:"meter"`
	Register   uint64    `json:"register"`
	MeasuredAt int64     `json:"measured_at"`
	Quality    Quality   `json:"quality"`
	Supersedes *[32]byte `json:"supersedes"`
}

// Attest is an oracle's verdicts on ranges of readings.
type Attest struct {
	Header
	Market  string          `json:"market"`
	Ranges  []AttestedRange `json:"ranges"`
	Rejects []uint64        `json:"rejects,optional"`
	Values  []ObservedValue `json:"values,optional"`
}

// AttestedRange is a closed range of reading numbers with SHA-256 over their
// identities in order.
type AttestedRange struct {
	From uint64   `json:"from"`
	To   uint64   `json:"to"`
	Hash [32]byte `json:"hash"`
}

// ObservedValue is the register that the oracle itself observed for a reading.
type ObservedValue struct {
	Number   uint64 `json:"number"`
	Register uint64 `json:"register"`
}

// RotateKey replaces the signing key by a new one of the same principal; the
// old key stays valid for OverlapBlocks heights.
type RotateKey struct {
	Header
	PublicKey     [32]byte `json:"public_key"`
	Proof         [64]byte `json:"proof"`
	OverlapBlocks uint64   `json:"overlap_blocks"`
}

// RevokeKey ends a key of the signer's own principal at once.
type RevokeKey struct {
	Header
	Key [16]byte `json:"key"`
}

// RegisterPrincipal lets a new principal act, with a first key.
type RegisterPrincipal struct {
	ThresholdHeader
	Principal string   `json:"principal"`
	Role      string   `json:"role"`
	Scopes    []string `json:"scopes,optional"`
	PublicKey [32]byte `json:"public_key"`
	Proof     [64]byte `json:"proof"`
}

// RegisterKey gives a principal another key; one that it replaces ends at once.
type RegisterKey struct {
	ThresholdHeader
	Principal string    `json:"principal"`
	Scopes    []string  `json:"scopes,optional"`
	PublicKey [32]byte  `json:"public_key"`
	Proof     [64]byte  `json:"proof"`
	Replaces  *[16]byte `json:"replaces"`
}

// RevokePrincipalKey ends another principal's key at once.
type RevokePrincipalKey struct {
	ThresholdHeader
	Key [16]byte `json:"key"`
}

// RegisterMeters registers meters of one market, all or none.
type RegisterMeters struct {
	ThresholdHeader
	Market string     `json:"market"`
	Meters []MeterRow `json:"meters"`
}

// MeterRow is one meter to register. Capacity is in register units per hour; a
// register unit is 10^-Decimals of the market's unit.
type MeterRow struct {
	Meter      string `json:"meter"`
	Provider   string `json:"provider"`
	Payer      string `json:"payer"`
	Capacity   uint64 `json:"capacity"`
	IntervalMs int64  `json:"interval_ms"`
	Decimals   uint8  `json:"decimals"`
}

// RebaseMeter starts a meter's register anew after a roll-over or a swap.
type RebaseMeter struct {
	ThresholdHeader
	Meter      string `json:"meter"`
	Register   uint64 `json:"register"`
	MeasuredAt int64  `json:"measured_at"`
	Reason     string `json:"reason"`
}

// SetOracleWeight changes an oracle's weight from the next epoch on.
type SetOracleWeight struct {
	ThresholdHeader
	genesis.OracleWeight
}

// SetMarket adds a market, or replaces its row from an epoch on.
type SetMarket struct {
	ThresholdHeader
	genesis.Market
	ActivationEpoch uint64 `json:"activation_epoch"`
}

// Deposit brings money in from outside, once per reference.
type Deposit struct {
	ThresholdHeader
	Account   string `json:"account"`
	Asset     string `json:"asset"`
	Amount    Amount `json:"amount"`
	Reference string `json:"reference"`
}

// ReplaceNode lets a new node join in the place of an active one.
type ReplaceNode struct {
	ThresholdHeader
	Old          string                `json:"old"`
	Node         genesis.NodeStatement `json:"node"`
	SealedLogKey genesis.SealedKey     `json:"sealed_log_key"`
}

// CancelReplacement gives up the joining of a node.
type CancelReplacement struct {
	ThresholdHeader
	Node string `json:"node"`
}
