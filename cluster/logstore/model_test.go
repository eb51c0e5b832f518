package logstore

import (
	"bytes"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// A history is a store under random use with random deaths, next to its model.
type history struct {
	*rig
	term uint64
	old  [][]byte // contents of bolt's file from before
}

func (h *history) operations() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"append": func(rt *rapid.T) {
			h.term += rapid.Uint64Range(0, 1).Draw(rt, "terms")
			_, last := h.model.ends()
			logs := entries(last+1+h.gap(rt), rapid.IntRange(1, 12).Draw(rt, "entries"), h.term+1)
			h.do(rt, func(m model) { m.store(logs) }, func() error { return h.store.StoreLogs(logs) })
		},
		"truncate": func(rt *rapid.T) {
			first, last := h.model.ends()
			h.deleting(rt, rapid.Uint64Range(first, last+1).Draw(rt, "from"), last)
			h.term++
		},
		"compact": func(rt *rapid.T) {
			first, last := h.model.ends()
			h.deleting(rt, first, rapid.Uint64Range(first, last+1).Draw(rt, "to"))
		},
		"set": func(rt *rapid.T) {
			key := rapid.SampledFrom([]string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"}).Draw(rt, "key")
			value := rapid.StringN(0, 20, 60).Draw(rt, "value")
			h.do(rt, func(m model) { m.settings[key] = value }, func() error { return h.store.Set([]byte(key), []byte(value)) })
		},
		"close": func(*rapid.T) { h.must(h.store.Close()); h.store = nil; h.open() },
		"kill":  func(*rapid.T) { h.kill(); h.open() },
		"power": func(*rapid.T) { h.cutPower(); h.open() },
		"keep": func(*rapid.T) {
			bolt, _ := h.files()
			h.old = append(h.old, bolt)
		},
		"": func(rt *rapid.T) {
			if err := differs(h.store, h.model); err != nil || len(h.fails) > 0 {
				rt.Fatal(err, h.fails)
			}
		},
	}
}

// gap is what an installed snapshot leaves, now and then.
func (h *history) gap(rt *rapid.T) uint64 {
	if rapid.IntRange(0, 9).Draw(rt, "gap") == 0 {
		return rapid.Uint64Range(1, 50).Draw(rt, "missing")
	}
	return 0
}

func (h *history) deleting(rt *rapid.T, from, to uint64) {
	h.do(rt, func(m model) { m.delete(from, to) }, func() error { return h.store.DeleteRange(from, to) })
}

// do carries an operation out, sometimes dying in the middle: before bolt's
// transaction the old content must come back, after it the new, whether or not the
// mark got that far.
func (h *history) do(rt *rapid.T, change func(model), op func() error) {
	moment := rapid.SampledFrom([]string{"", "", "", "before", "after"}).Draw(rt, "death")
	var bolt, mark []byte
	if moment != "" {
		h.store.bolt = &between{h.store.bolt, func(op func() error) error {
			if moment == "before" {
				bolt, mark = h.files()
				return op()
			}
			err := op()
			bolt, mark = h.files()
			return err
		}}
	}
	if err := op(); err != nil {
		rt.Fatal(err)
	}
	died := bolt != nil
	if !died || moment == "after" {
		change(h.model)
	}
	if died {
		h.kill()
		h.restore(bolt, mark)
		h.open()
	}
}

func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{rig: newRig(t)}
		defer os.RemoveAll(h.dir)
		defer h.kill()
		rt.Repeat(h.operations())
		h.stepsBack(rt)
	})
}

// stepsBack puts each older file in the place of the newest. The process may have been
// killed, but the power was not cut, so the mark says exactly where the file was: what
// held anything else is refused.
func (h *history) stepsBack(rt *rapid.T) {
	h.kill()
	bolt, mark := h.files()
	for i, old := range h.old {
		h.restore(old, mark)
		s, err := Open(h.config())
		if err == nil {
			err = differs(s, h.model)
			if err != nil {
				rt.Errorf("file %d of %d was taken for the newest: %v", i, len(h.old), err)
			}
			h.must(s.Close())
			continue
		}
		if !isDamage(err) {
			rt.Errorf("file %d of %d: %v", i, len(h.old), err)
		}
		if bytes.Equal(old, bolt) {
			rt.Errorf("the newest file was refused: %v", err)
		}
	}
}
