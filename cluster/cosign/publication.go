package cosign

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// A Published is a checkpoint note that met the policy.
type Published struct {
	proof.Checkpoint
	Note      []byte
	Cosigners []string // short names, in the policy's order
}

// A Publication is the newest published checkpoint of this node.
type Publication struct {
	path string

	mu     sync.Mutex
	newest Published
	moved  chan struct{} // closed and replaced at each change
}

// OpenPublication reads the file that an earlier run left, if it is there and
// meets the policy of its size; one that does not is an error, since only damage or another
// cluster's file explains it.
func OpenPublication(path string, policyAt func(size uint64) proof.Policy) (*Publication, error) {
	p := &Publication{path: path, moved: make(chan struct{})}
	note, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the published checkpoint: %w", err)
	}
	if p.newest, err = Verify(policyAt, note); err != nil {
		return nil, fmt.Errorf("the published checkpoint in %s is damaged, or another cluster's: %w; "+
			"everybody may have this file, so remove it alone, and the node takes the next one from its peers", path, err)
	}
	return p, nil
}

// Verify reads a note under the policy of its size.
func Verify(policyAt func(size uint64) proof.Policy, note []byte) (Published, error) {
	claimed, err := proof.ReadCheckpoint(note)
	if err != nil {
		return Published{}, err
	}
	cp, names, err := proof.VerifyCheckpoint(policyAt(claimed.Size), note)
	if err != nil {
		return Published{}, err
	}
	return Published{cp, note, names}, nil
}

// A Signed is a witness' valid cosignature.
type Signed struct {
	Witness     proof.Witness
	Cosignature proof.Cosignature
}

// Cosigned lists the valid cosignatures on a note by the witnesses of its size,
// whether or not they are enough and whatever else is wrong with it.
func Cosigned(policyAt func(size uint64) proof.Policy, note []byte) (proof.Checkpoint, []Signed) {
	text, lines, _ := strings.Cut(string(note), "\n\n")
	cp, err := proof.ParseCheckpoint(text + "\n")
	if err != nil {
		return proof.Checkpoint{}, nil
	}
	policy := policyAt(cp.Size)
	if cp.Origin != policy.Origin {
		return proof.Checkpoint{}, nil
	}
	var signed []Signed
	for line := range strings.Lines(lines) {
		c, err := proof.ParseCosignature(line)
		if err != nil {
			continue
		}
		for _, w := range policy.Witnesses {
			if w.KeyName == c.Name && c.Verify(w.Key, cp) {
				signed = append(signed, Signed{w, c})
			}
		}
	}
	return cp, signed
}

// Newest is the newest published checkpoint; its note is nil if there is none.
func (p *Publication) Newest() Published {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest
}

// Changed is closed when Newest gives something else than it does now. Take it
// before looking at Newest.
func (p *Publication) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moved
}

// Publish takes a verified note and reports whether it is news. One of the same
// size with another root is an error: k cosigners have contradicted themselves.
func (p *Publication) Publish(n Published) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch old := p.newest; {
	case n.Size < old.Size, n.Size == old.Size && n.Root == old.Root && len(n.Cosigners) <= len(old.Cosigners):
		return false, nil
	case n.Size == old.Size && n.Root != old.Root:
		return false, fmt.Errorf("two checkpoints of size %d with different roots meet the policy", n.Size)
	}
	if err := WriteFile(p.path, n.Note); err != nil {
		return false, err
	}
	p.newest = n
	close(p.moved)
	p.moved = make(chan struct{})
	return true, nil
}
