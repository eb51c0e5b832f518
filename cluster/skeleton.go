package cluster

import (
	"context"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
)

// Node is a member of a cluster.
type Node struct{}

// New validates and opens; it waits for nothing and starts nothing.
func New(c Config) (*Node, error) { panic("being built") }

// Run takes part in the cluster until ctx ends or a fatal error.
func (n *Node) Run(ctx context.Context) error { panic("being built") }

// Name is this node's name in genesis.
func (n *Node) Name() string { panic("being built") }

// Submit hands commands to the leader, from any node, and waits for their outcomes.
func (n *Node) Submit(ctx context.Context, commands []*fsm.Command) ([]Answer, error) {
	panic("being built")
}

// View is the state after the last applied entry.
func (n *Node) View() *fsm.View { panic("being built") }

// Outcome finds the outcome of a command by identity. final says that it lies under the newest published checkpoint.
func (n *Node) Outcome(id fsm.Identity) (outcome *fsm.Outcome, final, ok bool, err error) {
	panic("being built")
}

// Refs lists the leaves of the receipts about an object, oldest first.
func (n *Node) Refs(kind byte, key string) ([]uint64, error) { panic("being built") }

// Leaf returns a leaf that is applied here.
func (n *Node) Leaf(i uint64) ([]byte, error) { panic("being built") }

// Receipt returns a leaf and its proof file under the newest published checkpoint.
func (n *Node) Receipt(i uint64) (Receipt, error) { panic("being built") }

// Checkpoint is the newest published checkpoint note, nil before the first.
func (n *Node) Checkpoint() []byte { panic("being built") }

// FinalSize is the size of the newest published checkpoint.
func (n *Node) FinalSize() uint64 { panic("being built") }

// Journal serves tiles and entry bundles; it must not be written to.
func (n *Node) Journal() *journal.Journal { panic("being built") }

// WaitApplied waits until this node has applied the entry.
func (n *Node) WaitApplied(ctx context.Context, entry uint64) error { panic("being built") }

// WaitFinal waits until a checkpoint of at least that size is published here.
func (n *Node) WaitFinal(ctx context.Context, size uint64) error { panic("being built") }

// ReadIndex asks the leader which entry a read must wait for.
func (n *Node) ReadIndex(ctx context.Context, linearizable bool) (uint64, error) {
	panic("being built")
}

// Digest is the digest of the live state and the entry that it is of.
func (n *Node) Digest(ctx context.Context) (entry uint64, digest [32]byte, err error) {
	panic("being built")
}

// Status is how this node is doing.
func (n *Node) Status() Status { panic("being built") }

// Ready says why this node should not be asked now, or nil.
func (n *Node) Ready() error { panic("being built") }

// A Receipt is a leaf with its proof.
type Receipt struct {
	Index uint64
	Leaf  []byte
	Size  uint64 // of the checkpoint that the proof leads to
	File  []byte // the tlog-proof file
}
