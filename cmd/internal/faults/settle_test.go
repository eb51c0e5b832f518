package faults

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
)

const (
	equalWithin = 90 * time.Second
	receipts    = 10 // that are verified offline
	quorum      = 2  // oracles of three
)

// settle checks everything that must hold once the faults are over and all nodes
// run: see the package documentation. It stops the nodes.
func (r *rig) settle(l *load) {
	r.t.Helper()
	r.ready()
	l.stopAnd(r.t)
	r.t.Log(l.notes.availability())
	l.linear()
	r.equal()
	r.receipts()
	r.halt()
	genesis := r.committee.File
	for _, n := range r.nodes {
		out := r.tallyvault("audit", "--genesis", genesis, "--journal", filepath.Join(n.Dir, "journal"))
		if !strings.HasPrefix(out, "clean") {
			r.t.Errorf("audit of %s: %s", n.Name, out)
		}
		s := newScan(l)
		if err := s.node(filepath.Join(n.Dir, "journal")); err != nil {
			r.t.Errorf("%s: %v", n.Name, err)
		}
	}
}

// equal waits until all nodes have applied the same entry and demands equal digests.
func (r *rig) equal() {
	r.t.Helper()
	within(r.t, equalWithin, "equal digests at the same entry", func() error {
		var first string
		for i, n := range r.nodes {
			ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
			d, err := r.watchers[i].Digest(ctx)
			cancel()
			if err != nil {
				return err
			}
			said := fmt.Sprint(d.Index, " ", d.Digest)
			if i > 0 && said != first {
				was, _, _ := strings.Cut(first, " ")
				if was == fmt.Sprint(d.Index) {
					r.t.Fatalf("%s has another state after entry %s", n.Name, was)
				}
				return fmt.Errorf("%s is at entry %d, not %s", n.Name, d.Index, was)
			}
			first = said
		}
		return nil
	})
}

// receipts fetches some and has the program verify them offline.
func (r *rig) receipts() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), equalWithin)
	defer cancel()
	w := r.watchers[0]
	policy, err := w.Policy(ctx)
	if err != nil {
		r.t.Errorf("the policy: %v", err)
		return
	}
	status, err := w.Status(ctx)
	if err != nil {
		r.t.Error(err)
		return
	}
	file := filepath.Join(r.dir, "policy")
	if err := os.WriteFile(file, policy, 0o600); err != nil {
		r.t.Fatal(err)
	}
	args := []string{"receipt", "verify", "--policy", file}
	for range receipts {
		leaf := r.random.Uint64N(max(uint64(status.FinalSize), 1))
		proof, err := w.Receipt(ctx, leaf)
		if err != nil {
			r.t.Errorf("proof of leaf %d of %d: %v", leaf, status.FinalSize, err)
			return
		}
		path := filepath.Join(r.dir, "leaf-"+strconv.FormatUint(leaf, 10)+".tlog-proof")
		if err := os.WriteFile(path, proof, 0o600); err != nil {
			r.t.Fatal(err)
		}
		args = append(args, path)
	}
	if out := r.tallyvault(args...); !strings.Contains(out, ", 0 refused") {
		r.t.Errorf("receipts: %s", out)
	}
}

// scan reads a journal and compares it with what was sent and answered. It shares
// no code with the rules: what they decided is in the leaves and outcomes.
type scan struct {
	sent    map[envelope.Identity]*act
	found   map[envelope.Identity]int
	nonces  map[string]uint64
	oracles map[fsm.KeyID]uint8     // a bit each
	votes   map[uint64][2]uint8     // of readings by number: who accepts, who rejects
	numbers map[string]fsm.Identity // reading numbers that were given out

	settled, baselines int
}

func newScan(l *load) *scan {
	s := &scan{
		sent: map[envelope.Identity]*act{}, found: map[envelope.Identity]int{}, nonces: map[string]uint64{},
		oracles: map[fsm.KeyID]uint8{}, votes: map[uint64][2]uint8{}, numbers: map[string]fsm.Identity{},
	}
	for i := range l.notes.acts {
		s.sent[l.notes.acts[i].id] = &l.notes.acts[i]
	}
	return s
}

