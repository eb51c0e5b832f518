package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/cluster/snapshot"
	"github.com/tallyvault/tallyvault/fsm"
)

// A node's own snapshots do not repeat the leaves of their tail, which its journal
// holds: under load those are hundreds of megabytes in every half minute. In their
// place stands which leaves they are. Whoever opens such a snapshot, to restore it or
// to send it, gets it whole. One that came from another node is kept whole.
//
//	from, to   the tail's leaves, u64 each, big-endian
//	mark       the eight bytes of borrowedMark
//
// A whole snapshot ends with an empty block, four zero bytes, so no file is both.
const (
	borrowedMark = "TVLEAVES"
	borrowedSize = 16 + len(borrowedMark)
)

// writeBorrowing writes a snapshot with a reference to the journal as its tail.
func writeBorrowing(w io.Writer, s *snapshot.Snapshot) error {
	if err := s.WriteBase(w); err != nil {
		return err
	}
	from, to := s.Tail()
	end := binary.BigEndian.AppendUint64(make([]byte, 0, borrowedSize), from)
	end = binary.BigEndian.AppendUint64(end, to)
	_, err := w.Write(append(end, borrowedMark...))
	return err
}

// A borrowing is what a snapshot's file says of its tail.
type borrowing struct {
	base     int64 // bytes before it
	from, to uint64
}

// borrows looks at the end of a snapshot's file; nil if the snapshot is whole.
func (s *snapshotFiles) borrows(id string) (*borrowing, error) {
	f, err := os.Open(s.state(id))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	base := info.Size() - int64(borrowedSize)
	if base < 0 {
		return nil, nil //nolint:nilnil // too short for either: reading it says what is wrong
	}
	var end [borrowedSize]byte
	if _, err := f.ReadAt(end[:], base); err != nil {
		return nil, err
	}
	if string(end[16:]) != borrowedMark {
		return nil, nil //nolint:nilnil // it is whole
	}
	return &borrowing{base, binary.BigEndian.Uint64(end[:]), binary.BigEndian.Uint64(end[8:])}, nil
}

// fill replaces the reference at the end of a snapshot by the leaves themselves.
func (s *snapshotStore) fill(meta *raft.SnapshotMeta, source io.ReadCloser) (*raft.SnapshotMeta, io.ReadCloser, error) {
	b, err := s.borrows(meta.ID)
	if err != nil {
		return nil, nil, errors.Join(err, source.Close())
	}
	if b == nil {
		return meta, source, nil
	}
	leaves := &leafReader{journal: s.replica.journal, next: b.from, end: b.to}
	length, err := leaves.length()
	if err != nil {
		err = fmt.Errorf("the journal does not hold its tail, the leaves %d to %d: %w", b.from, b.to, err)
		return nil, nil, errors.Join(err, source.Close())
	}
	whole := *meta
	whole.Size = b.base + length
	return &whole, &filled{io.MultiReader(io.LimitReader(source, b.base), leaves), source}, nil
}

// filled is a snapshot that reads as a whole.
type filled struct {
	io.Reader
	io.Closer
}

// A leafReader reads leaves of a journal as the tail of a snapshot.
type leafReader struct {
	journal   *journal.Journal
	next, end uint64
	ended     bool // the empty block is in the buffer, or was
	buffer    []byte
	at        int // read of the buffer
}

// leavesAtOnce are taken from the journal together: a block of a sealed segment.
const leavesAtOnce = 256

// length is how many bytes there are to read.
func (r *leafReader) length() (int64, error) {
	if r.end < r.next || r.end > r.journal.Size() {
		return 0, fmt.Errorf("it has %d leaves", r.journal.Size())
	}
	total := int64(blockHead)
	err := r.journal.Leaves(r.next, r.end, func(_ uint64, leaf []byte) error {
		total += blockHead + int64(len(leaf))
		return nil
	})
	return total, err
}

// blockHead is what a block takes besides its bytes.
const blockHead = 4

// Read implements io.Reader.
func (r *leafReader) Read(b []byte) (int, error) {
	if r.at == len(r.buffer) {
		if r.ended {
			return 0, io.EOF
		}
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.buffer[r.at:])
	r.at += n
	return n, nil
}

// more takes the next leaves into the buffer, or the end.
func (r *leafReader) more() error {
	into := appender(r.buffer[:0])
	to := min(r.end, (r.next/leavesAtOnce+1)*leavesAtOnce)
	err := r.journal.Leaves(r.next, to, func(_ uint64, leaf []byte) error { return fsm.WriteBlock(&into, leaf) })
	if r.next = to; err == nil && r.next == r.end {
		r.ended = true
		err = fsm.WriteBlock(&into, nil)
	}
	r.buffer, r.at = into, 0
	if err != nil {
		return errors.Join(errors.New("read the leaves of a snapshot"), err)
	}
	return nil
}

// An appender is a slice that can be written to.
type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}
