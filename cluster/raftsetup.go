package cluster

import (
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/logstore"
	"github.com/tallyvault/tallyvault/cluster/peer"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

const (
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

// Close implements raft.WithClose. Connections that wait in the pool go too.
func (t transport) Close() error {
	err := t.NetworkTransport.Close()
	t.CloseStreams()
	return err
}

func newTransport(port *peer.Port, c Config) transport {
	return transport{raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: port.Raft(), MaxPool: transportPool, Timeout: transportTimeout, Logger: raftLogger(c.Logger),
	})}
}

// openLog opens Raft's log, term and vote. A log that lost or changed anything it
// acknowledged is refused, and the first failed write ends the node.
func (n *Node) openLog() (*logstore.Store, error) {
	return logstore.Open(logstore.Config{
		Path: n.dir.raftLog(), Watch: n.disk.begin,
		Fail: func(err error) {
			// Said at once: Raft panics when it cannot save its term.
			n.config.Logger.Error("Raft's log has failed, the node ends", "error", err)
			n.fail(err)
		},
	})
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
	r.SnapshotThreshold, r.SnapshotInterval = c.SnapshotThreshold, c.SnapshotInterval
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

// newConsensus puts together what Raft is opened over.
func (n *Node) newConsensus() (*consensus, error) {
	snapshots, err := openSnapshotFiles(n.dir.raft(), n.config.Logger)
	if err != nil {
		return nil, err
	}
	c := &consensus{
		log: n.log, snapshots: snapshots, replica: n.replica,
		offers: &offers{
			waiting: n.dir.offered(), dir: n.dir.refused(), leader: n.leader, clock: n.config.Clock,
			room: func() (uint64, error) { return snapshotRoom(n.config.Dir) }, refused: n.snapshotRefused,
		},
		config:  func(notify chan<- bool) *raft.Config { return raftConfig(n.config, n.self.Name, notify) },
		connect: func() raft.Transport { return newTransport(n.port, n.config) },
	}
	kept, err := c.offers.kept()
	if err != nil {
		return nil, err
	}
	if len(kept) > 0 {
		// Refused before a restart: people must have looked, and taken it away.
		n.alarms.raise(AlarmSnapshot)
	}
	// A node that joins is told Raft's configuration by the leader that takes it in.
	if n.config.Join == nil {
		c.servers = servers(n.config.Genesis)
	}
	return c, nil
}
