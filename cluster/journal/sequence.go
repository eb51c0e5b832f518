package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Kinds of sequences, as written in segment headers.
const (
	kindLeaves   byte = 1
	kindOutcomes byte = 2
)

// A sequence is a dense list of records, cut into segments. Leaves and outcomes
// are stored by the same code.
type sequence struct {
	kind  byte
	name  string // of the directory, and for errors
	dir   string
	lay   layout
	codec *codec
	cache *blockCache

	// count is how many records readers may see.
	count atomic.Uint64
	// marked is how many of them the last mark covers; segments below are sealed.
	marked atomic.Uint64
	// nextSeal is the first segment that may still be plain; the sealer's.
	nextSeal uint64

	newFiles bool // a file was created since the last sync; the writer's

	mu       sync.RWMutex // guards the slice, not the segments
	segments []*segment
}

func (q *sequence) relative(number uint64, suffix string) string {
	return filepath.Join(q.name, numbered(number, suffix))
}

// at finds the segment of record i, which must be below count.
func (q *sequence) at(i uint64) *segment {
	q.mu.RLock()
	defer q.mu.RUnlock()
	return q.segments[i/q.lay.segment]
}

func (q *sequence) all() []*segment {
	q.mu.RLock()
	defer q.mu.RUnlock()
	return q.segments[:len(q.segments):len(q.segments)]
}

// check refuses a batch that leaves a gap or holds too large a record.
func (q *sequence) check(first uint64, records [][]byte) error {
	if have := q.count.Load(); first > have {
		return &GapError{Sequence: q.name, Have: have, First: first}
	}
	for i, record := range records {
		if len(record) > MaxRecord {
			return &RangeError{
				What: fmt.Sprintf("length of %s record %d", q.name, first+uint64(i)),
				Got:  uint64(len(record)), Max: MaxRecord + 1,
			}
		}
	}
	return nil
}

// append writes records behind the stored ones without publishing them.
func (q *sequence) append(records [][]byte) error {
	at := q.count.Load()
	for len(records) > 0 {
		s, err := q.open(at)
		if err != nil {
			return fmt.Errorf("append to %s: %w", q.name, err)
		}
		n := min(uint64(len(records)), q.lay.segment-at%q.lay.segment)
		if err := s.plain.append(records[:n]); err != nil {
			return err
		}
		s.dirty = true
		records = records[n:]
		at += n
	}
	return nil
}

// open returns the segment that record i, the next to be written, belongs to.
func (q *sequence) open(i uint64) (*segment, error) {
	number := i / q.lay.segment
	segments := q.all()
	if number < uint64(len(segments)) {
		return segments[number], nil
	}
	file, err := createPlain(filepath.Join(q.dir, numbered(number, plainSuffix)),
		q.relative(number, plainSuffix), q.kind, number*q.lay.segment, q.lay.segment)
	if err != nil {
		return nil, err
	}
	s := &segment{number: number, plain: file}
	q.newFiles = true
	q.mu.Lock()
	q.segments = append(q.segments, s)
	q.mu.Unlock()
	return s, nil
}

// record returns record i.
func (q *sequence) record(i uint64) ([]byte, error) {
	if count := q.count.Load(); i >= count {
		return nil, &RangeError{What: q.name + " record", Got: i, Max: count}
	}
	s := q.at(i)
	if record, plain, err := s.record(int(i % q.lay.segment)); plain {
		return record, err
	}
	id := blockID{q.kind, i / q.lay.block}
	b, ok := q.cache.get(id)
	if !ok {
		var sealed bool
		var err error
		b, sealed, err = s.read(int(i%q.lay.segment/q.lay.block), q.lay.segment, q.lay)
		if err != nil {
			return nil, err
		}
		if sealed {
			q.cache.put(id, b)
		}
	}
	return b.record(int(i % q.lay.block)), nil
}

