package cluster

import (
	"path/filepath"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
)

// What a peer says of an outcome is held to the state in every part: a record in which
// anything differs from what Apply made is not taken.
func TestAlteredOutcomesAreNotTaken(t *testing.T) {
	h := newHistory(t, newCommittee(t))
	h.commands(h.c.deposits("some", 3)...)
	for name, alter := range map[string]func(o *fsm.Outcome){
		"nothing":    func(*fsm.Outcome) {},
		"type":       func(o *fsm.Outcome) { o.Type++ },
		"entry":      func(o *fsm.Outcome) { o.Entry++ },
		"height":     func(o *fsm.Outcome) { o.Height++ },
		"time":       func(o *fsm.Outcome) { o.At-- },
		"receipts":   func(o *fsm.Outcome) { o.Receipts = append(o.Receipts, 1) },
		"no receipt": func(o *fsm.Outcome) { o.Receipts = nil },
		"result":     func(o *fsm.Outcome) { o.Result = append(o.Result, fsm.Field{Name: "more"}) },
		"refusal":    func(o *fsm.Outcome) { o.Refusal = &fsm.Refusal{Code: fsm.SignatureInvalid} },
		"consumed":   func(o *fsm.Outcome) { o.Unconsumed = true },
	} {
		m, err := newMissing(newTestReplica(t, h.c).journal, h.view(), filepath.Join(t.TempDir(), "missing"))
		if err != nil {
			t.Fatal(err)
		}
		err = h.r.journal.Leaves(m.firstLeaf, h.r.journal.Size(), func(_ uint64, leaf []byte) error { return m.addLeaf(leaf) })
		if err != nil {
			t.Fatal(err)
		}
		last := h.r.journal.OutcomeCount() - 1
		err = h.r.journal.Outcomes(m.firstOutcome, last+1, func(i uint64, record []byte) error {
			if i < last {
				return m.addOutcome(record)
			}
			o, err := fsm.ParseOutcome(record)
			if err != nil {
				return err
			}
			if len(o.Receipts) == 0 {
				t.Fatal("the last command caused no receipt")
			}
			alter(o)
			return m.addOutcome(o.Record())
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.check(); (err == nil) != (name == "nothing") {
			t.Errorf("%s: %v", name, err)
		}
		m.remove()
	}
}
