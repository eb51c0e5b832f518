package cluster

import "time"

// Roles that a Status can state.
const (
	RoleLeader    = "leader"
	RoleFollower  = "follower"
	RoleCandidate = "candidate"
	RoleStopped   = "stopped"
)

// Status is how a node is doing. All but Peers is also what it tells its peers.
type Status struct {
	Node   string `json:"node"`
	Role   string `json:"role"`
	Leader string `json:"leader"` // "" if not known
	Term   uint64 `json:"term"`

	// Raft's indices. Applied is the last one that the state machine has consumed,
	// which may be far behind what Raft calls applied.
	LogIndex     uint64 `json:"log_index"`
	CommitIndex  uint64 `json:"commit_index"`
	AppliedIndex uint64 `json:"applied_index"`

	Entry     uint64 `json:"entry"` // number of the last applied entry
	Height    uint64 `json:"height"`
	Now       int64  `json:"now"` // replicated time, unix ms
	TreeSize  uint64 `json:"tree_size"`
	FinalSize uint64 `json:"final_size"`
	// Lag is how many committed Raft entries the state machine has not seen yet.
	Lag uint64 `json:"lag"`
	// LastTickMs is how long ago the last tick was applied.
	LastTickMs int64 `json:"last_tick_ms"`

	// ReceiptsReady says that the journal is complete, so that proofs can be served.
	ReceiptsReady bool     `json:"receipts_ready"`
	Alarms        []string `json:"alarms"`       // replicated, the same on all nodes
	LocalAlarms   []string `json:"local_alarms"` // what this node alone has noticed

	Peers []PeerStatus `json:"peers,omitempty"`
}

// PeerStatus is what a peer last said about itself.
type PeerStatus struct {
	Name   string        `json:"name"`
	Seen   bool          `json:"seen"`   // whether it ever answered
	Ago    time.Duration `json:"ago_ns"` // how long ago that was
	Status Status        `json:"status"`
}
