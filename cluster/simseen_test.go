package cluster

import (
	"math/bits"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm"
)

// What a simulated committee promises.
const (
	simWindow = 600    // blocks for which money is held
	simExpiry = 86_400 // blocks in which a reading may find its quorum
	simQuorum = 2      // oracles of three
	// simMargin is by how much a window may be shorter by the bubble's clock: an entry
	// may count as much, and the committee's time may be ahead by the allowance.
	simMargin = 30 * time.Second
)

// simSeen judges, while the simulation runs, what every node makes of each entry. The
// first node that applies an entry shows what it does, all others must do the same.
type simSeen struct {
	w *simWorld

	mu       sync.Mutex
	entries  map[uint64]simEntry
	accepted map[fsm.Identity]simPlace
	nonces   map[simLane]uint64
	oracles  map[fsm.KeyID]uint8
	votes    map[uint64]uint8     // who accepts a reading, a bit each
	settled  map[uint64]time.Time // when money came to be held
	released int
}

// simEntry is what a node made of an entry.
type simEntry struct {
	root  tlog.Hash
	chain [32]byte
	node  int
}

// simPlace is where a command took effect.
type simPlace struct{ entry, leaf uint64 }

type simLane struct {
	key  fsm.KeyID
	lane string
}

func newSimSeen(w *simWorld) *simSeen {
	return &simSeen{
		w: w, entries: map[uint64]simEntry{}, accepted: map[fsm.Identity]simPlace{}, nonces: map[simLane]uint64{},
		oracles: map[fsm.KeyID]uint8{}, votes: map[uint64]uint8{}, settled: map[uint64]time.Time{},
	}
}

// entry runs on Raft's goroutine of a node, for entries that it replays too.
func (s *simSeen) entry(node int, a *applied) {
	have := simEntry{a.view.Root(), a.view.OutcomeChain(), node}
	number := a.result.Number
	s.mu.Lock()
	defer s.mu.Unlock()
	first, known := s.entries[number]
	if !known {
		first = have
		s.entries[number] = have
		s.time(a)
		s.outcomes(a)
		s.receipts(a.result)
	}
	if first.root != have.root || first.chain != have.chain {
		s.w.errorf("entry %d has root %s on node %d and %s on node %d", number, have.root, node, first.root, first.node)
	}
	if alarms := a.view.Alarms(); len(alarms) > 0 {
		s.w.errorf("entry %d raises %v on node %d", number, alarms, node)
	}
}

// time demands that replicated time is not ahead, and that no more heights have gone by
// than time has.
func (s *simSeen) time(a *applied) {
	g, now := a.view.Genesis(), time.Now()
	allowance := time.Duration(g.AllowanceMs)*time.Millisecond + time.Second
	if ahead := time.UnixMilli(a.view.Now()).Sub(now); ahead > allowance {
		s.w.errorf("entry %d: replicated time is %s ahead", a.result.Number, ahead)
	}
	went := time.Duration(a.view.Height()) * time.Duration(g.BlockMs) * time.Millisecond
	if most := now.Sub(simStart) + allowance + fsmMostCounted; went > most {
		s.w.errorf("entry %d: heights stand for %s, want %s at most", a.result.Number, went, most)
	}
}

// outcomes demands that nothing is accepted twice and that nonces rise.
func (s *simSeen) outcomes(a *applied) {
	for i := range a.result.Outcomes {
		o := &a.result.Outcomes[i]
		if o.Refusal != nil || o.Unconsumed {
			continue
		}
		c := a.entry.Commands[i]
		if was, twice := s.accepted[o.ID]; twice {
			s.w.errorf("%s is accepted in entry %d and again in entry %d", o.ID, was.entry, o.Entry)
		}
		s.accepted[o.ID] = simPlace{o.Entry, o.Leaf}
		if h := c.Single(); h != nil {
			lane := simLane{c.KeyIDs[0], h.Lane}
			if last := s.nonces[lane]; h.Nonce <= last {
				s.w.errorf("entry %d: nonce %d on lane %s after %d", o.Entry, h.Nonce, h.Lane, last)
			}
			s.nonces[lane] = h.Nonce
		}
		if body, ok := c.Body().(*fsm.Attest); ok {
			s.attest(c.KeyIDs[0], body)
		}
	}
}

func (s *simSeen) attest(oracle fsm.KeyID, body *fsm.Attest) {
	bit, known := s.oracles[oracle]
	if !known {
		bit = 1 << len(s.oracles)
		s.oracles[oracle] = bit
	}
	for _, r := range body.Ranges {
		for n := r.From; n <= r.To; n++ {
			s.votes[n] |= bit
		}
	}
}

// receipts demands a quorum for what closes, and measures by the bubble's own clock how
// long money was held: from the settlement's first application anywhere to the
// release's.
func (s *simSeen) receipts(r *fsm.Result) {
	for _, receipt := range r.Receipts {
		switch body := receipt.Body.(type) {
		case *fsm.ReadingReceipt:
			if body.Status != "baseline" {
				s.w.errorf("reading %d closed as %s", body.Number, body.Status)
			}
			s.quorum(body.Number)
		case *fsm.SettlementReceipt:
			s.quorum(body.Readings.From)
			s.settled[body.Settlement] = time.Now()
		case *fsm.ReleaseReceipt:
			begun, ok := s.settled[body.Settlement]
			if held := time.Since(begun); !ok || held < simWindow*time.Second-simMargin {
				s.w.errorf("settlement %d was released after %s", body.Settlement, held)
			}
			s.released++
		}
	}
}

func (s *simSeen) quorum(reading uint64) {
	if have := bits.OnesCount8(s.votes[reading]); have < simQuorum {
		s.w.errorf("reading %d closed with %d oracles", reading, have)
	}
}
