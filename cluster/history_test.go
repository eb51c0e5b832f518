package cluster

import (
	"bytes"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/hashicorp/raft"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/cluster/snapshot"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// A history is a replica that a test drives entry by entry, and whose checkpoints it
// cosigns with the keys of whichever nodes it wants.
type history struct {
	c    *committee
	r    *replica
	at   int64
	logs []*raft.Log
	note cosign.Published
	nobody
}

func newHistory(t *testing.T, c *committee) *history {
	t.Helper()
	h := &history{c: c, r: newTestReplica(t, c), at: c.genesis.CreatedAt}
	h.r.witness = h
	return h
}

// fork is another history that began in the same way.
func (h *history) fork(t *testing.T, entries int) *history {
	t.Helper()
	f := newHistory(t, h.c)
	f.at, f.logs = h.at, append([]*raft.Log(nil), h.logs[:entries]...)
	f.r.ApplyBatch(f.logs)
	return f
}

func (h *history) view() *fsm.View { return h.r.view.Load() }

func (h *history) apply(e *fsm.Entry) *fsm.Result {
	h.c.t.Helper()
	l := command(uint64(len(h.logs))+1, 2, 2, e)
	h.logs = append(h.logs, l)
	result, ok := h.r.Apply(l).(*fsm.Result)
	if !ok || result.Refused {
		h.c.t.Fatalf("entry %d is refused", e.Number)
	}
	return result
}

func (h *history) commands(commands ...*fsm.Command) {
	h.c.t.Helper()
	h.apply(&fsm.Entry{Number: h.view().Number() + 1, At: h.at, Commands: commands})
}

// cut is a tick of a later epoch that marks a cut.
func (h *history) cut() *fsm.Result {
	h.c.t.Helper()
	h.at += 10 * int64(h.c.genesis.BlockMs*uint32(h.c.genesis.EpochBlocks)) / 5
	v := h.view()
	e := &fsm.Entry{Number: v.Number() + 1, At: h.at, Cut: true}
	for i := range 2 {
		s := fsm.Statement{Node: uint8(i), At: h.at}
		copy(s.Sig[:], ed25519.Sign(h.c.keys[i].node, fsm.StatementMessage(v.Cluster(), v.Era(), v.Tick()+1, h.at)))
		e.Statements = append(e.Statements, s)
	}
	return h.apply(e)
}

// stated cuts until the digest of a frozen state stands in a receipt.
func (h *history) stated() {
	h.c.t.Helper()
	for range 8 {
		for _, receipt := range h.cut().Receipts {
			if body, ok := receipt.Body.(*fsm.CutReceipt); ok && body.Digest != nil {
				return
			}
		}
	}
	h.c.t.Fatal("no receipt states a digest")
}

func (h *history) checkpoint() proof.Checkpoint {
	return proof.Checkpoint{Origin: h.view().Origin(), Size: h.view().TreeSize(), Root: h.view().Root()}
}

// cosign makes and publishes a checkpoint of what is applied, by some of the nodes.
func (h *history) cosign(nodes ...int) {
	h.c.t.Helper()
	g, cp := h.c.genesis, h.checkpoint()
	logKey, err := g.OpenLogKey(g.Nodes[0].Name, h.c.keys[0].sealing)
	if err != nil {
		h.c.t.Fatal(err)
	}
	line, err := proof.SignLog(cp.Origin, logKey, cp)
	if err != nil {
		h.c.t.Fatal(err)
	}
	var signed []proof.Cosignature
	for _, i := range nodes {
		signed = append(signed, proof.Cosign(g.CosignerName(g.Nodes[i]), h.c.keys[i].cosigner, uint64(h.at/1_000), cp))
	}
	h.note = cosign.Published{Checkpoint: cp, Note: proof.Assemble(cp, line, signed)}
}

// published implements witness.
func (h *history) published() cosign.Published { return h.note }

// evidence implements witness.
func (h *history) evidence(base snapshot.Base, _ cosign.Published) (chain, evidence []byte, err error) {
	if base.Leaf == 0 {
		return proof.FormatChain(nil), h.note.Note, nil
	}
	return proof.FormatChain(nil), h.receipt(base.Leaf), nil
}

// receipt proves a leaf under the published checkpoint.
func (h *history) receipt(leaf uint64) []byte {
	h.c.t.Helper()
	path, err := h.r.journal.ProveRecord(h.note.Size, leaf)
	if err != nil {
		h.c.t.Fatal(err)
	}
	data, err := h.r.journal.Leaf(leaf)
	if err != nil {
		h.c.t.Fatal(err)
	}
	return proof.FormatProof(data, leaf, path, h.note.Note)
}

// A whole snapshot has the leaves of its tail, as one that another node sends.
type whole struct {
	snapshot.Snapshot
	leaves func(from, to uint64, fn func(i uint64, leaf []byte) error) error
}

func (w whole) bytes(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := w.WriteBase(&b); err != nil {
		t.Fatal(err)
	}
	from, to := w.Tail()
	err := w.leaves(from, to, func(_ uint64, leaf []byte) error { return fsm.WriteBlock(&b, leaf) })
	if err == nil {
		err = fsm.WriteBlock(&b, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// file is the snapshot that the replica would write now.
func (h *history) file() whole {
	h.c.t.Helper()
	s, err := h.r.Snapshot()
	if err != nil {
		h.c.t.Fatal(err)
	}
	now := s.(*snapshotting)
	f := whole{snapshot.Snapshot{Base: now.base, State: now.view}, now.journal.Leaves}
	if f.Chain, f.Evidence, err = h.evidence(now.base, now.published); err != nil {
		h.c.t.Fatal(err)
	}
	return f
}

// A knowing witness stands for a node that has signed something, and whose peers hold
// a journal.
type knowing struct {
	nobody
	last  proof.Checkpoint
	peers *journal.Journal // nil if none answers
}

func (k knowing) signed() proof.Checkpoint { return k.last }

func (k knowing) prove(size, old uint64, holds func(tlog.TreeProof) error) error {
	if k.peers == nil {
		return k.nobody.prove(size, old, holds)
	}
	path, err := k.peers.ProveTree(size, old)
	if err != nil {
		return err
	}
	return holds(path)
}
