package cluster

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// persisted writes a history's snapshot as Raft would, and opens it again.
func (x *receiver) persisted(t *testing.T, h *history) string {
	t.Helper()
	s, err := h.r.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	_, wire := raft.NewInmemTransport("")
	sink, err := x.store.Create(1, uint64(len(h.logs)), 2, raft.Configuration{}, 1, wire)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Persist(sink); err != nil {
		t.Fatal(err)
	}
	return sink.ID()
}

// A node's own snapshot does not repeat the leaves of its journal, and reads as the
// whole: with an image or without, with a tail that ends within a block of the journal
// or at its end.
func TestOwnSnapshotBorrowsItsTail(t *testing.T) {
	for _, tc := range []struct {
		name string
		grow func(h *history)
	}{
		{"from genesis", func(h *history) {
			for i := range 3 * leavesAtOnce / 20 {
				h.commands(h.c.deposits(string(rune('a'+i)), 20)...)
			}
		}},
		{"with an image", func(h *history) {
			h.commands(h.c.deposits("early", 3)...)
			h.stated()
			h.cosign(0, 1)
			h.commands(h.c.deposits("late", 3)...)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHistory(t, newCommittee(t))
			tc.grow(h)
			want := h.file()
			whole := want.bytes(t)
			x := newReceiver(t, h, len(h.logs))
			x.replica.journal = h.r.journal
			id := x.persisted(t, h)
			meta, source, err := x.store.Open(id)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			got, err := io.ReadAll(source)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, whole) || meta.Size != int64(len(whole)) {
				t.Errorf("it reads as %d bytes and says %d, want the %d of the whole", len(got), meta.Size, len(whole))
			}
			state, err := os.ReadFile(x.store.state(id))
			if err != nil {
				t.Fatal(err)
			}
			from, to := want.Tail()
			var tail int
			err = h.r.journal.Leaves(from, to, func(_ uint64, leaf []byte) error { tail += blockHead + len(leaf); return nil })
			if err != nil {
				t.Fatal(err)
			}
			if len(state) != len(whole)-tail-blockHead+borrowedSize {
				t.Errorf("the file has %d bytes, of %d with a tail of %d", len(state), len(whole), tail)
			}
		})
	}
}

// A snapshot whose tail is not in the journal is damaged, and said to be.
func TestSnapshotWithoutItsTail(t *testing.T) {
	h := newHistory(t, newCommittee(t))
	h.commands(h.c.deposits("some", 3)...)
	x := newReceiver(t, h, 0) // its own journal is empty
	id := x.persisted(t, h)
	_, _, err := x.store.Open(id)
	if err == nil || !strings.Contains(err.Error(), "the journal does not hold its tail") || x.store.broken == nil {
		t.Errorf("opened with %v, broken: %v", err, x.store.broken)
	}
}

// What another node sends is whole: one that ends with a reference to the receiver's
// journal is refused.
func TestOfferedSnapshotMayNotBorrow(t *testing.T) {
	h := newHistory(t, newCommittee(t))
	h.commands(h.c.deposits("some", 3)...)
	var whole bytes.Buffer
	want := h.file()
	if err := want.WriteBase(&whole); err != nil {
		t.Fatal(err)
	}
	from, to := want.Tail()
	data := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(whole.Bytes(), from), to)
	data = append(data, borrowedMark...)
	x := newReceiver(t, h, 1)
	if err := x.offer(t, uint64(len(h.logs)), data); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("taken with %v", err)
	}
}
