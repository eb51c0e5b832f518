package treasury

import (
	"encoding/binary"

	"github.com/tidwall/btree"
)

// Limits of the book.
const (
	MaxDisbursements = 1 << 20
	MaxWithdrawals   = 1 << 20
	// MaxProposals bounds how many a proposer proposes in an epoch. A disbursement stays
	// in the book whatever becomes of it, so that one key alone could fill it otherwise.
	MaxProposals = 1_024
)

// Clock is the cluster's time as the caller knows it: replicated unix
// milliseconds and the block count.
type Clock struct {
	Now    int64
	Height uint64
}

// Book is everything about the treasury that the ledger does not say: the rules,
// the houses, every disbursement and withdrawal. A Book is used by one goroutine;
// its copies may be used by others.
type Book struct {
	params Params
	rolls  *btree.Map[uint64, *roll]
	paused scopes

	height uint64 // the treasury height
	facts  facts

	rows  *btree.Map[uint64, *Disbursement] // by sequence; replaced, never changed
	votes *btree.Map[string, bool]          // id and principal → approved, while voting
	// errands are what the end of a disbursement still has to do to others.
	errands *btree.Map[string, errand]
	sweep   sweep
	spent   spent

	withdrawals *btree.Map[string, *Withdrawal]
	references  *btree.Map[string, ID] // of payouts
	history     *btree.Map[uint64, Flow]

	// The rest follows from the rows above and is not in the image.
	sequence    uint64
	withdrawn   uint64
	ids         *btree.Map[string, uint64]   // id → sequence
	byStatus    *btree.Map[string, struct{}] // status, sequence
	byPlace     *btree.Map[string, struct{}] // destination, zero, sequence
	timers      *btree.Map[string, struct{}] // due, status, sequence
	unfunded    *btree.Map[string, struct{}] // queued height, sequence
	bySize      *btree.Map[string, struct{}] // amount, queued height, sequence of the unfunded
	executable  *btree.Map[string, struct{}] // executable, sequence of the timelocked
	dependents  *btree.Map[string, struct{}] // dependency, sequence, while voting or queued
	rollUsers   *btree.Map[uint64, uint64]
	openByOwner *btree.Map[string, uint32] // account → withdrawals not ended
	proposals   proposals
	counts      [statuses]uint64
	amounts     [statuses]Amount
	reserved    Amount // of all disbursements
	leaving     Amount // of all withdrawals

	loaded string // order of the row that Load took last
}

// facts are the figures that a book keeps besides its tables.
type facts struct {
	// What the treasury ever got, paid out by execution, and got back.
	accrued, executed, compensated Amount
	// Epochs since which too many have been overdue, plus one; 0 while they are not.
	warnedSince, stalledSince uint64
	overdueEpoch              uint64 // the epoch in which that was last looked at
	lastTick                  Moment
	lastSuccess               Moment
	lastError                 Failure
	lastFailed                ID
	matured                   uint64 // timelocks that ever ran out
	lags                      uint64 // disbursements that were ever executed
	lagTotal, lagMax          uint64 // ms between queued and executed
}

// NewBook opens a treasury with valid parameters and houses.
func NewBook(p Params, houses []House) (*Book, *Refusal) {
	if r := p.Validate(); r != nil {
		return nil, r
	}
	b := emptyBook()
	b.params = p
	b.rolls.Set(1, &roll{number: 1})
	for _, h := range houses {
		if r := b.SetHouse(h); r != nil {
			return nil, r
		}
	}
	return b, b.checkBrackets(p)
}

// emptyBook is a book without any row.
func emptyBook() *Book {
	return &Book{
		rolls:       new(btree.Map[uint64, *roll]),
		rows:        new(btree.Map[uint64, *Disbursement]),
		votes:       new(btree.Map[string, bool]),
		errands:     new(btree.Map[string, errand]),
		spent:       newSpent(),
		withdrawals: new(btree.Map[string, *Withdrawal]),
		references:  new(btree.Map[string, ID]),
		history:     new(btree.Map[uint64, Flow]),
		ids:         new(btree.Map[string, uint64]),
		byStatus:    new(btree.Map[string, struct{}]),
		byPlace:     new(btree.Map[string, struct{}]),
		timers:      new(btree.Map[string, struct{}]),
		unfunded:    new(btree.Map[string, struct{}]),
		bySize:      new(btree.Map[string, struct{}]),
		executable:  new(btree.Map[string, struct{}]),
		dependents:  new(btree.Map[string, struct{}]),
		rollUsers:   new(btree.Map[uint64, uint64]),
		openByOwner: new(btree.Map[string, uint32]),
		proposals:   newProposals(),
	}
}

