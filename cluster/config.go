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

	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Config is what a node needs to take part in its cluster.
type Config struct {
	// Dir is the node's data directory. An empty or absent one is made into a new
	// node's; one of another cluster, era or node is refused.
	Dir string
	// Genesis must carry the signatures of all its nodes.
	Genesis *genesis.Signed
	// NodeKey and CosignerKey are the keys that genesis names for this node.
	NodeKey, CosignerKey ed25519.PrivateKey
	// SealingKey is the X25519 private key that the log key is sealed to.
	SealingKey [32]byte
	// PeerListener is the socket of the peer port. Without one, New listens on
	// PeerAddress, and without that on the address in genesis.
	PeerListener net.Listener
	PeerAddress  string
	// PeerDial connects to a peer's address. Without one it is TCP. Listener and dial
	// together are the network; tests replace both by one that lies in memory.
	PeerDial func(ctx context.Context, address string) (net.Conn, error)
	Logger   *slog.Logger
	// Registry receives the node's metrics; nil means that nobody reads them.
	Registry prometheus.Registerer
	// Clock tells the wall time. Only tests and the demo replace time.Now.
	Clock func() time.Time
	// RaftTimeout is how long a follower waits for its leader before it stands for
	// election; the other times of Raft follow from it. The default, a second, suits
	// networks with round trips of up to 50 ms.
	RaftTimeout time.Duration
	// IdleTick is how often a cluster with nothing to do says what time it is, 1 s to
	// 1 min, the default 5 s. Replicated time stands still between two entries, so it
	// trails by as much; and as an entry counts 15 s at most for heights, a longer
	// IdleTick makes idle windows longer. All nodes should have the same.
	IdleTick time.Duration
	// A snapshot is taken when SnapshotThreshold Raft entries have come since the
	// last one, looked at every SnapshotInterval; TrailingLogs of them stay behind
	// for followers that lag. Zero means Raft's own 8,192, 2 minutes and 10,240.
	SnapshotThreshold uint64
	SnapshotInterval  time.Duration
	TrailingLogs      uint64
}

// Bounds of RaftTimeout.
const (
	minRaftTimeout     = 50 * time.Millisecond
	maxRaftTimeout     = time.Minute
	defaultRaftTimeout = time.Second
)

// Bounds of IdleTick.
const (
	minIdleTick     = time.Second
	maxIdleTick     = time.Minute
	defaultIdleTick = 5 * time.Second
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
	if c.IdleTick == 0 {
		c.IdleTick = defaultIdleTick
	}
	if c.IdleTick < minIdleTick || c.IdleTick > maxIdleTick {
		return c, fmt.Errorf("idle tick %s: want %s to %s", c.IdleTick, minIdleTick, maxIdleTick)
	}
	if c.SnapshotInterval < 0 {
		return c, errors.New("the snapshot interval is negative")
	}
	return c, nil
}

// member finds the node that this process is, by its keys, and demands that
// everybody has signed the genesis.
func (c Config) member() (int, genesis.Node, error) {
	index, ok := c.Genesis.NodeIndex([32]byte(c.NodeKey[ed25519.SeedSize:]))
	if !ok {
		return 0, genesis.Node{}, errors.New("genesis does not name this node's key: it is not a member of this cluster")
	}
	self := c.Genesis.Nodes[index]
	if self.CosignerKey != [32]byte(c.CosignerKey[ed25519.SeedSize:]) {
		return 0, genesis.Node{}, fmt.Errorf("genesis names another cosigner key for node %s", self.Name)
	}
	if err := c.Genesis.CheckSigned(); err != nil {
		return 0, genesis.Node{}, err
	}
	return index, self, nil
}
