package cosign

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/cloudflare/circl/sign/ed25519"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Why a checkpoint is not signed.
var (
	// ErrOlder: a larger tree has been signed already.
	ErrOlder = errors.New("a later checkpoint has been signed already")
	// ErrContradiction: the tree to be signed is not one that the last signed tree
	// can have grown into. The node must stop.
	ErrContradiction = errors.New("the checkpoint contradicts the last one signed by this node")
)

// A Tree answers for the node's own journal.
type Tree interface {
	// Root is the root of the first size leaves.
	Root(size uint64) (tlog.Hash, error)
	// ProveTree proves that the tree of size leaves begins with that of old leaves.
	ProveTree(size, old uint64) (tlog.TreeProof, error)
}

// last is the content of the signer's file.
type last struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size,string"`
	Root   string `json:"root"`
	// Sum is over the others. A flipped bit must not make the node forget what it
	// signed, or refuse to sign for ever.
	Sum string `json:"sum"`
}

func (l last) sum() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "tallyvault signed 1\n%s\n%d\n%s\n", l.Origin, l.Size, l.Root))
	return hex.EncodeToString(sum[:])
}

// replaced is the way back of a node that does not know what it signed.
const replaced = "this node may have signed what it no longer knows of and must not sign again: " +
	"keep its directory, and replace it by a new node (the committee's threshold command replace_node, see runbooks/replace-node.md)"

// A Signer signs checkpoints of one origin with the cosigner key. Its methods may
// be called from several goroutines.
type Signer struct {
	path string
	name string // in signature lines
	key  ed25519.PrivateKey

	mu     sync.Mutex // held while the file is written, so that signatures are in order
	signed proof.Checkpoint
}

// Create writes the file of a node that has signed nothing. An existing file is
// left as it is.
func Create(path, origin string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return save(path, proof.Checkpoint{Origin: origin})
}

func save(path string, cp proof.Checkpoint) error {
	l := last{Origin: cp.Origin, Size: cp.Size, Root: hex.EncodeToString(cp.Root[:])}
	l.Sum = l.sum()
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return WriteFile(path, append(data, '\n'))
}

// Open reads the file that Create or an earlier Signer wrote. A missing one, one
// of another origin and one that does not parse are errors.
func Open(path, origin, name string, key ed25519.PrivateKey) (*Signer, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: %s", path, replaced)
	}
	if err != nil {
		return nil, fmt.Errorf("read the last signed checkpoint: %w", err)
	}
	var l last
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; %s", path, err, replaced)
	}
	if l.Sum != l.sum() {
		return nil, fmt.Errorf("%s is damaged: its checksum is wrong; %s", path, replaced)
	}
	root, err := hex.DecodeString(l.Root)
	if err != nil || len(root) != tlog.HashSize {
		return nil, fmt.Errorf("%s is damaged: %q is not a root; %s", path, l.Root, replaced)
	}
	if l.Origin != origin {
		return nil, fmt.Errorf("%s is about %q, this node's journal is %q", path, l.Origin, origin)
	}
	return &Signer{
		path: path, name: name, key: key,
		signed: proof.Checkpoint{Origin: origin, Size: l.Size, Root: tlog.Hash(root)},
	}, nil
}

// Last is the checkpoint signed last; size zero if none was.
func (s *Signer) Last() proof.Checkpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed
}

// Sign signs a checkpoint at a time in Unix seconds. What it is about to sign is
// on disk before the signature exists.
func (s *Signer) Sign(cp proof.Checkpoint, unixSeconds uint64, tree Tree) (proof.Cosignature, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.allow(cp, tree); err != nil {
		return proof.Cosignature{}, err
	}
	if cp != s.signed {
		if err := save(s.path, cp); err != nil {
			return proof.Cosignature{}, err
		}
		s.signed = cp
	}
	return proof.Cosign(s.name, s.key, unixSeconds, cp), nil
}

// allow asks the questions of the package documentation.
func (s *Signer) allow(cp proof.Checkpoint, tree Tree) error {
	switch {
	case cp.Origin != s.signed.Origin:
		return fmt.Errorf("checkpoint of %q, this node signs for %q", cp.Origin, s.signed.Origin)
	case cp.Size < s.signed.Size:
		return ErrOlder
	case cp.Size == s.signed.Size && cp.Size > 0 && cp.Root != s.signed.Root:
		return fmt.Errorf("%w: size %d was signed with another root", ErrContradiction, cp.Size)
	case cp.Size == 0:
		return errors.New("an empty journal is not signed")
	}
	root, err := tree.Root(cp.Size)
	if err != nil {
		return fmt.Errorf("look up the root of size %d: %w", cp.Size, err)
	}
	if root != cp.Root {
		return fmt.Errorf("%w: the journal has another root at size %d than the state machine", ErrContradiction, cp.Size)
	}
	if s.signed.Size == 0 || s.signed.Size == cp.Size {
		return nil
	}
	path, err := tree.ProveTree(cp.Size, s.signed.Size)
	if err != nil {
		return fmt.Errorf("prove that size %d grew out of %d: %w", cp.Size, s.signed.Size, err)
	}
	err = tlog.CheckTree(path, int64(cp.Size), cp.Root, int64(s.signed.Size), s.signed.Root)
	if err != nil {
		return fmt.Errorf("%w: size %d does not continue size %d", ErrContradiction, cp.Size, s.signed.Size)
	}
	return nil
}
