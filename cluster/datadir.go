package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cluster/logstore"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// A dataDir is the directory in which a node keeps all that it must not lose:
//
//	cluster.json   whose directory this is
//	raft/log.db    Raft's log, term and vote; log.db.mark says what it must hold
//	raft/snapshots Raft's snapshots
//	journal/       leaves, tree hashes, outcomes and the index
//	signed.json    the last checkpoint this node signed
//	checkpoint     the newest published checkpoint note
//	members.json   who the nodes are, as the newest applied state said
//	removed.json   when and by whom this node was replaced, once it was
//	evidence/      contradictions seen
//	refused/       snapshots of a leader that were not believed, and why
//	backfill.tmp   leaves being fetched from peers
//	offered.tmp    a snapshot of the leader's on its way in
type dataDir string

func (d dataDir) path(name string) string { return filepath.Join(string(d), name) }
func (d dataDir) identity() string        { return d.path("cluster.json") }
func (d dataDir) raft() string            { return d.path("raft") }
func (d dataDir) raftLog() string         { return filepath.Join(d.raft(), "log.db") }
func (d dataDir) journal() string         { return d.path("journal") }
func (d dataDir) signed() string          { return d.path("signed.json") }
func (d dataDir) checkpoint() string      { return d.path("checkpoint") }
func (d dataDir) evidence() string        { return d.path("evidence") }
func (d dataDir) members() string         { return d.path("members.json") }
func (d dataDir) removed() string         { return d.path("removed.json") }
func (d dataDir) backfill() string        { return d.path("backfill.tmp") }
func (d dataDir) refused() string         { return d.path("refused") }
func (d dataDir) offered() string         { return d.path("offered.tmp") }

// owner is the content of cluster.json.
type owner struct {
	Cluster string `json:"cluster"`
	Era     string `json:"era"`
	Node    string `json:"node"`
}

// claim makes an empty directory this node's, or checks that it already is.
func (d dataDir) claim(g *genesis.Signed, era, node string) error {
	want := owner{Cluster: g.ClusterID(), Era: era, Node: node}
	data, err := os.ReadFile(d.identity())
	if errors.Is(err, fs.ErrNotExist) {
		return d.create(want, g.Origin())
	}
	if err != nil {
		return fmt.Errorf("read the data directory's owner: %w", err)
	}
	var have owner
	if err := json.Unmarshal(data, &have); err != nil {
		return fmt.Errorf("%s is damaged: %w; %s", d.identity(), err, wayBack)
	}
	var wrong error
	switch {
	case have.Cluster != want.Cluster:
		wrong = fmt.Errorf("%s belongs to cluster %s; this genesis is of cluster %s", d, have.Cluster, want.Cluster)
	case have.Era != want.Era:
		wrong = fmt.Errorf("%s is of era %s; this genesis is of era %s", d, have.Era, want.Era)
	case have.Node != want.Node:
		wrong = fmt.Errorf("%s belongs to node %s; these keys are node %s's", d, have.Node, want.Node)
	default:
		return nil
	}
	return fmt.Errorf("%w. So says %s; if nobody has mixed directories up, that file is damaged: %s", wrong, d.identity(), wayBack)
}

// create writes the owner last: a crash before leaves a directory that is empty as
// far as anybody can tell.
func (d dataDir) create(o owner, origin string) error {
	for _, path := range []string{d.raftLog(), d.journal(), d.checkpoint()} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s exists, but %s, which says whose it is, does not: %s", path, d.identity(), wayBack)
		}
	}
	if err := os.MkdirAll(d.raft(), 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := cosign.Create(d.signed(), origin); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := logstore.Create(d.raftLog()); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	data, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return cosign.WriteFile(d.identity(), append(data, '\n'))
}
