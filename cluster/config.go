package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Config is what a node needs to take part in its cluster.
type Config struct {
	// Dir is the node's data directory. An empty or absent one is made into a new
	// node's; one of another cluster, era or node is refused.
	Dir string
	// Genesis must carry the signatures of all its nodes.
	Genesis *genesis.Signed
	// NodeKey and CosignerKey are the keys that genesis or Join names for this node.
	NodeKey, CosignerKey ed25519.PrivateKey
	// SealingKey is the X25519 private key that the log key is sealed to.
	SealingKey [32]byte
	// Join lets a node in that genesis does not name; a node of genesis needs none.
	Join *Join
	// PeerListener is the socket of the peer port. Without one, New listens on
	// PeerAddress, and without that on the address in genesis.
	PeerListener net.Listener
	PeerAddress  string
	Logger       *slog.Logger
	// Registry receives the node's metrics; nil means that nobody reads them.
	Registry prometheus.Registerer
	// Clock tells the wall time. Only tests and the demo replace time.Now.
	Clock func() time.Time
	// RaftTimeout is how long a follower waits for its leader before it stands for
	// election; the other times of Raft follow from it. The default, a second, suits
	// networks with round trips of up to 50 ms. Calls between nodes have 2 s and more
	// whatever it is, so that round trips should not be longer than half a second.
	RaftTimeout time.Duration
	// A snapshot is taken when SnapshotThreshold Raft entries have come since the
	// last one, looked at every SnapshotInterval; TrailingLogs of them stay behind
	// for followers that lag. Zero means 256, 30 s and Raft's own 10,240: an entry holds
	// hundreds of commands under load, and what came since the last snapshot is applied
	// again at a start.
	SnapshotThreshold uint64
	SnapshotInterval  time.Duration
	TrailingLogs      uint64
	// DiskTimeout is how long one write or sync in Dir may take before the node leaves
	// its peers and ends. The default is 10 s.
	DiskTimeout time.Duration

	// Tests set these: the way to a peer's address, which is TCP otherwise, and how often
	// an idle cluster says what time it is.
	dial     func(ctx context.Context, address string) (net.Conn, error)
	idleTick time.Duration
}

// A Join is how a node comes in that genesis does not name.
type Join struct {
	// Command is the committee's decision, which holds the log key for this node.
	Command fsm.ReplaceNode
	// Peers are present members that genesis does not name either. The node first
	// talks to these and to those of genesis, and learns of the others from them.
	Peers []genesis.Node
}

// Bounds of RaftTimeout.
const (
	minRaftTimeout     = 50 * time.Millisecond
	maxRaftTimeout     = time.Minute
	defaultRaftTimeout = time.Second
)

const (
	defaultSnapshotThreshold = 256
	defaultSnapshotInterval  = 30 * time.Second
)

// normal fills in defaults and refuses what cannot work.
func (c Config) normal() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("no data directory is given")
	}
	if c.Genesis == nil {
		return c, errors.New("no genesis is given")
	}
	if len(c.NodeKey) != ed25519.PrivateKeySize || len(c.CosignerKey) != ed25519.PrivateKeySize {
		return c, errors.New("the node key and the cosigner key must be Ed25519 private keys")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.RaftTimeout == 0 {
		c.RaftTimeout = defaultRaftTimeout
	}
	if c.RaftTimeout < minRaftTimeout || c.RaftTimeout > maxRaftTimeout {
		return c, fmt.Errorf("raft timeout %s: want %s to %s", c.RaftTimeout, minRaftTimeout, maxRaftTimeout)
	}
	if c.idleTick == 0 {
		c.idleTick = defaultIdleTick
	}
	if c.DiskTimeout == 0 {
		c.DiskTimeout = defaultDiskTimeout
	}
	if c.DiskTimeout < minDiskTimeout || c.DiskTimeout > maxDiskTimeout {
		return c, fmt.Errorf("disk timeout %s: want %s to %s", c.DiskTimeout, minDiskTimeout, maxDiskTimeout)
	}
	if c.SnapshotInterval < 0 {
		return c, errors.New("the snapshot interval is negative")
	}
	if c.SnapshotInterval == 0 {
		c.SnapshotInterval = defaultSnapshotInterval
	}
	if c.SnapshotThreshold == 0 {
		c.SnapshotThreshold = defaultSnapshotThreshold
	}
	return c, nil
}

// member finds the node that this process is, by its keys, with the log key sealed to
// it, and demands that everybody has signed the genesis.
func (c Config) member() (genesis.Node, ed25519.PrivateKey, error) {
	self, sealed, err := c.seat()
	if err != nil {
		return genesis.Node{}, nil, err
	}
	if self.CosignerKey != [32]byte(c.CosignerKey[ed25519.SeedSize:]) {
		return genesis.Node{}, nil, fmt.Errorf("another cosigner key is named for node %s", self.Name)
	}
	if err := c.Genesis.CheckSigned(); err != nil {
		return genesis.Node{}, nil, err
	}
	if sealed != nil {
		logKey, err := c.Genesis.OpenSealed(*sealed, c.SealingKey)
		return self, logKey, err
	}
	logKey, err := c.Genesis.OpenLogKey(self.Name, c.SealingKey)
	return self, logKey, err
}

// seat is the node that genesis names with this node's key, or the one that joins.
func (c Config) seat() (genesis.Node, *genesis.SealedKey, error) {
	key := [32]byte(c.NodeKey[ed25519.SeedSize:])
	if index, ok := c.Genesis.NodeIndex(key); ok {
		return c.Genesis.Nodes[index], nil, nil
	}
	if c.Join == nil {
		return genesis.Node{}, nil, errors.New("genesis does not name this node's key, and there is no replace_node command that does: it is not a member of this cluster")
	}
	self, err := c.Join.Command.Node.Open()
	if err != nil {
		return genesis.Node{}, nil, fmt.Errorf("the replace_node command: %w", err)
	}
	switch {
	case self.NodeKey != key:
		return genesis.Node{}, nil, fmt.Errorf("the replace_node command lets node %s in, with another key than this node's", self.Name)
	case c.Join.Command.Cluster != c.Genesis.Cluster:
		return genesis.Node{}, nil, fmt.Errorf("the replace_node command is of cluster %x, the genesis of cluster %s", c.Join.Command.Cluster, c.Genesis.ClusterID())
	}
	return self, &c.Join.Command.SealedLogKey, nil
}
