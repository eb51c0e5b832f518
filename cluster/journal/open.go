package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// Open opens a journal for writing and makes a new one if dir is empty or absent.
// It goes back to the last mark; see the crash rules in the package documentation.
// Damage below the mark is a [*DamagedError], another process that writes to the
// journal is [ErrLocked].
func Open(dir string) (*Journal, error) { return open(dir, production, false) }

// OpenReadOnly opens a journal up to its last mark and changes nothing in it. It may
// run beside a process that writes, whose later marks it does not see.
func OpenReadOnly(dir string) (*Journal, error) {
	// A writer may replace the mark and remove the index runs that the old one named
	// while they are being opened. The next mark is then already there.
	const tries = 5
	for try := 1; ; try++ {
		j, err := open(dir, production, true)
		if err == nil || try == tries || !errors.Is(err, fs.ErrNotExist) {
			return j, err
		}
	}
}

func open(dir string, lay layout, readOnly bool) (_ *Journal, err error) {
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, readOnly: readOnly, codec: codec}
	cache := newBlockCache(lay.cacheBytes)
	j.leaves = &sequence{kind: kindLeaves, name: "leaves", lay: lay, codec: codec, cache: cache}
	j.outcomes = &sequence{kind: kindOutcomes, name: "outcomes", lay: lay, codec: codec, cache: cache}
	for _, q := range j.sequences() {
		q.dir = filepath.Join(dir, q.name)
	}
	j.index = newIndex(filepath.Join(dir, indexName), lay, &j.failure)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open journal: %w", err), j.release())
		}
	}()
	if err := j.claim(); err != nil {
		return nil, err
	}
	if err := j.load(); err != nil {
		return nil, err
	}
	if !readOnly {
		if err := j.removeBeyond(); err != nil {
			return nil, err
		}
		j.startWorkers()
	}
	return j, nil
}

func (j *Journal) sequences() []*sequence { return []*sequence{j.leaves, j.outcomes} }

// claim takes the lock and makes sure that there is a mark.
func (j *Journal) claim() error {
	if j.readOnly {
		_, exists, err := readMark(j.dir)
		if err == nil && !exists {
			err = fmt.Errorf("%s holds no journal: %w", j.dir, fs.ErrNotExist)
		}
		return err
	}
	for _, d := range []string{j.dir, j.leaves.dir, j.outcomes.dir, j.index.dir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	var err error
	if j.lock, err = lockDir(j.dir); err != nil {
		return err
	}
	_, exists, err := readMark(j.dir)
	if err != nil || exists {
		return err
	}
	// The empty mark comes before every other file. From here on a journal without
	// a mark is a damaged one.
	var empty proof.Edge
	if err := replaceFile(filepath.Join(j.dir, markName), mark{root: empty.Root()}.format()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(j.dir))
}

// load opens everything up to the mark.
func (j *Journal) load() error {
	var err error
	if j.marked, _, err = readMark(j.dir); err != nil {
		return err
	}
	if err := j.leaves.load(j.marked.leaves, j.readOnly); err != nil {
		return err
	}
	if err := j.outcomes.load(j.marked.outcomes, j.readOnly); err != nil {
		return err
	}
	if err := j.loadHashes(); err != nil {
		return err
	}
	return j.index.load(j.marked)
}

// loadHashes opens the hash file, cuts it at the mark and reads the right edge,
// whose root must be the one in the mark.
func (j *Journal) loadHashes() error {
	path := filepath.Join(j.dir, hashesName)
	mode := os.O_RDWR
	if j.readOnly {
		mode = os.O_RDONLY
	} else if j.marked.leaves == 0 {
		mode |= os.O_CREATE
	}
	f, err := os.OpenFile(path, mode, 0o600)
	if err != nil {
		if j.readOnly && j.marked.leaves == 0 && errors.Is(err, fs.ErrNotExist) {
			return nil // a new journal has no hashes yet, and none will be asked for
		}
		return &DamagedError{File: hashesName, What: "the file cannot be opened", Err: err}
	}
	j.hashes = &hashFile{file: f}
	if mode&os.O_CREATE != 0 {
		// The file must be there before a mark counts its first hash.
		if err := syncDir(j.dir); err != nil {
			return err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := tlog.StoredHashCount(int64(j.marked.leaves)) * tlog.HashSize
	if info.Size() < size {
		_, leaf := tlog.SplitStoredHashIndex(info.Size() / tlog.HashSize)
		return &DamagedError{File: hashesName, What: "the file ends before the mark", Index: uint64(leaf)}
	}
	if !j.readOnly {
		if err := f.Truncate(size); err != nil {
			return err
		}
	}
	return j.loadEdge()
}

func (j *Journal) loadEdge() error {
	hashes, err := j.hashes.read(edgeIndexes(j.marked.leaves))
	if err != nil {
		return err
	}
	if j.edge, err = proof.NewEdge(j.marked.leaves, hashes); err != nil {
		return &DamagedError{File: markName, What: "the tree's size is impossible", Err: err}
	}
	if j.edge.Root() != j.marked.root {
		return &DamagedError{File: hashesName, What: "the right edge does not have the root that the mark states", Index: j.marked.leaves}
	}
	return nil
}

// edgeIndexes lists the stored indexes of the full subtrees at the right edge of a
// tree of size leaves, from left to right.
func edgeIndexes(size uint64) []int64 {
	var indexes []int64
	for level := 62; level >= 0; level-- {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, int64(size>>level)-1))
		}
	}
	return indexes
}

func (j *Journal) removeBeyond() error {
	if err := j.leaves.removeBeyond(j.marked.leaves); err != nil {
		return err
	}
	if err := j.outcomes.removeBeyond(j.marked.outcomes); err != nil {
		return err
	}
	return j.index.removeBeyond(j.marked)
}
