package fsm

import (
	"encoding/binary"

	"github.com/tidwall/btree"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// rulesNumber says which rules of verification, parsing and transition this
// state follows. A change of behaviour is a new number.
const rulesNumber = 2

// state is everything that decides what Apply does next. All of it is in the
// state image, and copy costs next to nothing: the tables are copy-on-write.
type state struct {
	genesis *genesis.Signed // never changes

	number uint64 // of the last entry applied
	clock  clock

	edge     proof.Edge
	dirty    bool   // a cut is wanted
	cuts     []Cut  // the newest, oldest first, at most keptCuts; replaced, never changed in place
	cutCount uint64 // cuts ever made
	final    Cut    // the newest cut known to be cosigned by k
	digestAt digestAt
	chain    [32]byte // over all outcomes
	commands uint64   // commands ever applied
	alarms   []string // replaced, never changed in place

	members []*member // by seat; replaced, never changed in place
	changes []Change  // of the committee, in order; replaced, never changed in place

	principals  *btree.Map[string, Principal]
	keys        *btree.Map[string, *Key]
	owned       *btree.Map[string, KeyID]    // role, principal, key id of live keys: follows from keys
	lanes       *btree.Map[string, uint64]   // key id, lane → last nonce
	spent       *btree.Map[string, int64]    // identity of a threshold command → its expiry
	expiring    *btree.Map[string, struct{}] // expiry, identity: the same in order of time
	references  *btree.Map[string, struct{}] // deposit references ever used
	due         *btree.Map[string, dueItem]  // height, sequence
	dueSequence uint64
	receivables *btree.Map[string, receivable] // payer, sequence: unfunded settlements in order
	waiting     uint64                         // sequence of the last receivable

	oracle *oracle.State
	ledger *treasury.Ledger
	book   *treasury.Book
}

// Cut is a marked journal size.
type Cut struct {
	Number, Size uint64
	Root         tlog.Hash
}

// keptCuts is for how many cuts late cosignatures are still understood.
const keptCuts = 16

// digestAt says which cut's state digest is owed. Cut 0 owes none.
type digestAt struct {
	epoch uint64 // of the newest cut whose digest was or is owed
	cut   uint64
}

// receivable is a settlement that its payer could not fund yet.
type receivable struct {
	market     string
	settlement uint64
}

func newState(g *genesis.Signed) *state {
	return &state{
		genesis:     g,
		principals:  new(btree.Map[string, Principal]),
		keys:        new(btree.Map[string, *Key]),
		owned:       new(btree.Map[string, KeyID]),
		lanes:       new(btree.Map[string, uint64]),
		spent:       new(btree.Map[string, int64]),
		expiring:    new(btree.Map[string, struct{}]),
		references:  new(btree.Map[string, struct{}]),
		due:         new(btree.Map[string, dueItem]),
		receivables: new(btree.Map[string, receivable]),
		oracle:      oracle.NewState(),
		ledger:      treasury.NewLedger(),
		book:        treasury.RestoredBook(),
	}
}

// copy returns an independent state in constant time.
func (s *state) copy() *state {
	c := *s
	c.principals, c.keys, c.owned = s.principals.Copy(), s.keys.Copy(), s.owned.Copy()
	c.lanes, c.spent, c.expiring = s.lanes.Copy(), s.spent.Copy(), s.expiring.Copy()
	c.references, c.due, c.receivables = s.references.Copy(), s.due.Copy(), s.receivables.Copy()
	c.oracle, c.ledger, c.book = s.oracle.Copy(), s.ledger.Copy(), s.book.Copy()
	return &c
}

// era is the generation of the history. Raising it is a later chapter.
const eraZero = "0-0000000000000000000000000000000000000000000000000000000000000000"

func (s *state) era() string { return eraZero }

func (s *state) epoch() uint64 { return s.epochAt(s.clock.height) }

func (s *state) epochAt(height uint64) uint64 { return height / s.genesis.EpochBlocks }

func (s *state) majority() int { return len(s.genesis.Nodes)/2 + 1 }

// raise adds an alarm once, and stops all outflows. Alarms are few: each names a
// reason of a closed set.
func (s *state) raise(reason string) {
	for _, a := range s.alarms {
		if a == reason {
			return
		}
	}
	s.alarms = append(append([]string{}, s.alarms...), reason)
	_ = s.book.Pause(treasury.ScopeAll) // refused if it is paused already
}

// ordered makes a table key that sorts by a number first.
func ordered(v uint64, rest string) string {
	return string(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(rest)), v)) + rest
}

func laneKey(id KeyID, lane string) string { return string(id[:]) + lane }
