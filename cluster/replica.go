package cluster

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/cluster/snapshot"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// A replica is the state machine as Raft sees it. It owns the only lock around the
// state and writes what entries produce into the journal.
//
// Raft calls it from one goroutine. The lock is for the others: whoever fills the
// journal's gap writes to the journal only while it is behind the state, and takes
// over from or hands over to Apply under the lock.
type replica struct {
	genesis *genesis.Signed
	journal *journal.Journal
	disk    *diskWatch
	cores   cores
	known   knownEntries
	fail    func(error)    // ends the process
	applied func(*applied) // told of every entry in order
	audited func(error)    // told of every walk over the whole ledger
	// jumped is told when a snapshot has replaced the state, learned of every state
	// whose members are not those of the state before. What they fail to keep ends the
	// process.
	jumped, learned func(*fsm.View) error

	mu      sync.Mutex
	machine *fsm.Machine
	gap     *gap // not nil while the journal is behind the state

	view   atomic.Pointer[fsm.View]
	index  atomic.Uint64 // Raft's index of the last log entry consumed
	moved  signal        // fires when view has changed
	opened signal        // fires when a gap has opened or closed
	// configured fires when a configuration of Raft was committed.
	configured signal
	dead       atomic.Bool // a write failed; nothing is applied any more

	// owed gives the digest of the last frozen state; only Raft's goroutine uses it, and
	// bases.
	owed    chan [32]byte
	bases   bases
	digests sync.WaitGroup
	witness witness
}

// applied is what one entry did.
type applied struct {
	index  uint64 // Raft's
	entry  *fsm.Entry
	result *fsm.Result
	before *fsm.View // the state that the entry met
	view   *fsm.View
	took   time.Duration // to apply it
}

var _ raft.BatchingFSM = (*replica)(nil)

// errStopped is the answer to entries that come after a failed write.
var errStopped = errors.New("the node has stopped applying entries")

func newReplica(g *genesis.Signed, j *journal.Journal, d *diskWatch, c cores) (*replica, error) {
	machine, err := fsm.New(g)
	if err != nil {
		return nil, err
	}
	r := &replica{genesis: g, journal: j, disk: d, cores: c, machine: machine, witness: nobody{}}
	if r.bases.proven, err = snapshot.OfGenesis(g); err != nil {
		return nil, err
	}
	r.view.Store(machine.View())
	return r, nil
}

// Apply implements raft.FSM.
func (r *replica) Apply(l *raft.Log) any { return r.ApplyBatch([]*raft.Log{l})[0] }

// decoded is a log entry on its way into the state machine.
type decoded struct {
	raw   []byte
	entry *fsm.Entry // nil if raw does not decode
	late  bool
}

// ApplyBatch implements raft.BatchingFSM. An entry's result is *fsm.Result or an
// error; configuration entries have nil.
func (r *replica) ApplyBatch(logs []*raft.Log) []any {
	batch := r.decode(logs)
	results := make([]any, len(logs))
	for i, l := range logs {
		switch {
		case l.Type == raft.LogConfiguration:
			r.configured.fire()
		case l.Type != raft.LogCommand:
		case r.dead.Load():
			results[i] = errStopped
		case batch[i].late:
			results[i] = errLate
		default:
			results[i] = r.apply(l.Index, batch[i])
		}
		r.index.Store(l.Index)
	}
	return results
}

// decode parses a batch and verifies all its signatures together, but for the
// entries that this node has built itself.
func (r *replica) decode(logs []*raft.Log) []decoded {
	batch := make([]decoded, len(logs))
	var unverified []*fsm.Command
	for i, l := range logs {
		if l.Type != raft.LogCommand {
			continue
		}
		term, raw := splitLog(l.Data, l.Term)
		d := decoded{raw: raw, late: term != l.Term}
		if !d.late {
			if d.entry = r.known.take(term, raw); d.entry == nil {
				// An entry that does not decode is the state machine's to record.
				if e, err := fsm.DecodeEntry(raw); err == nil {
					d.entry = e
					unverified = append(unverified, e.Commands...)
				}
			}
		}
		batch[i] = d
	}
	r.cores.verify(r.view.Load().Keys(), unverified)
	return batch
}

// apply hands one entry to the state machine, writes what came of it, and then
// tells everybody.
func (r *replica) apply(index uint64, d decoded) any {
	// The digest may still be computed; nobody needs the lock for waiting.
	var digest *[32]byte
	if r.owed != nil && r.machine.NeedsDigest(d.entry) {
		value := <-r.owed
		digest = &value
	}
	r.mu.Lock()
	if digest != nil {
		r.machine.SupplyDigest(*digest)
	}
	began := time.Now()
	result := r.machine.Apply(d.raw, d.entry)
	took := time.Since(began)
	view := r.machine.View()
	err := r.store(result, view)
	r.mu.Unlock()
	if err == nil && view.MembersChanged(r.view.Load()) {
		err = r.learned(view)
	}
	if err != nil {
		// What the journal did not take may be neither answered nor signed.
		r.dead.Store(true)
		r.fail(fmt.Errorf("write entry %d to the journal: %w", result.Number, err))
		return errStopped
	}
	if r.bases.observe(result) {
		r.bases.settle(r.witness.published().Size)
	}
	if result.Frozen != nil {
		r.freeze(result.Frozen)
	}
	before := r.view.Swap(view)
	r.applied(&applied{index: index, entry: d.entry, result: result, before: before, view: view, took: took})
	r.moved.fire()
	return result
}

// freeze computes the digest of a frozen state beside Apply, and then walks its
// ledger.
func (r *replica) freeze(frozen *fsm.View) {
	owed := make(chan [32]byte, 1)
	r.owed = owed
	r.digests.Add(1)
	go func() {
		defer r.digests.Done()
		owed <- frozen.Digest()
		r.audited(frozen.Conserved())
	}()
}

// store writes an entry's leaves and outcomes. The lock is held.
func (r *replica) store(result *fsm.Result, view *fsm.View) error {
	if r.gap != nil {
		r.gap.hold(result, func() *fsm.View { return view })
		return nil
	}
	defer r.disk.begin("write to the journal")()
	return record(r.journal, result)
}

// complete reports whether the journal holds all leaves of the state.
func (r *replica) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gap == nil
}
