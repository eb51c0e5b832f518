package fsm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// A snapshot is a magic line, a header (length and strict JSON), the rows of
// the state image, each behind its 32-bit length, and a zero length.
// The line changes whenever the rows do.
const snapshotMagic = "tallyvault-image v2\n"

// Limits of a snapshot's parts, so that a damaged length asks for no memory.
const (
	maxSnapshotHeader = 4 << 10
	maxSnapshotRow    = 1 << 20
)

// snapshotHeader says what the image is of, so that a reader can judge it
// before it loads it.
type snapshotHeader struct {
	Rules   uint32   `json:"rules"`
	Cluster [16]byte `json:"cluster"`
	Era     string   `json:"era"`
	Entry   uint64   `json:"entry"`
	Cut     uint64   `json:"cut"`
	Size    uint64   `json:"size"`
	Digest  [32]byte `json:"digest"`
	// Owed is the digest of the state at an earlier cut that a later receipt
	// will carry. It is no part of the image: it only follows from it.
	Owed *[32]byte `json:"owed"`
}

// WriteSnapshot writes the view, whose digest is known to the caller, so that
// ReadSnapshot restores it.
func (v *View) WriteSnapshot(w io.Writer, digest [32]byte) error {
	s := v.state
	h := snapshotHeader{
		Rules: rulesNumber, Cluster: s.genesis.Cluster, Era: s.era(), Entry: s.number,
		Cut: s.cutCount, Size: s.edge.Size(), Digest: digest,
	}
	if s.digestAt.cut != 0 {
		owed := v.owedDigest()
		h.Owed = &owed
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if _, err := out.WriteString(snapshotMagic); err != nil {
		return err
	}
	if err := WriteBlock(out, strict.Encode(h)); err != nil {
		return err
	}
	var failed error
	s.image(func(row []byte) {
		if failed == nil {
			failed = WriteBlock(out, row)
		}
	})
	if failed != nil {
		return failed
	}
	if err := WriteBlock(out, nil); err != nil {
		return err
	}
	return out.Flush()
}

// ReadSnapshot restores a machine, and tells the digest of its state, which it has
// computed. Every error means that the snapshot must not be used: it says what is
// wrong with it.
func ReadSnapshot(g *genesis.Signed, r io.Reader) (*Machine, [32]byte, error) {
	m, h, err := loadSnapshot(g, r)
	if err != nil {
		return nil, [32]byte{}, err
	}
	return m, h.Digest, nil
}

func loadSnapshot(g *genesis.Signed, r io.Reader) (*Machine, snapshotHeader, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	if err := ReadMagic(in, snapshotMagic); err != nil {
		return nil, snapshotHeader{}, err
	}
	h, err := readSnapshotHeader(in, g)
	if err != nil {
		return nil, h, err
	}
	m := empty(g)
	digest, err := m.state.readRows(in)
	if err != nil {
		return nil, h, fmt.Errorf("snapshot of entry %d: %w", h.Entry, err)
	}
	if digest != h.Digest {
		return nil, h, fmt.Errorf("snapshot of entry %d: rows have digest %x, header says %x", h.Entry, digest, h.Digest)
	}
	s := m.state
	if s.digest() != h.Digest {
		return nil, h, fmt.Errorf("snapshot of entry %d: rows are out of order or double", h.Entry)
	}
	if h.Era != s.era() || s.number != h.Entry || s.edge.Size() != h.Size || s.cutCount != h.Cut || (s.digestAt.cut != 0) != (h.Owed != nil) {
		return nil, h, fmt.Errorf("snapshot of entry %d: header and rows disagree", h.Entry)
	}
	if err := s.consistent(); err != nil {
		return nil, h, fmt.Errorf("snapshot of entry %d: %w", h.Entry, err)
	}
	m.digest = h.Owed
	return m, h, nil
}

// An OtherVersionError is about a file in a format that this program does not read, or
// of rules that it does not follow, which is no damage.
type OtherVersionError struct{ Found, Want string }

func (e *OtherVersionError) Error() string {
	return fmt.Sprintf("it was written by another version of this program: it is of %q, this one reads %q", e.Found, e.Want)
}

// maxMagic is as much as is looked at to tell what a file is.
const maxMagic = 64

// ReadMagic takes the line that a file must begin with.
func ReadMagic(in *bufio.Reader, want string) error {
	start, _ := in.Peek(maxMagic) // fewer at the end of the file
	if bytes.HasPrefix(start, []byte(want)) {
		_, err := in.Discard(len(want))
		return err
	}
	line, _, whole := strings.Cut(string(start), "\n")
	if whole && strings.HasPrefix(line, "tallyvault-") {
		return &OtherVersionError{line, strings.TrimSuffix(want, "\n")}
	}
	return fmt.Errorf("it does not begin with %q", strings.TrimSuffix(want, "\n"))
}

func readSnapshotHeader(in *bufio.Reader, g *genesis.Signed) (snapshotHeader, error) {
	var h snapshotHeader
	block, err := ReadBlock(in, maxSnapshotHeader)
	if err != nil {
		return h, fmt.Errorf("snapshot header: %w", err)
	}
	if err := strict.Decode(block, &h); err != nil {
		return h, fmt.Errorf("snapshot header: %w", err)
	}
	if h.Rules != rulesNumber {
		return h, &OtherVersionError{fmt.Sprintf("rules %d", h.Rules), fmt.Sprintf("rules %d", rulesNumber)}
	}
	if h.Cluster != g.Cluster {
		return h, fmt.Errorf("snapshot is of cluster %x, genesis of %x", h.Cluster, g.Cluster)
	}
	return h, nil
}

// readRows loads rows up to the zero length and returns their digest.
func (s *state) readRows(in *bufio.Reader) ([32]byte, error) {
	var h hash.Hash = sha256.New()
	for {
		row, err := ReadBlock(in, maxSnapshotRow)
		if err != nil {
			return [32]byte{}, err
		}
		if len(row) == 0 {
			return [32]byte(h.Sum(nil)), nil
		}
		if err := s.load(row); err != nil {
			return [32]byte{}, err
		}
		_ = WriteBlock(h, row) // a hash never fails
	}
}
