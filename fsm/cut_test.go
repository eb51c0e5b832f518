package fsm

import (
	"math/bits"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// A state is frozen at the first cut of an epoch and at the first beyond each multiple
// of the growth, and never while another one's digest is owed.
func TestFreezes(t *testing.T) {
	for _, c := range []struct {
		name       string
		size, last uint64 // leaves now, and at the last cut
		frozen     uint64 // epoch of the last frozen state
		owed       uint64 // its cut, while the digest is owed
		want       bool
	}{
		{"nothing has happened", 10, 5, 3, 0, false},
		{"a new epoch", 10, 5, 2, 0, true},
		{"a new epoch while a digest is owed", 10, 5, 2, 7, false},
		{"just before the growth", frozenGrowth - 1, 5, 3, 0, false},
		{"at the growth", frozenGrowth, frozenGrowth - 1, 3, 0, true},
		{"at the growth while a digest is owed", frozenGrowth, frozenGrowth - 1, 3, 7, false},
		{"a cut further", frozenGrowth + 1, frozenGrowth, 3, 0, false},
		{"before the second growth", 2*frozenGrowth - 1, frozenGrowth, 3, 0, false},
		{"the second growth", 2 * frozenGrowth, 2*frozenGrowth - 1, 3, 0, true},
		{"two growths at once", 3 * frozenGrowth, frozenGrowth, 3, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &state{digestAt: digestAt{epoch: c.frozen, cut: c.owed}, cuts: []Cut{{Number: 1, Size: 1}, {Number: 2, Size: c.last}}}
			s.edge = edgeOf(t, c.size)
			if got := s.freezes(3); got != c.want {
				t.Errorf("frozen %v, want %v", got, c.want)
			}
		})
	}
	// The first cut of all is the growth's first too, once there is that much.
	s := &state{digestAt: digestAt{epoch: 3}, edge: edgeOf(t, frozenGrowth)}
	if !s.freezes(3) {
		t.Error("without any cut the growth is not seen")
	}
}

// edgeOf is the edge of some tree of that size.
func edgeOf(t *testing.T, size uint64) proof.Edge {
	t.Helper()
	e, err := proof.NewEdge(size, make([]tlog.Hash, bits.OnesCount64(size)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}