// Copy returns an independent book with the same content. It costs the same for
// any number of rows. It counts as a change of b: no other goroutine may be using
// b meanwhile.
func (b *Book) Copy() *Book {
	c := *b
	c.rolls, c.rows, c.votes, c.errands = b.rolls.Copy(), b.rows.Copy(), b.votes.Copy(), b.errands.Copy()
	c.spent.destinations = b.spent.destinations.Copy()
	c.withdrawals, c.references, c.history = b.withdrawals.Copy(), b.references.Copy(), b.history.Copy()
	c.ids, c.byStatus, c.byPlace = b.ids.Copy(), b.byStatus.Copy(), b.byPlace.Copy()
	c.timers, c.unfunded, c.bySize = b.timers.Copy(), b.unfunded.Copy(), b.bySize.Copy()
	c.executable, c.dependents = b.executable.Copy(), b.dependents.Copy()
	c.rollUsers, c.openByOwner = b.rollUsers.Copy(), b.openByOwner.Copy()
	c.proposals.by = b.proposals.by.Copy()
	return &c
}

// Params are the committee's rules as they are now.
func (b *Book) Params() Params { return b.params }

// SetParams replaces the rules. What is open already keeps its terms; caps and
// four eyes count for the next execution.
func (b *Book) SetParams(p Params) *Refusal {
	p.EpochBlocks = b.params.EpochBlocks
	if r := p.Validate(); r != nil {
		return r
	}
	if r := b.checkBrackets(p); r != nil {
		return r
	}

	b.params = p
	return nil
}

// checkBrackets asks for the houses that brackets name.
func (b *Book) checkBrackets(p Params) *Refusal {
	for _, bracket := range p.Brackets {
		for _, f := range bracket.Quorum {
			if _, known := b.newest().house(f.House); !known {
				return unknown(KindHouse, f.House)
			}
		}
	}
	return nil
}

// Height is the treasury height: it stands still while the treasury is paused.
func (b *Book) Height() uint64 { return b.height }

// Advance lets heights go by. The treasury's stands still while it is paused.
func (b *Book) Advance(blocks uint64) {
	if !b.Paused() {
		b.height += blocks
	}
}

// epoch is the cluster's epoch, not the treasury's: caps and schedules are dates.
func (b *Book) epoch(c Clock) uint64 { return c.Height / b.params.EpochBlocks }

// untilEpoch is how many heights pass before an epoch begins.
func (b *Book) untilEpoch(c Clock, epoch uint64) uint64 {
	start := epoch * b.params.EpochBlocks
	if start <= c.Height {
		return 0
	}
	return start - c.Height
}

func (b *Book) epochs(n uint64) uint64 { return n * b.params.EpochBlocks }

// Get finds a disbursement. It must not be changed.
func (b *Book) Get(id ID) (*Disbursement, bool) {
	seq, ok := b.ids.Get(string(id[:]))
	if !ok {
		return nil, false
	}
	return b.rows.Get(seq)
}

// at is the disbursement that a key's last eight bytes tell.
func (b *Book) at(key string) *Disbursement {
	d, ok := b.rows.Get(last(key))
	if !ok {
		panic("treasury: an index refers to a disbursement that is not there")
	}
	return d
}

func (b *Book) find(id ID) (*Disbursement, *Refusal) {
	d, ok := b.Get(id)
	if !ok {
		return nil, unknown(KindDisbursement, id.String())
	}
	return d, nil
}