func (s *scan) node(dir string) error {
	j, err := journal.OpenReadOnly(dir)
	if err != nil {
		return err
	}
	defer j.Close()
	next := uint64(0) // outcome
	err = j.Leaves(0, j.Size(), func(i uint64, leaf []byte) error {
		switch leaf[0] {
		case fsm.LeafCommand:
			record, err := j.Outcome(next)
			if err != nil {
				return err
			}
			next++
			return s.command(i, leaf[1:], record)
		case fsm.LeafReceipt:
			return s.receipt(leaf)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.judge()
}

// command takes a command of the journal with its outcome.
func (s *scan) command(leaf uint64, frame, record []byte) error {
	c, err := fsm.ParseFrame(frame)
	if err != nil {
		return err
	}
	o, err := fsm.ParseOutcome(record)
	if err != nil {
		return err
	}
	if o.Leaf != leaf || o.ID != c.Identity() {
		return fmt.Errorf("the outcome for leaf %d is about leaf %d", leaf, o.Leaf)
	}
	if h := c.Single(); h != nil && !o.Unconsumed && o.Refusal == nil {
		lane := c.KeyIDs[0].String() + " " + h.Lane
		if last := s.nonces[lane]; h.Nonce <= last {
			return fmt.Errorf("leaf %d: nonce %d on lane %s after %d", leaf, h.Nonce, lane, last)
		}
		s.nonces[lane] = h.Nonce
	}
	if o.Refusal == nil {
		return s.accepted(c, o)
	}
	return nil
}

func (s *scan) accepted(c *fsm.Command, o *fsm.Outcome) error {
	switch body := c.Body().(type) {
	case *fsm.SubmitReading:
		return s.reading(o)
	case *fsm.Attest:
		s.attest(c.KeyIDs[0], body)
	}
	return nil
}

func (s *scan) reading(o *fsm.Outcome) error {
	id := o.ID
	a := s.sent[id]
	if a == nil {
		return fmt.Errorf("leaf %d: an accepted reading that nobody sent", o.Leaf)
	}
	if s.found[id]++; s.found[id] > 1 {
		return fmt.Errorf("leaf %d: reading %d of meter %s was accepted a second time", o.Leaf, a.nonce, a.meter)
	}
	number := ""
	for _, f := range o.Result {
		if f.Name == "number" {
			number = fmt.Sprint(f.Value)
		}
	}
	if other, taken := s.numbers[number]; taken {
		return fmt.Errorf("leaf %d: number %s was given to %s before", o.Leaf, number, other)
	}
	s.numbers[number] = o.ID
	if a.accepted && (a.entry != o.Entry || a.leaf != o.Leaf || a.reading != number) {
		return fmt.Errorf("reading %d of meter %s was answered as entry %d, leaf %d, number %s and is entry %d, leaf %d, number %s",
			a.nonce, a.meter, a.entry, a.leaf, a.reading, o.Entry, o.Leaf, number)
	}
	return nil
}

func (s *scan) attest(key fsm.KeyID, body *fsm.Attest) {
	bit, known := s.oracles[key]
	if !known {
		bit = 1 << len(s.oracles)
		s.oracles[key] = bit
	}
	against := map[uint64]bool{}
	for _, n := range body.Rejects {
		against[n] = true
	}
	for _, r := range body.Ranges {
		for n := r.From; n <= r.To; n++ {
			v := s.votes[n]
			side := 0
			if against[n] {
				side = 1
			}
			if (v[0]|v[1])&bit == 0 { // the first vote counts
				v[side] |= bit
			}
			s.votes[n] = v
		}
	}
}

// receipt demands that what closed had a quorum.
func (s *scan) receipt(leaf []byte) error {
	_, body, err := fsm.ParseReceipt(leaf)
	if err != nil {
		return err
	}
	number := uint64(0)
	switch b := body.(type) {
	case *fsm.SettlementReceipt:
		if b.Readings.Count != 1 || b.Readings.From != b.Readings.To {
			return fmt.Errorf("settlement %d cites %d readings", b.Settlement, b.Readings.Count)
		}
		number = b.Readings.From
		s.settled++
	case *fsm.ReadingReceipt:
		if b.Status != "baseline" {
			return fmt.Errorf("reading %d of meter %s closed as %s (%s)", b.Number, b.Meter, b.Status, b.Reason)
		}
		number = b.Number
		s.baselines++
	default:
		return nil
	}
	if have := bits.OnesCount8(s.votes[number][0]); have < quorum {
		return fmt.Errorf("reading %d closed with %d oracles of %d", number, have, quorum)
	}
	return nil
}

// judge says what was acknowledged and is not there.
func (s *scan) judge() error {
	lost, named := 0, ""
	for id, a := range s.sent {
		if a.accepted && s.found[id] == 0 {
			lost++
			named = fmt.Sprintf("reading %d of meter %s, answered as entry %d", a.nonce, a.meter, a.entry)
		}
	}
	if lost > 0 {
		return &lostError{lost, named}
	}
	if len(s.found) > 0 && s.settled+s.baselines == 0 {
		return errors.New("no reading has been closed")
	}
	return nil
}

// lostError says that something acknowledged is not there.
type lostError struct {
	count int
	one   string
}

func (e *lostError) Error() string {
	return fmt.Sprintf("%d acknowledged readings are lost, among them %s", e.count, e.one)
}
