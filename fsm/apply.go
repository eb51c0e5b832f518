package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/treasury"
)

var errReceiptKind = errors.New("leaf is not a receipt of a known kind")

// Result is all that applying one entry produced. Acting on it is the
// caller's: writing leaves, answering callers, cosigning, counting.
type Result struct {
	Number uint64
	Height uint64
	Now    int64
	Epoch  uint64

	// Leaves begin at FirstLeaf: the header, the frames, the receipts.
	FirstLeaf uint64
	Leaves    [][]byte
	Hashes    []tlog.Hash

	// Outcomes are the commands' in order, counted from FirstOrdinal.
	FirstOrdinal uint64
	Outcomes     []Outcome
	Receipts     []Receipt

	// Cut is set when the entry marked one: every node cosigns it.
	Cut *Cut
	// Frozen, when set, is the state whose digest a later cut's receipt will
	// carry: compute it elsewhere and give it to SupplyDigest.
	Frozen *View

	// Dirty says that a cut is wanted; DueLeft that more is due at this height.
	Dirty   bool
	DueLeft bool

	// Refused says that the entry itself was refused and the alarm raised.
	Refused bool
}

// Why an entry as a whole is refused. The numbers are in the journal.
const (
	entryUndecodable = iota + 1
	entryTooLarge
	entryWrongNumber
	entryBadStatements
	entryBadCosignatures
)

// Alarm reasons.
const (
	AlarmEntry        = "refused_entry"
	AlarmConservation = "conservation"
)

// apply is one Apply in progress.
type apply struct {
	m       *Machine
	s       *state
	entry   *Entry
	result  *Result
	touched []treasury.AccountID
	caused  []uint64 // receipt leaves of the command in progress
}

// Apply takes the next entry: raw as it was replicated, and decoded, or nil
// where decoding failed. It never fails: an entry that cannot be taken changes
// nothing but the journal, which says so, and raises the alarm.
func (m *Machine) Apply(raw []byte, e *Entry) *Result {
	s := m.state
	a := &apply{m: m, s: s, entry: e, result: &Result{
		FirstLeaf: s.edge.Size(), FirstOrdinal: s.commands,
	}}
	if why := m.checkEntry(raw, e); why != 0 {
		a.refuseEntry(why, raw)
		return a.finish()
	}
	next := s.clock.advance(e, uint64(s.genesis.AllowanceMs), uint64(s.genesis.BlockMs))
	var before *View
	if e.Cut && s.freezes(s.epochAt(next.height)) {
		before = m.View()
	}
	cut := Cut{Number: s.cutCount + 1, Size: s.edge.Size(), Root: s.edge.Root()}
	s.number = e.Number
	a.recordEntry()
	a.passTime(next)
	a.recordCosigned()
	for i := range e.Commands {
		a.command(i)
	}
	a.takeDue()
	a.dropSpent()
	if err := s.ledger.Touched(a.touched); err != nil {
		s.raise(AlarmConservation)
	}
	a.checkTreasury()
	s.dirty = s.dirty || len(e.Commands) > 0 || len(a.result.Receipts) > 0
	if e.Cut {
		s.dirty = len(e.Commands) > 0 || len(a.result.Receipts) > 0
		a.mark(cut, before)
	}
	return a.finish()
}

// checkEntry asks whether the entry may take effect at all.
func (m *Machine) checkEntry(raw []byte, e *Entry) int {
	switch {
	case e == nil:
		return entryUndecodable
	case len(raw) > MaxEntryBytes || len(e.Commands) > MaxEntryCommands || e.work() > MaxEntryWork:
		return entryTooLarge
	case e.Number != m.state.number+1:
		return entryWrongNumber
	case e.At < 0 || e.At > maxStatedMs || !m.checkStatements(e):
		return entryBadStatements
	case !m.checkCosigned(e.Cosigned):
		return entryBadCosignatures
	}
	return 0
}

// refuseEntry leaves one leaf behind: why, how long it was, and its hash.
func (a *apply) refuseEntry(why int, raw []byte) {
	sum := sha256.Sum256(raw)
	leaf := []byte{LeafUndecodable, byte(why)}
	leaf = binary.BigEndian.AppendUint32(leaf, uint32(len(raw)))
	a.takeRefused(append(leaf, sum[:]...))
}

func (a *apply) takeRefused(leaf []byte) {
	a.leaf(leaf)
	a.s.raise(AlarmEntry)
	a.s.dirty = true
	a.result.Refused = true
}

// recordEntry writes the header and every frame as leaves.
func (a *apply) recordEntry() {
	n := 1 + len(a.entry.Commands)
	a.result.Leaves, a.result.Hashes = make([][]byte, 0, n), make([]tlog.Hash, 0, n)
	a.result.Outcomes = make([]Outcome, 0, n-1)
	a.leaf(append([]byte{LeafHeader}, a.entry.header()...))
	for _, c := range a.entry.Commands {
		leaf := make([]byte, 1, 1+c.frameLen())
		leaf[0] = LeafCommand
		a.leaf(c.appendFrame(leaf))
	}
}

func (a *apply) leaf(b []byte) {
	hash := tlog.RecordHash(b)
	a.s.edge.Append(hash)
	a.result.Leaves = append(a.result.Leaves, b)
	a.result.Hashes = append(a.result.Hashes, hash)
}

// passTime moves the clock and begins a new epoch where one is reached.
func (a *apply) passTime(next clock) {
	before := a.s.epoch()
	a.s.book.Advance(next.height - a.s.clock.height)
	a.s.clock = next
	if epoch := a.s.epoch(); epoch != before {
		a.s.oracle.BeginEpoch(epoch)
	}
}

// receipt writes one receipt leaf.
func (a *apply) receipt(kind string, body any) {
	leaf := a.s.edge.Size()
	a.leaf(encodeReceipt(body))
	a.result.Receipts = append(a.result.Receipts, Receipt{Leaf: leaf, Kind: kind, Body: body, Refs: RefsOf(body)})
	a.caused = append(a.caused, leaf)
}

func (a *apply) head(kind string) ReceiptHead {
	return ReceiptHead{Kind: kind, Entry: a.s.number, Height: a.s.clock.height, At: a.s.clock.now}
}

// command applies one command of the entry and extends the outcome chain.
func (a *apply) command(i int) {
	c := a.entry.Commands[i]
	a.caused = nil
	o := Outcome{
		ID: c.id, Type: c.Type, Ordinal: a.s.commands, Entry: a.s.number,
		Leaf: a.result.FirstLeaf + 1 + uint64(i), Height: a.s.clock.height, At: a.s.clock.now,
	}
	var consumed bool
	o.Result, o.Refusal, consumed = a.execute(c)
	o.Unconsumed = !consumed
	o.Receipts = a.caused
	a.s.commands++
	a.s.chain = o.link(a.s.chain)
	a.result.Outcomes = append(a.result.Outcomes, o)
}

func (a *apply) finish() *Result {
	r, s := a.result, a.s
	r.Number, r.Height, r.Now, r.Epoch = s.number, s.clock.height, s.clock.now, s.epoch()
	r.Dirty = s.wantsCut()
	r.DueLeft = s.dueNow()
	return r
}
