package journal

import (
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// Tiles of c2sp.org/tlog-tiles have eight levels.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// ReadHashes implements tlog.HashReader over the stored hashes.
func (j *Journal) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	count := tlog.StoredHashCount(int64(j.Size()))
	for _, i := range indexes {
		if i < 0 || i >= count {
			return nil, &RangeError{What: "stored hash", Got: uint64(i), Max: uint64(count)}
		}
	}
	if len(indexes) == 0 {
		return nil, nil
	}
	return j.hashes.read(indexes)
}

// Root is the root of the tree of the first size leaves.
func (j *Journal) Root(size uint64) (tlog.Hash, error) {
	if err := j.inTree(size); err != nil {
		return tlog.Hash{}, err
	}
	return tlog.TreeHash(int64(size), j)
}

// inTree checks a tree size before it is converted to a signed number.
func (j *Journal) inTree(size uint64) error {
	if max := j.Size(); size > max {
		return &RangeError{What: "tree size", Got: size, Max: max + 1}
	}
	return nil
}

// ProveRecord proves that leaf i is in the tree of the first size leaves. The proof
// has been checked against the leaf's stored hash and the root.
func (j *Journal) ProveRecord(size, i uint64) (tlog.RecordProof, error) {
	if err := j.inTree(size); err != nil {
		return nil, err
	}
	if i >= size {
		return nil, &RangeError{What: "leaf", Got: i, Max: size}
	}
	root, err := j.Root(size)
	if err != nil {
		return nil, err
	}
	leaf, err := j.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(i))})
	if err != nil {
		return nil, err
	}
	p, err := tlog.ProveRecord(int64(size), int64(i), j)
	if err != nil {
		return nil, fmt.Errorf("prove leaf %d: %w", i, err)
	}
	if err := tlog.CheckRecord(p, int64(size), root, int64(i), leaf[0]); err != nil {
		return nil, &DamagedError{File: hashesName, What: "a hash on the leaf's path is wrong", Index: i, Err: err}
	}
	return p, nil
}

// ProveTree proves that the tree of the first size leaves continues the one of the
// first old leaves, which must not be empty. The proof has been checked.
func (j *Journal) ProveTree(size, old uint64) (tlog.TreeProof, error) {
	if err := j.inTree(size); err != nil {
		return nil, err
	}
	if old > size {
		return nil, &RangeError{What: "old tree size", Got: old, Max: size + 1}
	}
	p, err := tlog.ProveTree(int64(size), int64(old), j)
	if err != nil {
		return nil, fmt.Errorf("prove tree of %d leaves from %d: %w", size, old, err)
	}
	root, err := j.Root(size)
	if err != nil {
		return nil, err
	}
	oldRoot, err := j.Root(old)
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(p, int64(size), root, int64(old), oldRoot); err != nil {
		return nil, &DamagedError{File: hashesName, What: "a hash on the old tree's edge is wrong", Index: old, Err: err}
	}
	return p, nil
}

// inTiles checks that a tile of that width lies within the tree. level 0 serves
// for entries too.
func (j *Journal) inTiles(level int, index uint64, width int) error {
	if level < 0 || level > maxTileLevel {
		return &RangeError{What: "tile level", Got: uint64(level), Max: maxTileLevel + 1}
	}
	if width < 1 || width > tileWidth {
		return &RangeError{What: "tile width", Got: uint64(width), Max: tileWidth + 1}
	}
	hashes := j.Size() >> (tileHeight * level) // on the tile's lowest level
	if index > hashes/tileWidth || index*tileWidth+uint64(width) > hashes {
		return &RangeError{What: fmt.Sprintf("tile of level %d and width %d, number", level, width), Got: index, Max: (hashes + tileWidth - uint64(width)) / tileWidth}
	}
	return nil
}

// TileData returns the hash tile of a level and number, of 1 to 256 hashes, as
// c2sp.org/tlog-tiles has it. A full tile has been checked against the hash above.
func (j *Journal) TileData(level int, index uint64, width int) ([]byte, error) {
	if err := j.inTiles(level, index, width); err != nil {
		return nil, err
	}
	tile := tlog.Tile{H: tileHeight, L: level, N: int64(index), W: width}
	data, err := tlog.ReadTileData(tile, j)
	if err != nil || width < tileWidth {
		return data, err
	}
	hashes := make([]tlog.Hash, tileWidth)
	for i := range hashes {
		hashes[i] = tlog.Hash(data[i*tlog.HashSize:])
	}
	above, err := j.ReadHashes([]int64{tlog.StoredHashIndex(tileHeight*(level+1), int64(index))})
	if err != nil {
		return nil, err
	}
	if proof.RootOf(hashes) != above[0] {
		return nil, &DamagedError{File: hashesName, What: "a tile does not have the hash above it", Index: index << (tileHeight * (level + 1))}
	}
	return data, nil
}

// EntryBundle returns width leaves from number index x 256 on, each with its length
// in two bytes before it, as c2sp.org/tlog-tiles has it.
func (j *Journal) EntryBundle(index uint64, width int) ([]byte, error) {
	if err := j.inTiles(0, index, width); err != nil {
		return nil, err
	}
	var bundle []byte
	from := index * tileWidth
	err := j.Leaves(from, from+uint64(width), func(_ uint64, leaf []byte) error {
		bundle = order.AppendUint16(bundle, uint16(len(leaf)))
		bundle = append(bundle, leaf...)
		return nil
	})
	return bundle, err
}
