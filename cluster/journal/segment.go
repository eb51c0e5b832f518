package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// A segment holds a fixed number of records of a sequence, first in a plain file
// and later in a sealed one.
type segment struct {
	number uint64
	dirty  bool // written since the last sync; the writer's

	// mu guards the change from plain to sealed: a reader holds it while it reads
	// the plain file, so that the file is not closed under it.
	mu     sync.RWMutex
	plain  *plain
	sealed *sealed
}

// read returns block b of the segment, as far as its records lie below limit
// (counted from the segment's first). The second result tells whether the block is
// sealed, thus complete and worth keeping.
func (s *segment) read(b int, limit uint64, lay layout) (block, bool, error) {
	s.mu.RLock()
	if s.plain != nil {
		defer s.mu.RUnlock()
		lo := uint64(b) * lay.block
		got, err := s.plain.read(block{}, int(lo), int(min(lo+lay.block, limit)))
		return got, false, err
	}
	file := s.sealed
	s.mu.RUnlock()
	if file == nil {
		return block{}, false, ErrClosed
	}
	got, err := file.read(block{}, b)
	return got, true, err
}

// record returns one record of the segment if that takes no decompression.
func (s *segment) record(i int) (record []byte, plain bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.plain == nil {
		return nil, false, nil
	}
	b, err := s.plain.read(block{}, i, i+1)
	if err != nil {
		return nil, true, err
	}
	return b.record(0), true, nil
}

func (s *segment) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plain == nil {
		return nil
	}
	err := s.plain.file.Close()
	s.plain = nil
	return err
}

// seal replaces a full plain segment by a sealed one. Crashes between the steps
// leave the plain file, a temporary one beside it, or both files; Open copes with
// each. The new file is read back and compared before the old one goes, since
// then it is the only copy on this node.
func (q *sequence) seal(s *segment) error {
	// Nobody but this goroutine changes s.plain, so it may read it unlocked.
	path := filepath.Join(q.dir, numbered(s.number, sealedSuffix))
	f, err := os.OpenFile(path+tempSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	first := s.number * q.lay.segment
	var plain block // one after the other: a segment's blocks would be megabytes of garbage
	readPlain := func(b int) (block, error) {
		lo := b * int(q.lay.block)
		var err error
		plain, err = s.plain.read(plain, lo, lo+int(q.lay.block))
		return plain, err
	}
	if err := writeSealed(f, q.codec, q.kind, first, q.lay, readPlain); err != nil {
		f.Close()
		return fmt.Errorf("seal segment: %w", err)
	}
	if err := commitFile(f, path); err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	file, err := openSealed(path, q.relative(s.number, sealedSuffix), q.kind, first, q.lay, q.codec)
	if err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	if err := q.compare(file, readPlain); err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	s.mu.Lock()
	old := s.plain.file
	s.plain, s.sealed = nil, file
	s.mu.Unlock()
	if err := old.Close(); err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	if err := os.Remove(filepath.Join(q.dir, numbered(s.number, plainSuffix))); err != nil {
		return fmt.Errorf("seal segment: %w", err)
	}
	return nil
}

func (q *sequence) compare(file *sealed, readPlain func(b int) (block, error)) error {
	var got block
	for b := range int(q.lay.segment / q.lay.block) {
		want, err := readPlain(b)
		if err != nil {
			return err
		}
		if got, err = file.read(got, b); err != nil {
			return err
		}
		stepAside()
		for i := range want.spans {
			if string(got.record(i)) != string(want.record(i)) {
				return file.damaged(b, "what was written reads back differently", nil)
			}
		}
	}
	return nil
}
