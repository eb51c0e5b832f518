// Package remote reads a journal from a node over its API, as the C2SP entry
// bundles that the node serves: 256 leaves a piece, each leaf behind its length
// in two bytes.
//
// What a node says is taken for nothing but bytes. Whoever reads a journal from
// here re-runs it and compares the root with a checkpoint that k nodes cosigned,
// which this package fetches and does not judge.
package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// bundle is how many leaves a whole entry bundle has.
const bundle = 256

// ahead is how many bundles are under way at a time, so that a distant node is
// not waited for again and again.
const ahead = 8

// Journal is a journal of which a node is asked piece by piece.
type Journal struct {
	fetch func(path string) ([]byte, error)
	size  uint64
	note  []byte
}

// Open asks for the newest checkpoint, which bounds what is read. fetch gets a
// document of the node by its path, such as /checkpoint; it is called by several
// goroutines at once.
func Open(fetch func(path string) ([]byte, error)) (*Journal, error) {
	note, err := fetch("/checkpoint")
	if err != nil {
		return nil, fmt.Errorf("fetching the checkpoint: %w", err)
	}
	size, err := sizeIn(note)
	if err != nil {
		return nil, err
	}
	return &Journal{fetch: fetch, size: size, note: note}, nil
}

// sizeIn reads the size that a checkpoint claims; its signatures are judged by
// whoever uses it.
func sizeIn(note []byte) (uint64, error) {
	text, _, ok := strings.Cut(string(note), "\n\n")
	if !ok {
		return 0, errors.New("the checkpoint is not a signed note")
	}
	cp, err := proof.ParseCheckpoint(text + "\n")
	return cp.Size, err
}

// Size is the number of leaves under the checkpoint.
func (j *Journal) Size() uint64 { return j.size }

// Checkpoint is the signed note that was fetched.
func (j *Journal) Checkpoint() []byte { return j.note }

// piece is one bundle on its way.
type piece struct {
	first uint64
	came  chan arrival
}

// arrival is what became of a piece.
type arrival struct {
	leaves [][]byte
	err    error
}

// Leaves calls fn for the leaves [from, to) in order.
func (j *Journal) Leaves(from, to uint64, fn func(i uint64, leaf []byte) error) error {
	if from > to || to > j.size {
		return fmt.Errorf("leaves %d to %d of a journal of %d", from, to, j.size)
	}
	var queue []piece
	// Whatever is on its way when the walk ends is waited for.
	defer func() {
		for _, p := range queue {
			<-p.came
		}
	}()
	next := from / bundle
	for i := from; i < to; {
		for len(queue) < ahead && next*bundle < to {
			queue = append(queue, j.begin(next))
			next++
		}
		p := queue[0]
		queue = queue[1:]
		got := <-p.came
		if got.err != nil {
			return got.err
		}
		for n, leaf := range got.leaves {
			at := p.first + uint64(n)
			if at < i || at >= to {
				continue
			}
			if err := fn(at, leaf); err != nil {
				return err
			}
			i = at + 1
		}
	}
	return nil
}

// begin fetches a bundle.
func (j *Journal) begin(n uint64) piece {
	p := piece{first: n * bundle, came: make(chan arrival, 1)}
	go func() {
		leaves, err := j.bundle(n)
		p.came <- arrival{leaves, err}
	}()
	return p
}

func (j *Journal) bundle(n uint64) ([][]byte, error) {
	width := int(min(bundle, j.size-n*bundle))
	data, err := j.fetch(bundlePath(n, width))
	if err != nil {
		return nil, fmt.Errorf("fetching leaves from %d on: %w", n*bundle, err)
	}
	leaves := make([][]byte, 0, width)
	for range width {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("the bundle of leaves from %d on is cut short", n*bundle)
		}
		length := 2 + int(binary.BigEndian.Uint16(data))
		leaves = append(leaves, data[2:length:length])
		data = data[length:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("the bundle of leaves from %d on has bytes behind its last leaf", n*bundle)
	}
	return leaves, nil
}

// bundlePath is the path of a bundle in c2sp.org/tlog-tiles. The library's own
// paths have a height in them and another word for entries.
func bundlePath(n uint64, width int) string {
	const height = 8
	path := tlog.Tile{H: height, L: -1, N: int64(n), W: width}.Path()
	return "/tile/entries/" + strings.TrimPrefix(path, "tile/8/data/")
}
