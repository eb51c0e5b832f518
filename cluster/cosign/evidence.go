package cosign

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Evidence is a cosignature that contradicts this node's own computation.
type Evidence struct {
	Node        string            // who signed
	Key         [32]byte          // its cosigner key
	Signed      proof.Checkpoint  // what it signed
	Cosignature proof.Cosignature // and how
	Ours        proof.Checkpoint  // what this node computed for the same size
}

// Valid reports whether the evidence proves what it claims.
func (e Evidence) Valid() bool {
	return e.Signed.Origin == e.Ours.Origin && e.Signed.Size == e.Ours.Size && e.Signed.Root != e.Ours.Root &&
		e.Cosignature.Verify(e.Key, e.Signed)
}

// Save keeps valid evidence in dir, in a file named after node, size and root,
// and returns its path. The same evidence is kept once.
func (e Evidence) Save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.json", e.Node, e.Signed.Size, hex.EncodeToString(e.Signed.Root[:8])))
	data, err := json.MarshalIndent(map[string]string{
		"node":               e.Node,
		"cosigner_key":       hex.EncodeToString(e.Key[:]),
		"checkpoint":         e.Signed.Text(),
		"cosignature":        e.Cosignature.Line(),
		"computed_here":      e.Ours.Text(),
		"how_to_check":       "the cosignature verifies over the checkpoint under the cosigner key, and the two checkpoints differ at one size",
		"cosignature_format": "cosignature/v1 (c2sp.org/tlog-cosignature)",
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	return path, WriteFile(path, append(data, '\n'))
}
