package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Config says what to audit.
type Config struct {
	Genesis *genesis.Signed
	// Dir is a journal's directory. It is opened for reading only.
	Dir string
	// Source gives the leaves instead of Dir.
	Source Source
	// Checkpoint is a signed note that the journal must agree with. If it is nil and
	// Dir is given, the one that the node keeps beside its journal is used, if any.
	Checkpoint []byte
	// Progress, unless nil, is called now and then with leaves done and in total.
	Progress func(done, total uint64)
	// Workers is how many goroutines verify signatures; 0 means one for each core.
	Workers int
}

// A Source gives leaves.
type Source interface {
	// Size is the number of leaves.
	Size() uint64
	// Leaves calls fn for the leaves [from, to) in order. An error of fn ends the walk
	// and is returned. A leaf must not change after the call.
	Leaves(from, to uint64, fn func(i uint64, leaf []byte) error) error
}

// hashed is a source that has a hash for every leaf, from elsewhere than the leaf.
type hashed interface {
	ReadHashes(indexes []int64) ([]tlog.Hash, error)
}

// Run audits. The error is about not being able to audit; what an audit finds is in
// the report.
func Run(ctx context.Context, c Config) (Report, error) {
	if c.Genesis == nil {
		return Report{}, errors.New("audit: no genesis is given")
	}
	if err := c.Genesis.CheckSigned(); err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Source == nil {
		j, err := journal.OpenReadOnly(c.Dir)
		if damaged, ok := errors.AsType[*journal.DamagedError](err); ok {
			return Report{FirstMismatch: &Mismatch{Leaf: damaged.Index, What: damaged.Error()}}, nil
		}
		if err != nil {
			return Report{}, fmt.Errorf("audit: %w", err)
		}
		defer func() { _ = j.Close() }()
		c.Source = j
		if err := c.findCheckpoint(); err != nil {
			return Report{}, fmt.Errorf("audit: %w", err)
		}
	}
	a, err := newAudit(c)
	if err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	if a.report.FirstMismatch == nil {
		if err := a.run(ctx); err != nil {
			return a.report, fmt.Errorf("audit: %w", err)
		}
	}
	return a.report, nil
}

// findCheckpoint takes the note that a node keeps beside its journal.
func (c *Config) findCheckpoint() error {
	if c.Checkpoint != nil {
		return nil
	}
	note, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Clean(c.Dir)), "checkpoint"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	c.Checkpoint = note
	return err
}
