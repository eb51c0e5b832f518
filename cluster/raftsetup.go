package cluster

import (
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"

	"github.com/tallyvault/tallyvault/cluster/logstore"
	"github.com/tallyvault/tallyvault/cluster/peer"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

const (
	// logCacheEntries are kept in memory for followers that are a little behind.
	logCacheEntries = 512
	// maxAppendEntries go into one message to a follower and one batch of Apply.
	maxAppendEntries = 64
	// keptSnapshots are on disk at a time.
	keptSnapshots = 2
	// transportPool and transportTimeout are the transport's connections and patience
	// per peer.
	transportPool    = 3
	transportTimeout = 10 * time.Second
)

// A transport carries Raft's messages over the peer port. It embeds the library's
// own, because Raft looks for pre-vote among the transport's methods and a wrapper
// that hides them would switch it off without a word.
type transport struct{ *raft.NetworkTransport }

var _ raft.WithPreVote = transport{}

func newTransport(port *peer.Port, c Config) transport {
	return transport{raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: port.Raft(), MaxPool: transportPool, Timeout: transportTimeout, Logger: raftLogger(c.Logger),
	})}
}

// A raftLog is where Raft keeps its log, term and vote: a [logstore.Store], or in
// simulations of many days one that lies in memory.
type raftLog interface {
	raft.LogStore
	raft.StableStore
	Stats() bbolt.Stats
	Close() error
}

// openLog opens Raft's log, term and vote. A log that lost or changed anything it
// acknowledged is refused, and the first failed write ends the node.
func (n *Node) openLog() (raftLog, error) {
	store, err := logstore.Open(logstore.Config{
		Path: n.dir.raftLog(),
		Fail: func(err error) {
			// Said at once: Raft panics when it cannot save its term.
			n.config.Logger.Error("Raft's log has failed, the node ends", "error", err)
			n.fail(err)
		},
	})
	if err != nil {
		return nil, err // not store: a nil pointer in an interface is not nil
	}
	return store, nil
}

// raftConfig derives all of Raft's settings from ours.
func raftConfig(c Config, self string, notify chan<- bool) *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID = raft.ServerID(self)
	r.Logger = raftLogger(c.Logger)
	r.NotifyCh = notify
	r.NoLegacyTelemetry = true
	r.MaxAppendEntries = maxAppendEntries
	r.HeartbeatTimeout, r.ElectionTimeout = c.RaftTimeout, c.RaftTimeout
	r.LeaderLeaseTimeout = c.RaftTimeout / 2
	r.CommitTimeout = max(c.RaftTimeout/20, time.Millisecond)
	if c.SnapshotThreshold > 0 {
		r.SnapshotThreshold = c.SnapshotThreshold
	}
	if c.SnapshotInterval > 0 {
		r.SnapshotInterval = c.SnapshotInterval
	}
	if c.TrailingLogs > 0 {
		r.TrailingLogs = c.TrailingLogs
	}
	return r
}

// servers is the configuration that a new cluster begins with, the same on every
// node. A server's address is its name: the peer port knows where that is.
func servers(g *genesis.Signed) raft.Configuration {
	var out raft.Configuration
	for _, n := range g.Nodes {
		out.Servers = append(out.Servers, raft.Server{ID: raft.ServerID(n.Name), Address: raft.ServerAddress(n.Name)})
	}
	return out
}

// startRaft bootstraps a new node and starts Raft, which restores the newest
// snapshot before it returns.
func (n *Node) startRaft(notify chan<- bool) (*raft.Raft, error) {
	config := raftConfig(n.config, n.self.Name, notify)
	logs, err := raft.NewLogCache(logCacheEntries, n.log)
	if err != nil {
		return nil, err
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(n.dir.raft(), keptSnapshots, config.Logger)
	if err != nil {
		return nil, fmt.Errorf("open Raft's snapshots: %w", err)
	}
	known, err := raft.HasExistingState(logs, n.log, snapshots)
	if err != nil {
		return nil, fmt.Errorf("look for an earlier state of Raft: %w", err)
	}
	if !known {
		if err := raft.BootstrapCluster(config, logs, n.log, snapshots, n.transport, servers(n.config.Genesis)); err != nil {
			return nil, fmt.Errorf("bootstrap Raft: %w", err)
		}
	}
	if n.replayed, err = n.log.LastIndex(); err != nil {
		return nil, fmt.Errorf("read Raft's log: %w", err)
	}
	kept, err := snapshots.List()
	if err != nil {
		return nil, fmt.Errorf("list Raft's snapshots: %w", err)
	}
	if len(kept) > 0 {
		// The state machine is told the state, but not at which index it is.
		n.replica.index.Store(kept[0].Index)
	}
	r, err := raft.NewRaft(config, n.replica, logs, n.log, snapshots, n.transport)
	if err != nil {
		return nil, fmt.Errorf("start Raft: %w", err)
	}
	return r, nil
}