// put stores a disbursement in the place of what it was and keeps the indexes.
func (b *Book) put(d *Disbursement) {
	old, known := b.rows.Set(d.Sequence, d)
	if !known {
		b.sequence = max(b.sequence, d.Sequence)
		b.ids.Set(string(d.ID[:]), d.Sequence)
		b.proposals.add(d.Proposed.Height/b.params.EpochBlocks, d.Proposer)
		old = new(Disbursement)
	} else {
		b.counts[old.Status]--
		b.amounts[old.Status] = b.amounts[old.Status].Sub(old.Body.Amount)
	}
	b.counts[d.Status]++
	b.amounts[d.Status] = b.amounts[d.Status].Add(d.Body.Amount)
	seq := d.Sequence
	replace(b.byStatus, statusKey(old.Status, seq), known, statusKey(d.Status, seq), true)
	replace(b.byPlace, placeKey(old.Body.Destination, seq), known, placeKey(d.Body.Destination, seq), true)
	replace(b.timers, timerKey(old, seq), old.Status.Live(), timerKey(d, seq), d.Status.Live())
	replace(b.executable, pair(old.Executable, seq), old.Status == Timelocked, pair(d.Executable, seq), d.Status == Timelocked)
	replace(b.unfunded, pair(old.Queued.Height, seq), old.lacks(), pair(d.Queued.Height, seq), d.lacks())
	replace(b.bySize, sizeKey(old, seq), old.lacks(), sizeKey(d, seq), d.lacks())
	if old.Reserved {
		b.reserved = b.reserved.Sub(old.Body.Amount)
	}
	if d.Reserved {
		b.reserved = b.reserved.Add(d.Body.Amount)
	}
	b.indexWaiting(old, d)
}

// replace moves an entry of an index from where it was, if it was there, to where it
// is, if it is there.
func replace(index *btree.Map[string, struct{}], from string, was bool, to string, is bool) {
	if was && is && from == to {
		return
	}
	if was {
		index.Delete(from)
	}
	if is {
		index.Set(to, struct{}{})
	}
}

// indexWaiting keeps who depends on whom and which roll is in use.
func (b *Book) indexWaiting(old, d *Disbursement) {
	if was, is := old.waits(), d.waits(); was != is {
		for _, dep := range d.Body.Deps {
			if is {
				b.dependents.Set(dependentKey(dep, d.Sequence), struct{}{})
			} else {
				b.dependents.Delete(dependentKey(dep, d.Sequence))
			}
		}
	}
	voted, votes := old.Status == Voting, d.Status == Voting
	switch users, _ := b.rollUsers.Get(d.roll); {
	case votes && !voted:
		b.rollUsers.Set(d.roll, users+1)
	case voted && !votes:
		b.leaveRoll(old.roll)
	}
}

func (b *Book) leaveRoll(number uint64) {
	users, _ := b.rollUsers.Get(number)
	if users > 1 {
		b.rollUsers.Set(number, users-1)
		return
	}
	b.rollUsers.Delete(number)
	b.dropRoll(number)
}

// waits reports whether the end of a dependency concerns the disbursement.
func (d *Disbursement) waits() bool { return d.Status == Voting || d.Status == Queued }

// lacks reports whether the disbursement waits for money.
func (d *Disbursement) lacks() bool { return d.Status == Queued && !d.Reserved }

// Keys of tables. Numbers are big-endian, so that they sort as they count.

func pair(a, b uint64) string {
	var k [16]byte
	binary.BigEndian.PutUint64(k[:8], a)
	binary.BigEndian.PutUint64(k[8:], b)
	return string(k[:])
}

func first(key string) uint64 { return binary.BigEndian.Uint64([]byte(key[:8])) }

func last(key string) uint64 { return binary.BigEndian.Uint64([]byte(key[len(key)-8:])) }

func tail(prefix string, seq uint64) string {
	var k [8]byte
	binary.BigEndian.PutUint64(k[:], seq)
	return prefix + string(k[:])
}

func statusKey(s Status, seq uint64) string { return tail(string([]byte{byte(s)}), seq) }

func placeKey(to AccountID, seq uint64) string { return tail(string(to)+"\x00", seq) }

func dependentKey(dep ID, seq uint64) string { return tail(string(dep[:]), seq) }

func timerKey(d *Disbursement, seq uint64) string {
	return tail(tail("", d.Due)+string([]byte{byte(d.Status)}), seq)
}

func sizeKey(d *Disbursement, seq uint64) string {
	a := d.Body.Amount
	return pair(a.Hi, a.Lo) + pair(d.Queued.Height, seq)
}

func voteKey(id ID, principal string) string { return string(id[:]) + principal }