// each calls fn for the records [from, to) in order, reading block by block past
// the cache, which one long pass would only empty.
func (q *sequence) each(from, to uint64, fn func(i uint64, record []byte) error) error {
	count := q.count.Load()
	if to > count || from > to {
		return &RangeError{What: q.name + " range end", Got: max(from, to), Max: count + 1}
	}
	for i := from; i < to; {
		inSegment := i % q.lay.segment
		limit := min(to-(i-inSegment), q.lay.segment)
		b, _, err := q.at(i).read(int(inSegment/q.lay.block), limit, q.lay)
		if err != nil {
			return err
		}
		for at := inSegment % q.lay.block; at < q.lay.block && i < to; at++ {
			if err := fn(i, b.record(int(at))); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

// takeDirty returns the files that a sync must flush. The writer's lock is held.
func (q *sequence) takeDirty() (files []*os.File, dir bool) {
	for _, s := range q.all() {
		// A segment that is written is above the mark, so it is plain and stays so.
		if s.dirty {
			files = append(files, s.plain.file)
			s.dirty = false
		}
	}
	dir, q.newFiles = q.newFiles, false
	return files, dir
}

// sealNext seals the next segment that lies below the mark; false if there is none.
func (q *sequence) sealNext() (bool, error) {
	for (q.nextSeal+1)*q.lay.segment <= q.marked.Load() {
		s := q.at(q.nextSeal * q.lay.segment)
		q.nextSeal++
		s.mu.RLock()
		plain := s.plain != nil
		s.mu.RUnlock()
		if plain {
			return true, q.seal(s)
		}
	}
	return false, nil
}

func (q *sequence) close() error {
	var errs []error
	for _, s := range q.all() {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// load opens the segments of the first count records.
func (q *sequence) load(count uint64, readOnly bool) error {
	for number := range (count + q.lay.segment - 1) / q.lay.segment {
		want := min(q.lay.segment, count-number*q.lay.segment)
		s, err := q.loadSegment(number, int(want), readOnly)
		if err != nil {
			return err
		}
		q.segments = append(q.segments, s)
	}
	q.count.Store(count)
	q.marked.Store(count)
	return nil
}

// loadSegment opens a segment of which the mark covers want records.
func (q *sequence) loadSegment(number uint64, want int, readOnly bool) (*segment, error) {
	s := &segment{number: number}
	// A writer beside a read-only journal may seal between two of these looks, so
	// the sealed file is looked for again when the plain one is gone.
	for _, suffix := range []string{sealedSuffix, plainSuffix, sealedSuffix} {
		path, name := filepath.Join(q.dir, numbered(number, suffix)), q.relative(number, suffix)
		var err error
		if suffix == sealedSuffix {
			s.sealed, err = openSealed(path, name, q.kind, number*q.lay.segment, q.lay, q.codec)
		} else {
			s.plain, err = q.loadPlain(path, name, number, want, readOnly)
		}
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, &DamagedError{File: q.relative(number, ""), What: "the segment has neither a plain nor a sealed file", Index: number * q.lay.segment}
}

func (q *sequence) loadPlain(path, name string, number uint64, want int, readOnly bool) (*plain, error) {
	mode := os.O_RDWR
	if readOnly {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return nil, err
	}
	p, err := openPlain(f, name, q.kind, number*q.lay.segment, q.lay.segment, want)
	if err == nil && !readOnly {
		err = f.Truncate(p.end(want - 1))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

// removeBeyond removes what a crash left behind: temporary files, plain segments
// beyond the mark, and plain files whose sealed successor is complete.
func (q *sequence) removeBeyond(count uint64) error {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return err
	}
	known := (count + q.lay.segment - 1) / q.lay.segment
	for _, e := range entries {
		plain, isPlain := parseNumbered(e.Name(), plainSuffix)
		sealed, isSealed := parseNumbered(e.Name(), sealedSuffix)
		_, isTemp := parseNumbered(e.Name(), sealedSuffix+tempSuffix)
		switch {
		case isSealed && (sealed+1)*q.lay.segment > count:
			return &DamagedError{File: markName, What: "it is older than " + filepath.Join(q.name, e.Name()), Index: count}
		case isTemp, isPlain && plain >= known, isPlain && q.segments[plain].sealed != nil:
			if err := os.Remove(filepath.Join(q.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
