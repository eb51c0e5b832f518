package proof

import (
	"crypto/sha256"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// levels is the number of levels that a tree of up to MaxSize leaves has full
// subtrees on.
const levels = 49

// An Edge is the right edge of a tree: for each bit set in its size, the root of
// the full subtree of that many leaves. It is a value: copies are independent,
// cost 1.5 KiB and no allocation, and are equal (==) when the trees are. The zero
// Edge is the empty tree.
type Edge struct {
	size uint64
	// full[l] is the root of the full subtree of 2^l leaves if bit l of size is
	// set, and zero otherwise, so that == compares trees.
	full [levels]tlog.Hash
}

// NewEdge builds an edge from what Size and Hashes gave.
func NewEdge(size uint64, hashes []tlog.Hash) (Edge, error) {
	if size > MaxSize {
		return Edge{}, fmt.Errorf("tree edge: size %d is more than %d", size, uint64(MaxSize))
	}
	if want := bits.OnesCount64(size); len(hashes) != want {
		return Edge{}, fmt.Errorf("tree edge: %d hashes, want %d for size %d", len(hashes), want, size)
	}
	e := Edge{size: size}
	for l := levels - 1; l >= 0; l-- {
		if size>>l&1 == 1 {
			e.full[l], hashes = hashes[0], hashes[1:]
		}
	}
	return e, nil
}

// Size is the number of leaves.
func (e *Edge) Size() uint64 { return e.size }

// Hashes lists the roots of the full subtrees from left to right, that is the
// largest first.
func (e *Edge) Hashes() []tlog.Hash {
	hashes := make([]tlog.Hash, 0, bits.OnesCount64(e.size))
	for l := levels - 1; l >= 0; l-- {
		if e.size>>l&1 == 1 {
			hashes = append(hashes, e.full[l])
		}
	}
	return hashes
}

// Append adds a leaf by its record hash.
func (e *Edge) Append(leaf tlog.Hash) {
	// A leaf completes at most one subtree per level, so the list stays on the stack.
	var stored [levels]tlog.Hash
	e.AppendStored(stored[:0], leaf)
}

// AppendStored adds a leaf by its record hash and appends to dst the hashes that
// this completes, lowest level first. These are the ones that tlog keeps for the
// leaf from tlog.StoredHashIndex(0, size before) on.
func (e *Edge) AppendStored(dst []tlog.Hash, leaf tlog.Hash) []tlog.Hash {
	if e.size >= MaxSize {
		panic(fmt.Sprintf("tree edge: a leaf is appended to a full tree of %d leaves", e.size))
	}
	h := leaf
	l := 0
	for ; e.size>>l&1 == 1; l++ {
		dst = append(dst, h)
		h = tlog.NodeHash(e.full[l], h)
		e.full[l] = tlog.Hash{}
	}
	e.full[l] = h
	e.size++
	return append(dst, h)
}

// Root is the RFC 6962 root of the tree.
func (e *Edge) Root() tlog.Hash {
	if e.size == 0 {
		return sha256.Sum256(nil)
	}
	l := bits.TrailingZeros64(e.size)
	root := e.full[l]
	for l++; l < levels; l++ {
		if e.size>>l&1 == 1 {
			root = tlog.NodeHash(e.full[l], root)
		}
	}
	return root
}

// RootOf is the RFC 6962 root over a list of record hashes.
func RootOf(hashes []tlog.Hash) tlog.Hash {
	var e Edge
	for _, h := range hashes {
		e.Append(h)
	}
	return e.Root()
}
