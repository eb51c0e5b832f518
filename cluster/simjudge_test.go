package cluster

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// judge asks, once everything is whole again and everybody has an answer, whether the
// committee has kept its word.
func (w *simWorld) judge(l *simLoad) {
	w.equal()
	w.kept(l)
	w.final(l)
	w.linear(l)
	for i := range w.nodes {
		m := w.member(i)
		if err := m.View().Conserved(); err != nil {
			w.errorf("node %d: %v", i, err)
		}
		w.within(fmt.Sprintf("node %d has no alarm", i), func() error {
			if list := m.alarms.list(); len(list) > 0 {
				return fmt.Errorf("%v", list)
			}
			return nil
		})
	}
}

// within asks again and again, for some of Raft's timeouts.
func (w *simWorld) within(what string, ask func() error) {
	began := time.Now()
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Since(began) > simPatience*w.pace.raft {
			w.errorf("not within %s: %s: %v", time.Since(began), what, err)
			return
		}
		w.sleep(w.pace.raft / 10)
	}
}

// equal demands the same digest of all nodes.
func (w *simWorld) equal() {
	w.within("all nodes have the same state", func() error {
		first := w.member(0).View()
		for i := range w.nodes {
			view := w.member(i).View()
			if view.Number() != first.Number() {
				return fmt.Errorf("node %d is at entry %d, node 0 at %d", i, view.Number(), first.Number())
			}
			if view.Digest() != first.Digest() {
				w.errorf("at entry %d node %d has another digest than node 0", view.Number(), i)
			}
		}
		return nil
	})
}

// kept demands that what was answered is what happened, on every node.
func (w *simWorld) kept(l *simLoad) {
	for _, act := range l.acts {
		if act.outcome == nil || act.outcome.Refusal != nil {
			continue
		}
		answered := simPlace{act.outcome.Entry, act.outcome.Leaf}
		if took := w.seen.accepted[act.id]; took != answered {
			w.errorf("reading %d on %s was answered as %+v and happened as %+v", act.nonce, act.lane, answered, took)
		}
		for i := range w.nodes {
			o, err := w.member(i).outcome(act.id)
			if err != nil || o == nil || (simPlace{o.Entry, o.Leaf}) != answered {
				w.errorf("reading %d on %s was answered as %+v, node %d has %+v, %v", act.nonce, act.lane, answered, i, o, err)
			}
		}
	}
}

// final demands that all of it becomes final, with receipts that verify.
func (w *simWorld) final(l *simLoad) {
	var leaves []uint64
	last := uint64(0)
	for _, act := range l.acts {
		if act.outcome != nil {
			last = max(last, act.outcome.Leaf)
			leaves = append(leaves, act.outcome.Leaf)
		}
	}
	for i := range w.nodes {
		m := w.member(i)
		w.within(fmt.Sprintf("all readings are final on node %d", i), func() error {
			if size := m.FinalSize(); size <= last {
				return fmt.Errorf("%d leaves, want %d", size, last+1)
			}
			return m.Ready()
		})
		for range min(len(leaves), 10) {
			leaf := leaves[w.rand.IntN(len(leaves))]
			r, err := m.Receipt(leaf)
			if err == nil {
				_, err = proof.VerifyProof(w.genesis.Policy(), r.File)
			}
			if err != nil {
				w.errorf("node %d: the receipt of leaf %d: %v", i, leaf, err)
			}
		}
	}
}

// simTouch is a write of a nonce, or a read.
type simTouch struct {
	write bool
	nonce uint64
}

var simModel = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		last, in := state.(uint64), input.(simTouch)
		if in.write {
			return in.nonce > last, in.nonce
		}
		return output.(uint64) == last, last
	},
}

// linear demands an order of reads and readings, lane by lane.
func (w *simWorld) linear(l *simLoad) {
	histories := map[string][]porcupine.Operation{}
	for _, act := range l.acts {
		// A refused reading is not a write if its nonce was not consumed, and may be one
		// otherwise: which, the state machine says.
		if act.outcome != nil && !act.outcome.Unconsumed {
			histories[act.lane] = append(histories[act.lane], porcupine.Operation{
				ClientId: 0, Input: simTouch{true, act.nonce}, Output: uint64(0), Call: act.began.UnixNano(), Return: act.ended.UnixNano(),
			})
		}
	}
	for _, s := range l.looks {
		histories[s.lane] = append(histories[s.lane], porcupine.Operation{
			ClientId: 1, Input: simTouch{}, Output: s.last, Call: s.began.UnixNano(), Return: s.ended.UnixNano(),
		})
	}
	for lane, history := range histories {
		if !porcupine.CheckOperations(simModel, history) {
			w.errorf("the %d reads and readings on %s have no order", len(history), lane)
		}
	}
}
