package cluster

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cluster/diskspace"
	"github.com/tallyvault/tallyvault/cluster/snapshot"
)

// maxRefused is how many refused snapshots are kept: a leader that sends anything must
// not fill the disk.
const maxRefused = 3

// offerShare is the part of the free room that an offer may take: it is copied once
// before it is Raft's, its leaves go into the journal, and the node must live on.
const offerShare = 3

// offers are the snapshots that other nodes send, each in a file until it is judged.
type offers struct {
	waiting string // path of the file
	dir     string // where refused ones are kept
	leader  func() string
	clock   func() time.Time
	room    func() (uint64, error) // how many bytes an offer may have now
	// refused is told why a snapshot was not believed, and where it is kept.
	refused func(path string, why error)
}

// An offer is one snapshot on its way in. There is one at a time.
type offer struct {
	file        *os.File
	index, term uint64
	room, taken uint64 // bytes
}

// refusedOffer is what stands beside a refused snapshot.
type refusedOffer struct {
	From  string    `json:"from"` // whom this node took for the leader
	At    time.Time `json:"at"`   // by this node's clock
	Index uint64    `json:"raft_index"`
	Term  uint64    `json:"raft_term"`
	Why   string    `json:"why"`
	Sum   string    `json:"sha256"`
}

// snapshotRoom is how long a snapshot may be that is taken into a directory. A leader
// that sends without end would fill the disk, and with it end the node.
func snapshotRoom(dir string) (uint64, error) {
	space, err := diskspace.Of(dir)
	if err != nil {
		return 0, fmt.Errorf("look for room for a snapshot: %w", err)
	}
	if space.Total == 0 {
		return math.MaxUint64, nil // the system cannot be asked
	}
	return space.Free / offerShare, nil
}

func (o *offers) open(index, term uint64) (*offer, error) {
	room, err := o.room()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(o.waiting, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take a snapshot: %w", err)
	}
	return &offer{file: f, index: index, term: term, room: room}, nil
}

// Write implements io.Writer.
func (f *offer) Write(b []byte) (int, error) {
	if f.room-f.taken < uint64(len(b)) {
		return 0, fmt.Errorf("the leader's snapshot is longer than %d bytes, a third of what is free on the disk: give this node more room, "+
			"or, if the others' snapshots are shorter, ask who leads", f.room)
	}
	n, err := f.file.Write(b)
	f.taken += uint64(n)
	return n, err
}

// reader reads the offer from its beginning.
func (f *offer) reader() (io.Reader, error) {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the offered snapshot: %w", err)
	}
	return bufio.NewReaderSize(f.file, 1<<16), nil
}

func (f *offer) copyTo(w io.Writer) error {
	source, err := f.reader()
	if err == nil {
		_, err = io.Copy(w, source)
	}
	if err != nil {
		return fmt.Errorf("copy the offered snapshot: %w", err)
	}
	return nil
}

// drop forgets an offer that was taken or given up.
func (o *offers) drop(f *offer) {
	if f == nil {
		return
	}
	_ = f.file.Close()
	_ = os.Remove(o.waiting) // if it stays, the next one replaces it
}

// refuse keeps an offer that must not be believed, with the reason, and returns that.
// One that only cannot be judged now is dropped.
func (o *offers) refuse(f *offer, why error) error {
	why = fmt.Errorf("the leader's snapshot is refused: %w", why)
	if _, lie := errors.AsType[*snapshot.Error](why); !lie || f == nil {
		o.drop(f)
		return why
	}
	path, err := o.keep(f, why)
	o.drop(f)
	o.refused(path, errors.Join(why, err))
	return why
}

// keep moves the file to the refused ones, unless there are enough.
func (o *offers) keep(f *offer, why error) (path string, err error) {
	kept, err := o.kept()
	if err != nil {
		return "", err
	}
	source, err := f.reader()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, source); err != nil {
		return "", fmt.Errorf("read the offered snapshot: %w", err)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	path = filepath.Join(o.dir, fmt.Sprintf("%d-%d-%s", f.term, f.index, digest[:16]))
	for _, k := range kept {
		if k == path+".json" {
			return path, nil
		}
	}
	if len(kept) >= maxRefused {
		return "", nil
	}
	about, err := json.MarshalIndent(refusedOffer{o.leader(), o.clock().UTC(), f.index, f.term, why.Error(), digest}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("keep a refused snapshot: %w", err)
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return "", fmt.Errorf("keep a refused snapshot: %w", err)
	}
	if err := os.Rename(o.waiting, path+".snapshot"); err != nil {
		return "", fmt.Errorf("keep a refused snapshot: %w", err)
	}
	return path, cosign.WriteFile(path+".json", append(about, '\n'))
}

// kept lists what is known of refused snapshots.
func (o *offers) kept() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(o.dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("look for refused snapshots: %w", err)
	}
	return found, nil
}
