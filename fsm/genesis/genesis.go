package genesis

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// PayloadType is the payload type of a genesis file.
const PayloadType = "application/vnd.tallyvault.genesis.v1+json"

// Genesis is the payload of a genesis file: everything a cluster starts from.
type Genesis struct {
	// Name is the committee's own name for its cluster; it identifies nothing.
	Name string `json:"name"`
	// Profile is demo, production or custom; it bounds the windows below.
	Profile string `json:"profile"`
	// CreatedAt is unix ms; replicated time starts here.
	CreatedAt int64 `json:"created_at"`
	// BlockMs is the length of a block interval; heights count them.
	BlockMs uint32 `json:"block_ms"`
	// AllowanceMs bounds how far a leader's clock may move time ahead.
	AllowanceMs uint32 `json:"allowance_ms"`
	// EpochBlocks is the length of an epoch in heights.
	EpochBlocks uint64 `json:"epoch_blocks"`
	// AdminThreshold is how many distinct admins a threshold command needs.
	AdminThreshold uint32 `json:"admin_threshold"`
	// Faulty (f) is how many nodes may lie; Cosigners (k) follows from it.
	Faulty    uint32 `json:"faulty"`
	Cosigners uint32 `json:"cosigners"`

	Nodes         []Node         `json:"nodes"`
	Principals    []Principal    `json:"principals"`
	Markets       []Market       `json:"markets"`
	OracleWeights []OracleWeight `json:"oracle_weights"`

	// Treasury and Houses are the profile's when they are left out.
	Treasury *Treasury `json:"treasury"`
	Houses   []House   `json:"houses,optional"`
	// ShortTreasuryWindows says that windows under a day are meant in production.
	ShortTreasuryWindows bool `json:"short_treasury_windows,optional"`

	LogKey        [32]byte    `json:"log_key"`
	SealedLogKeys []SealedKey `json:"sealed_log_keys"`
}

// Principal is an actor of the first hour with one key.
type Principal struct {
	Principal string   `json:"principal"`
	Role      string   `json:"role"`
	PublicKey [32]byte `json:"public_key"`
	// Proof is the key's proof of possession, for cluster zeros.
	Proof [64]byte `json:"proof"`
}

// OracleWeight gives an oracle its say in a market's electorates.
type OracleWeight struct {
	Market string `json:"market" form:"id"`
	Oracle string `json:"oracle" form:"id"`
	Weight uint64 `json:"weight" doc:"0 takes its say away"`
}

// Market is one row of market parameters; see package oracle for its rules.
type Market struct {
	Market              string `json:"market" form:"id"`
	Noun                string `json:"noun"`
	Unit                string `json:"unit"`
	Asset               string `json:"asset" form:"asset"`
	UnitPrice           uint64 `json:"unit_price" doc:"minor units of the asset for one whole unit"`
	FeeBps              uint32 `json:"fee_bps" doc:"share of the gross amount for the treasury, in 1/10,000"`
	SkewMs              int64  `json:"skew_ms"`
	MaxReadingAgeMs     int64  `json:"max_reading_age_ms"`
	DeviationPpm        uint32 `json:"deviation_ppm"`
	QuorumThresholdPpm  uint32 `json:"quorum_threshold_ppm" doc:"above 500,000 and at most 1,000,000"`
	ExpiryBlocks        uint64 `json:"expiry_blocks" doc:"heights after which a reading without quorum closes"`
	DisputeWindowBlocks uint64 `json:"dispute_window_blocks"`
	MaxPendingPerMeter  uint32 `json:"max_pending_per_meter"`
	MaxLiveReadings     uint32 `json:"max_live_readings"`
	Mode                string `json:"mode" enum:"real_time"`
	Stage               string `json:"stage" doc:"rehearsal: everything runs, no money moves" enum:"rehearsal,live"`
}

// Signed is a parsed genesis file.
type Signed struct {
	Genesis
	// Hash is SHA-256 of the payload; Cluster its first 16 bytes.
	Hash     [32]byte
	Cluster  [16]byte
	Envelope envelope.Envelope
}

// Parse reads a genesis file and validates its content. It does not demand
// signatures: a file that waits for some is read the same way.
func Parse(data []byte) (*Signed, error) {
	e, err := envelope.Parse(data)
	if err != nil {
		return nil, err
	}
	return FromEnvelope(e)
}

// FromEnvelope validates a decoded envelope as genesis.
func FromEnvelope(e envelope.Envelope) (*Signed, error) {
	if e.PayloadType != PayloadType {
		return nil, fmt.Errorf("payload type %q is not a genesis", e.PayloadType)
	}
	s := &Signed{Envelope: e, Hash: sha256.Sum256(e.Payload)}
	copy(s.Cluster[:], s.Hash[:])
	if err := strict.Decode(e.Payload, &s.Genesis); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	if err := s.Policy().Validate(); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	return s, nil
}

// Unsigned wraps a genesis for signing.
func Unsigned(g Genesis) (*Signed, error) {
	return FromEnvelope(envelope.Envelope{PayloadType: PayloadType, Payload: strict.Encode(g)})
}

// CheckSigned demands a good signature by every node and by nobody else.
func (s *Signed) CheckSigned() error {
	for _, n := range s.Nodes {
		if err := checkSigned(s.Envelope, n.NodeKey); err != nil {
			return fmt.Errorf("genesis is not signed by node %s: %w", n.Name, err)
		}
	}
	if extra := len(s.Envelope.Signatures) - len(s.Nodes); extra > 0 {
		return fmt.Errorf("genesis carries %d signatures beyond its %d nodes", extra, len(s.Nodes))
	}
	return nil
}

// Missing lists the nodes that have not signed yet, or not well.
func (s *Signed) Missing() []string {
	var names []string
	for _, n := range s.Nodes {
		if checkSigned(s.Envelope, n.NodeKey) != nil {
			names = append(names, n.Name)
		}
	}
	return names
}

// ClusterID is the cluster's name in hex.
func (s *Signed) ClusterID() string { return hex.EncodeToString(s.Cluster[:]) }

// Origin is the name of the journal of era 0.
func (s *Signed) Origin() string { return s.ClusterID() + "/0" }

// NodeNamed finds a node by name.
func (s *Signed) NodeNamed(name string) (Node, bool) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}

// NodeIndex finds the node that a node key belongs to.
func (s *Signed) NodeIndex(key [32]byte) (int, bool) {
	for i, n := range s.Nodes {
		if n.NodeKey == key {
			return i, true
		}
	}
	return 0, false
}

// CosignerName is the note key name of a node's cosigner.
func (s *Signed) CosignerName(n Node) string { return s.ClusterID() + "/" + n.Name }
