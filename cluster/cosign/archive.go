package cosign

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// maxKept bounds how much evidence about one node is kept: a node that signs
// anything must not fill the disk, and one file convicts it.
const maxKept = 8

// An Archive is the directory in which a node keeps evidence.
type Archive struct {
	dir string

	mu    sync.Mutex
	files map[string]bool     // names
	kept  map[string]int      // by node
	open  map[string]Evidence // by file, what still lacks a final checkpoint
}

const evidenceSuffix = ".json"

// OpenArchive reads what is in dir, which need not exist. Evidence that was found
// before the committee's checkpoint was final is completed later.
func OpenArchive(dir string) (*Archive, error) {
	a := &Archive{dir: dir, files: map[string]bool{}, kept: map[string]int{}, open: map[string]Evidence{}}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the evidence: %w", err)
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != evidenceSuffix {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the evidence: %w", err)
		}
		a.files[entry.Name()] = true
		e, err := ParseEvidence(data)
		if err != nil {
			continue // somebody's own notes, or a file of an older version
		}
		a.kept[e.Node]++
		if e.Final == nil {
			a.open[entry.Name()] = e
		}
	}
	return a, nil
}

// Len is how many files there are.
func (a *Archive) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.files)
}

// Keep writes evidence to a file named after node, size and root, and returns its
// path. The same evidence is kept once, and about one node a few times.
func (a *Archive) Keep(e Evidence) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := fmt.Sprintf("%s-%d-%s%s", e.Node, e.Signed.Size, hex.EncodeToString(e.Signed.Root[:8]), evidenceSuffix)
	path := filepath.Join(a.dir, name)
	if a.files[name] {
		return path, nil
	}
	if a.kept[e.Node] >= maxKept {
		return "", fmt.Errorf("there is enough evidence about %s in %s", e.Node, a.dir)
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	if err := write(path, e); err != nil {
		return "", err
	}
	a.files[name] = true
	a.kept[e.Node]++
	if e.Final == nil {
		a.open[name] = e
	}
	return path, nil
}

func write(path string, e Evidence) error {
	data, err := e.Format()
	if err == nil {
		err = WriteFile(path, data)
	}
	if err != nil {
		return fmt.Errorf("keep evidence: %w", err)
	}
	return nil
}

// Complete puts a published checkpoint into all evidence that waits for one.
func (a *Archive) Complete(n Published, tree Tree) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, e := range a.open {
		if n.Size < e.Ours.Size {
			continue
		}
		path, err := tree.ProveTree(n.Size, e.Ours.Size)
		if err != nil {
			return fmt.Errorf("complete evidence: %w", err)
		}
		e.Final, e.Path = n.Note, path
		if err := write(filepath.Join(a.dir, name), e); err != nil {
			return err
		}
		delete(a.open, name)
	}
	return nil
}
