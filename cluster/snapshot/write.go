package snapshot

import (
	"bufio"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

const magic = "tallyvault-snapshot v2\n"

// MaxTail is how many leaves may lie between a snapshot's image and its end.
const MaxTail = 1 << 21

// head says what the rest must lead to.
type head struct {
	Cluster [16]byte  `json:"cluster"`
	Era     string    `json:"era"`
	Image   bool      `json:"image"`
	Entry   uint64    `json:"entry"`
	Size    uint64    `json:"size"`
	Root    tlog.Hash `json:"root"`
}

// A Base is a state that a snapshot can begin with: a frozen one whose digest stands
// in a receipt, or the one that genesis describes.
type Base struct {
	View   *fsm.View
	Digest [32]byte
	// Leaf is that of the receipt, 0 for genesis: the journal's first leaf is a header.
	Leaf uint64
}

// OfGenesis is the base that needs no proof.
func OfGenesis(g *genesis.Signed) (Base, error) {
	machine, err := fsm.New(g)
	if err != nil {
		return Base{}, err
	}
	return Base{View: machine.View()}, nil
}

// A Snapshot is what goes into a file before its tail.
type Snapshot struct {
	Base            Base
	State           *fsm.View
	Chain, Evidence []byte
}

// Tail is the range of the leaves that end the snapshot.
func (s *Snapshot) Tail() (from, to uint64) { return s.Base.View.TreeSize(), s.State.TreeSize() }

// WriteBase writes all but the tail: each of its leaves as a block, then an empty one.
func (s *Snapshot) WriteBase(w io.Writer) error {
	v := s.State
	from, to := s.Tail()
	if err := checkTail(from, to); err != nil {
		return err
	}
	h := head{Cluster: v.Cluster(), Era: v.Era(), Image: s.Base.Leaf != 0, Entry: v.Number(), Size: to, Root: v.Root()}
	out := bufio.NewWriterSize(w, 1<<16)
	if _, err := out.WriteString(magic); err != nil {
		return err
	}
	for _, block := range [][]byte{strict.Encode(h), s.Chain, s.Evidence} {
		if err := fsm.WriteBlock(out, block); err != nil {
			return err
		}
	}
	if h.Image {
		if err := s.Base.View.WriteSnapshot(out, s.Base.Digest); err != nil {
			return err
		}
	}
	return out.Flush()
}

// checkTail asks whether a snapshot may have that many leaves behind its image.
func checkTail(from, to uint64) error {
	if to-from > MaxTail {
		return fmt.Errorf("the state is %d leaves ahead of the last one that can be proven, want at most %d: it waits for cosignatures", to-from, MaxTail)
	}
	return nil
}
