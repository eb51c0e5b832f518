package proof

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// Standings of a change of policy, as its receipts state them.
const (
	PolicyPending    = "pending"
	PolicyEffective  = "effective"
	PolicyCancelled  = "cancelled"
	PolicySuperseded = "superseded"
)

// KindPolicy is the kind of a policy receipt.
const KindPolicy = "policy"

// ReceiptHead begins every receipt.
type ReceiptHead struct {
	Kind   string `json:"kind"`
	Entry  uint64 `json:"entry" doc:"number of the log entry"`
	Height uint64 `json:"height" doc:"replicated height"`
	At     int64  `json:"at" doc:"replicated time, unix ms"`
}

// PolicyReceipt is the journal leaf that states a step of a change of policy: the
// policy before it, and in full the one that it leads to.
type PolicyReceipt struct {
	ReceiptHead `doc:"A step of a change of the committee: the policy before it, and in full the one that it leads to."`
	// Change counts changes from 1. Each has one pending receipt and at most one
	// other, which ends it.
	Change   uint64 `json:"change" doc:"counts changes from 1"`
	Standing string `json:"standing" enum:"pending,effective,cancelled,superseded"`
	Old      string `json:"old"`
	New      string `json:"new"`
	// Decided is the leaf of the change's pending receipt.
	Decided uint64 `json:"decided" doc:"leaf of the change's pending receipt"`
	// Previous is the hash of the policy when the change was decided, Policy of the
	// one that this receipt leads to; see Policy.Hash.
	Previous  [32]byte     `json:"previous" doc:"hash of the policy when the change was decided"`
	Policy    [32]byte     `json:"policy" doc:"hash of the policy that this leads to"`
	Cosigners uint32       `json:"cosigners"`
	Nodes     []PolicyNode `json:"nodes"`
	// Transition is there when the change takes effect.
	Transition *Transition `json:"transition" doc:"the checkpoint that both committees cosigned, when the change takes effect"`
}

// PolicyNode is a node of the committee, in order of seats.
type PolicyNode struct {
	Seat        uint8    `json:"seat"`
	Node        string   `json:"node"`
	NodeKey     [32]byte `json:"node_key"`
	CosignerKey [32]byte `json:"cosigner_key"`
	PeerAddress string   `json:"peer_address"`
	APIAddress  string   `json:"api_address"`
}

// Transition is the checkpoint that both committees cosigned.
type Transition struct {
	Cut  uint64    `json:"cut"`
	Size uint64    `json:"size"`
	Root tlog.Hash `json:"root"`
}

// Hash is SHA-256 of the policy's text.
func (p Policy) Hash() [32]byte { return sha256.Sum256(p.Format()) }
