package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/fsm"
)

// snapshotFiles are Raft's snapshots on disk. Raft's own store passes over those whose
// description it cannot read, and Raft itself over those that it cannot restore, and
// goes on from an older one. A node that does so has lost what it promised to keep; so
// this store knows the newest alone, and every one must have a description.
type snapshotFiles struct {
	*raft.FileSnapshotStore
	dir string
}

// Names that Raft's store gives to what it writes.
const (
	snapshotDir     = "snapshots"
	snapshotMeta    = "meta.json"
	snapshotState   = "state.bin"
	unfinishedTrail = ".tmp"
)

// A DamagedSnapshotError says which of Raft's snapshots cannot be used. Going on from
// an older one would be to forget silently.
type DamagedSnapshotError struct {
	Path string
	Err  error
}

func (e *DamagedSnapshotError) Error() string {
	if _, other := errors.AsType[*fsm.OtherVersionError](e.Err); other {
		return fmt.Sprintf("raft's snapshot in %s: %v; start the version that wrote it, or replace this node by a new one", e.Path, e.Err)
	}
	return fmt.Sprintf("raft's snapshot in %s is damaged: %v; nothing here may be repaired or removed: keep the directory, "+
		"and replace this node by a new one (the committee's threshold command replace_node, see runbooks/replace-node.md)", e.Path, e.Err)
}

func (e *DamagedSnapshotError) Unwrap() error { return e.Err }

// openSnapshotFiles opens the snapshots below a directory. What a crash left unfinished
// is removed: Raft never looks at it again.
func openSnapshotFiles(dir string, log *slog.Logger) (*snapshotFiles, error) {
	inner, err := raft.NewFileSnapshotStoreWithLogger(dir, keptSnapshots, raftLogger(log))
	if err != nil {
		return nil, fmt.Errorf("open Raft's snapshots: %w", err)
	}
	s := &snapshotFiles{inner, filepath.Join(dir, snapshotDir)}
	unfinished, err := filepath.Glob(filepath.Join(s.dir, "*"+unfinishedTrail))
	if err != nil {
		return nil, fmt.Errorf("look for unfinished snapshots: %w", err)
	}
	for _, path := range unfinished {
		if err := os.RemoveAll(path); err != nil {
			return nil, fmt.Errorf("remove an unfinished snapshot: %w", err)
		}
	}
	return s, nil
}

// List implements raft.SnapshotStore.
func (s *snapshotFiles) List() ([]*raft.SnapshotMeta, error) {
	kept, err := s.FileSnapshotStore.List()
	if len(kept) > 1 {
		kept = kept[:1]
	}
	return kept, err
}

// whole asks that every snapshot says what it is.
func (s *snapshotFiles) whole() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("list Raft's snapshots: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() || strings.HasSuffix(entry.Name(), unfinishedTrail) {
			continue
		}
		path := s.path(entry.Name())
		data, err := os.ReadFile(filepath.Join(path, snapshotMeta))
		var meta raft.SnapshotMeta
		if err == nil {
			err = json.Unmarshal(data, &meta)
		}
		if err == nil && (meta.ID != entry.Name() || meta.Version != raft.SnapshotVersionMax) {
			err = fmt.Errorf("%s is of snapshot %q in version %d", snapshotMeta, meta.ID, meta.Version)
		}
		if err != nil {
			return &DamagedSnapshotError{path, err}
		}
	}
	return nil
}

func (s *snapshotFiles) path(id string) string { return filepath.Join(s.dir, id) }

func (s *snapshotFiles) state(id string) string { return filepath.Join(s.path(id), snapshotState) }
