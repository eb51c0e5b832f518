package proof

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const proofHeader = "c2sp.org/tlog-proof@v1"

// MaxLeaf is the largest leaf that a journal holds, in bytes.
const MaxLeaf = 65_535

// Bounds on what ParseProof looks at: a path is at most as long as a tree of
// MaxSize leaves is high, and everything else has a bound of its own.
const (
	maxPath      = 48
	maxProofSize = (MaxLeaf+2)/3*4 + maxPath*45 + maxNoteSize + 256
)

// A Proof is a receipt file taken apart. Nothing in it has been verified.
type Proof struct {
	Leaf  []byte
	Index uint64
	Path  tlog.RecordProof
	Note  []byte
}

// Verified is what a receipt file proved under a policy.
type Verified struct {
	Leaf       []byte
	Index      uint64
	Checkpoint Checkpoint
	Cosigners  []string // short names of the witnesses, in the policy's order
}

// FormatProof writes a receipt file: a leaf, its index, the path from its hash to
// the root that the signed note states.
func FormatProof(leaf []byte, index uint64, path tlog.RecordProof, signed []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, encode64(leaf), index)
	for _, h := range path {
		b.WriteString(encode64(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(signed)
	return []byte(b.String())
}

// ParseProof reads what FormatProof writes and refuses everything else. The
// signed note is cut off, not looked into. Errors are of type [*Error].
func ParseProof(data []byte) (Proof, error) {
	if len(data) > maxProofSize {
		return Proof{}, refuse(PartHeader, "file of %d bytes, want at most %d", len(data), maxProofSize)
	}
	header, rest, ok := strings.Cut(string(data), "\n")
	if !ok || header != proofHeader {
		return Proof{}, refuse(PartHeader, "the first line is not %q", proofHeader)
	}
	var p Proof
	var err error
	if p.Leaf, rest, err = cutLeaf(rest); err != nil {
		return Proof{}, &Error{PartLeaf, err}
	}
	if p.Index, rest, err = cutIndex(rest); err != nil {
		return Proof{}, &Error{PartIndex, err}
	}
	if p.Path, rest, err = cutPath(rest); err != nil {
		return Proof{}, &Error{PartPath, err}
	}
	p.Note = []byte(rest)
	return p, nil
}

func cutLeaf(s string) (leaf []byte, rest string, err error) {
	line, rest, ok := strings.Cut(s, "\n")
	text, has := strings.CutPrefix(line, "extra ")
	if !ok || !has {
		return nil, "", errors.New("no extra line with the leaf")
	}
	leaf, err = decode64(text)
	if err != nil {
		return nil, "", err
	}
	if len(leaf) == 0 || len(leaf) > MaxLeaf {
		return nil, "", fmt.Errorf("%d bytes, want 1 to %d", len(leaf), MaxLeaf)
	}
	return leaf, rest, nil
}

func cutIndex(s string) (index uint64, rest string, err error) {
	line, rest, ok := strings.Cut(s, "\n")
	text, has := strings.CutPrefix(line, "index ")
	if !ok || !has {
		return 0, "", errors.New("no index line")
	}
	index, err = parseCount(text)
	return index, rest, err
}

func cutPath(s string) (path tlog.RecordProof, rest string, err error) {
	for {
		line, rest, ok := strings.Cut(s, "\n")
		if !ok {
			return nil, "", errors.New("no empty line ends it")
		}
		if line == "" {
			return path, rest, nil
		}
		if len(path) == maxPath {
			return nil, "", fmt.Errorf("more than %d hashes", maxPath)
		}
		h, err := parseHash(line)
		if err != nil {
			return nil, "", fmt.Errorf("hash %d: %w", len(path)+1, err)
		}
		path = append(path, h)
		s = rest
	}
}

// VerifyProof checks a receipt file under a policy: the checkpoint first, so that
// the root is beyond doubt when the path is run. Errors are of type [*Error].
func VerifyProof(policy Policy, data []byte) (Verified, error) {
	return verifyProof(func(note []byte) (Checkpoint, []string, error) { return VerifyCheckpoint(policy, note) }, data)
}

func verifyProof(judge func(note []byte) (Checkpoint, []string, error), data []byte) (Verified, error) {
	p, err := ParseProof(data)
	if err != nil {
		return Verified{}, err
	}
	cp, cosigners, err := judge(p.Note)
	if err != nil {
		return Verified{}, err
	}
	if p.Index >= cp.Size {
		return Verified{}, refuse(PartIndex, "%d is not below the checkpoint's size %d", p.Index, cp.Size)
	}
	if want := pathLen(p.Index, cp.Size); len(p.Path) != want {
		return Verified{}, refuse(PartPath, "%d hashes, want %d for index %d of %d", len(p.Path), want, p.Index, cp.Size)
	}
	err = tlog.CheckRecord(p.Path, int64(cp.Size), cp.Root, int64(p.Index), tlog.RecordHash(p.Leaf))
	if err != nil {
		return Verified{}, refuse(PartInclusion, "does not lead to the root of the checkpoint: %w", err)
	}
	return Verified{Leaf: p.Leaf, Index: p.Index, Checkpoint: cp, Cosigners: cosigners}, nil
}

// pathLen is how many hashes lead from leaf index to the root of size leaves: as
// many as the leaf has levels of the tree above it.
func pathLen(index, size uint64) int {
	n := 0
	for lo, hi := uint64(0), size; hi-lo > 1; n++ {
		split := uint64(1)
		for split*2 < hi-lo {
			split *= 2
		}
		if index < lo+split {
			hi = lo + split
		} else {
			lo += split
		}
	}
	return n
}
