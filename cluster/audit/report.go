package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/treasury"
)

// A Report is what an audit found.
type Report struct {
	// Leaves up to which everything agrees, and what they hold.
	Leaves   uint64
	Entries  uint64
	Refused  uint64 // entries that the committee refused as a whole
	Commands uint64
	Receipts uint64
	Cuts     uint64

	// Root of those leaves, and the digest of the state that they lead to.
	Root   tlog.Hash
	Digest [32]byte
	Height uint64
	Now    int64
	Alarms []string

	Balances  []Balance
	Conserved bool
	// Books are those that were kept from the receipts alone, and must agree.
	Books Books

	// Checkpoint is the note that the journal agrees with; its size is 0 if none was
	// given. Cosigners are the short names of those whose cosignatures count.
	Checkpoint proof.Checkpoint
	Cosigners  []string

	// FirstMismatch is nil if everything agrees.
	FirstMismatch *Mismatch
}

// Clean reports whether everything agrees and no money was made or lost.
func (r Report) Clean() bool { return r.FirstMismatch == nil && r.Conserved }

// A Balance is an account at the end of the journal.
type Balance struct {
	Account  treasury.AccountID
	Asset    string
	Amount   fsm.Amount
	Negative bool // only an external account's may be
}

// A Mismatch is the first thing that disagrees.
type Mismatch struct {
	Leaf uint64
	What string
	// Recorded and Computed are the leaf as it lies in the journal and as re-running
	// produced it; nil where there is none.
	Recorded, Computed []byte
}

// String names leaf and reason.
func (m *Mismatch) String() string { return fmt.Sprintf("leaf %d: %s", m.Leaf, m.What) }

// describe says in words what kind of leaf this is.
func describe(leaf []byte) string {
	if len(leaf) == 0 {
		return "an empty leaf"
	}
	switch leaf[0] {
	case fsm.LeafHeader:
		return "an entry's header"
	case fsm.LeafCommand:
		return "a command"
	case fsm.LeafUndecodable:
		return "the mark of a refused entry"
	case fsm.LeafReceipt:
		if kind, _, err := fsm.ParseReceipt(leaf); err == nil {
			return "a " + kind + " receipt"
		}
		return "a receipt of no known form"
	}
	return "a leaf of no known kind"
}
