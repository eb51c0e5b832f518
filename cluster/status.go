package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

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
	// LastTickMs is how long ago the last tick was applied here, -1 if none was.
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

const (
	// readyLag is how many committed Raft entries a ready node may not have applied.
	// Raft's own entries never reach the state machine and count here too.
	readyLag = 256
	// readyTicks is how many idle ticks a ready node may miss.
	readyTicks = 4
)

// Status is how this node is doing, and what its peers last said.
func (n *Node) Status() Status {
	s := n.ownStatus()
	s.Peers = n.load.list(n.roster.peers())
	return s
}

// ownStatus is what this node tells its peers.
func (n *Node) ownStatus() Status {
	v := n.View()
	s := Status{
		Node: n.self.Name, Role: RoleStopped, Entry: v.Number(), Height: v.Height(), Now: v.Now(),
		TreeSize: v.TreeSize(), FinalSize: n.FinalSize(), ReceiptsReady: n.replica.complete(),
		AppliedIndex: n.replica.index.Load(), Alarms: slices.Clone(v.Alarms()), LocalAlarms: n.alarms.list(),
	}
	if last := n.lastTick.Load(); last != 0 {
		s.LastTickMs = time.Since(time.Unix(0, last)).Milliseconds()
	} else {
		s.LastTickMs = -1
	}
	r := n.raft.Load()
	if r == nil {
		return s
	}
	s.Leader, s.Term = n.leader(), r.CurrentTerm()
	s.LogIndex, s.CommitIndex = r.LastIndex(), r.CommitIndex()
	s.Lag = s.CommitIndex - min(s.CommitIndex, s.AppliedIndex)
	switch r.State() {
	case raft.Leader:
		s.Role = RoleLeader
	case raft.Follower:
		s.Role = RoleFollower
	case raft.Candidate:
		s.Role = RoleCandidate
	case raft.Shutdown:
	}
	return s
}

// NotReady lists why a node should not be asked now.
type NotReady struct{ Reasons []string }

// Error implements error.
func (e *NotReady) Error() string { return "not ready: " + strings.Join(e.Reasons, "; ") }

// Ready says why this node should not be asked now, with a *NotReady, or nil: it
// knows a leader, has applied what is committed, holds the whole journal, hears the
// time and is not alarmed. A peer that contradicted itself leaves evidence and an
// alarm to look at, but must not put honest nodes out of service.
func (n *Node) Ready() error {
	s := n.ownStatus()
	var reasons []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			reasons = append(reasons, fmt.Sprintf(format, args...))
		}
	}
	waits := n.waits.Load()
	if waits != nil {
		add(true, "the node waits: %s", *waits)
	} else {
		add(s.Role == RoleStopped, "the node is not running")
	}
	add(n.draining.Load(), "the node is stopping")
	add(s.Leader == "", "there is no leader")
	add(s.Leader == n.self.Name && n.leading() == nil, "the leader is not ready yet")
	add(s.Lag > readyLag, "%d committed entries are not applied yet", s.Lag)
	add(!s.ReceiptsReady, "the journal is not complete yet")
	add(s.LastTickMs < 0 || s.LastTickMs > readyTicks*n.config.idleTick.Milliseconds(), "no recent clock tick")
	add(len(s.Alarms) > 0, "replicated alarm: %s", strings.Join(s.Alarms, ", "))
	add(slices.Contains(s.LocalAlarms, AlarmForward), "local alarm: %s", AlarmForward)
	if len(reasons) == 0 {
		return nil
	}
	return &NotReady{reasons}
}
