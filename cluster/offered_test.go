package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/snapshot"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// A receiver is a follower's replica with the store that Raft hands it snapshots by.
type receiver struct {
	*replica
	store   *snapshotStore
	dir     string
	refused []error
}

// newReceiver has applied the first entries of a history and signed what they led to.
func newReceiver(t *testing.T, h *history, entries int) *receiver {
	t.Helper()
	x := &receiver{replica: newTestReplica(t, h.c), dir: t.TempDir()}
	x.ApplyBatch(h.logs[:entries])
	v := x.view.Load()
	x.witness = knowing{last: proof.Checkpoint{Origin: v.Origin(), Size: v.TreeSize(), Root: v.Root()}, peers: h.r.journal}
	inner, err := openSnapshotFiles(x.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	x.store = newSnapshotStore(inner, &frontGuard{recentLog: &recentLog{LogStore: raft.NewInmemStore()}}, x.replica, &offers{
		waiting: filepath.Join(x.dir, "offered"), dir: filepath.Join(x.dir, "refused"), leader: func() string { return "node-c" },
		clock:   func() time.Time { return time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC) },
		room:    func() (uint64, error) { return snapshotRoom(x.dir) },
		refused: func(_ string, why error) { x.refused = append(x.refused, why) },
	})
	return x
}

// offer does what Raft does with a snapshot from the leader, and returns what the sink
// says at its end.
func (x *receiver) offer(t *testing.T, index uint64, data []byte, servers ...raft.Server) error {
	t.Helper()
	_, wire := raft.NewInmemTransport("")
	sink, err := x.store.Create(1, index, 2, raft.Configuration{Servers: servers}, 1, wire)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bytes.NewReader(data).WriteTo(sink); err != nil {
		t.Fatal(err)
	}
	return sink.Close()
}

// restore does what Raft does after the sink was closed.
func (x *receiver) restore(t *testing.T) {
	t.Helper()
	kept, err := x.store.List()
	if err != nil || len(kept) != 1 {
		t.Fatalf("%d snapshots, %v", len(kept), err)
	}
	_, source, err := x.store.Open(kept[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := (stateMachine{x.replica, x.store}).Restore(source); err != nil {
		t.Fatal(err)
	}
}

// honestHistory has a frozen state that is proven and a tail behind it. A follower of
// it has applied the first seen entries.
func honestHistory(t *testing.T) (h *history, seen int) {
	t.Helper()
	c := newCommittee(t)
	h = newHistory(t, c)
	h.commands(c.deposits("early", 2)...)
	seen = len(h.logs)
	h.commands(c.deposits("later", 2)...)
	h.stated()
	h.cosign(0, 1)
	h.commands(c.deposits("behind the checkpoint", 2)...)
	return h, seen
}

// edited passes leaves on as change leaves them; nil leaves one out.
func edited(s whole, change func(i uint64, leaf []byte) []byte) whole {
	inner := s.leaves
	s.leaves = func(from, to uint64, fn func(uint64, []byte) error) error {
		return inner(from, to, func(i uint64, leaf []byte) error {
			if leaf = change(i, bytes.Clone(leaf)); leaf == nil {
				return nil
			}
			return fn(i, leaf)
		})
	}
	return s
}

// Whatever a leader makes up is refused before Raft takes it for its newest snapshot:
// the state stays what it was, the lie is kept, and an honest snapshot does afterwards.
func TestForgedSnapshots(t *testing.T) {
	h, seen := honestHistory(t)
	c, honest := h.c, h.file()
	if honest.Base.Leaf == 0 || honest.State.TreeSize() <= h.note.Size {
		t.Fatal("the honest snapshot has no image, or no tail behind its checkpoint")
	}
	// invented is a history in which the leader did as it liked since the follower saw it.
	invented := func(commands ...*fsm.Command) *history {
		f := h.fork(t, seen)
		f.commands(commands...)
		f.stated()
		return f
	}
	richer := invented(c.deposit("made up"))
	single := fsm.SubmitReading{Header: c.single("sunny", "0"), Market: "energy", Meter: "m-1", Register: 1, MeasuredAt: 1}
	nonce := invented(c.command(single, "submit_reading", "sunny"))
	_, join := c.recruit("node-a")
	member := invented(join)
	under := func(f *history, nodes ...int) whole {
		f.cosign(nodes...)
		return f.file()
	}
	with := func(change func(s *whole)) whole {
		s := honest
		change(&s)
		return s
	}
	image := func(f *history) whole {
		f.cosign(0, 1)
		f.r.bases.settle(f.note.Size)
		return with(func(s *whole) {
			s.Base.View, s.Base.Digest = f.r.bases.proven.View, f.r.bases.proven.Digest
		})
	}
	end := honest.State.TreeSize()
	// reordered has the same beginning and other entries since the frozen state.
	reordered := h.fork(t, int(honest.Base.View.Number()))
	reordered.commands(c.deposit("instead"))
	reordered.stated()
	reordered.cosign(0, 1)
	late := h.fork(t, len(h.logs)-1) // without what lies behind the checkpoint
	early := h.fork(t, int(honest.Base.View.Number())+1)
	stale := h.fork(t, seen-1)
	for _, tc := range []struct {
		name string
		file whole
		part snapshot.Part
	}{
		{"a balance", image(richer), snapshot.PartImage},
		{"a nonce", image(nonce), snapshot.PartImage},
		{"a member", image(member), snapshot.PartImage},
		{"everything, cosigned by the leader alone", under(richer, 2), snapshot.PartEvidence},
		{"everything, cosigned by nobody", under(nonce), snapshot.PartEvidence},
		{"everything, cosigned by all, but this node knows better", under(h.other(t), 0, 1, 2), snapshot.PartHistory},
		{"a digest", with(func(s *whole) { s.Evidence = alteredDigest(t, s.Evidence) }), snapshot.PartEvidence},
		{"a receipt that states no digest", with(func(s *whole) { s.Evidence = h.receipt(honest.Base.Leaf - 2) }), snapshot.PartEvidence},
		{"no evidence", with(func(s *whole) { s.Evidence = nil }), snapshot.PartEvidence},
		{"a policy chain", with(func(s *whole) {
			s.Chain = proof.FormatChain([]proof.Step{{Decided: h.receipt(1), Effective: h.receipt(2)}})
		}), snapshot.PartChain},
		{"a tail that lacks its last entry", edited(honest, func(i uint64, leaf []byte) []byte {
			if i >= late.view().TreeSize() {
				return nil
			}
			return leaf
		}), snapshot.PartTail},
		{"a tail that ends before the checkpoint", with(func(s *whole) { s.State = early.view() }), snapshot.PartHistory},
		{"a tail with other entries than the checkpoint's", with(func(s *whole) {
			s.State, s.leaves = reordered.view(), reordered.r.journal.Leaves
		}), snapshot.PartTail},
		{"a tail with an altered command", edited(honest, func(i uint64, leaf []byte) []byte {
			if i == end-1 {
				leaf = bytes.Replace(leaf, []byte(`"1000"`), []byte(`"9000"`), 1)
			}
			return leaf
		}), snapshot.PartTail},
		{"a tail with a forged command", edited(honest, func(_ uint64, leaf []byte) []byte {
			if leaf[0] == fsm.LeafCommand {
				return forgedFrame(t, leaf) // the receipts stay, the signature does not fit
			}
			return leaf
		}), snapshot.PartTail},
		{"a stale one", stale.file(), snapshot.PartHistory},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := newReceiver(t, h, seen)
			before := x.view.Load()
			err := x.offer(t, 100, tc.file.bytes(t))
			x.isRefused(t, err, tc.part)
			if now := x.view.Load(); now != before {
				t.Errorf("the state has changed to entry %d", now.Number())
			}
			if err := x.offer(t, 100, honest.bytes(t)); err != nil {
				t.Fatalf("the honest snapshot afterwards: %v", err)
			}
			x.restore(t)
			if got := x.view.Load(); got.Root() != h.view().Root() || got.Digest() != h.view().Digest() {
				t.Error("the state is not the honest one")
			}
		})
	}
}

// isRefused asks for the refusal, for what is kept of it, and that Raft has nothing.
func (x *receiver) isRefused(t *testing.T, err error, part snapshot.Part) {
	t.Helper()
	refused, ok := errors.AsType[*snapshot.Error](err)
	if !ok || refused.Part != part {
		t.Fatalf("%v, want it refused for its %s", err, part)
	}
	if kept, err := x.store.List(); err != nil || len(kept) > 0 {
		t.Errorf("Raft has %d snapshots, %v", len(kept), err)
	}
	if len(x.refused) != 1 || !errors.Is(x.refused[0], refused) {
		t.Errorf("people are told: %v", x.refused)
	}
	about, err := filepath.Glob(filepath.Join(x.dir, "refused", "*.json"))
	if err != nil || len(about) != 1 {
		t.Fatalf("kept: %v, %v", about, err)
	}
	data, err := os.ReadFile(about[0])
	if err != nil {
		t.Fatal(err)
	}
	var kept refusedOffer
	if err := json.Unmarshal(data, &kept); err != nil || kept.From != "node-c" || kept.Index != 100 || kept.Why == "" || kept.At.Year() != 2020 {
		t.Errorf("%s: %+v, %v", about[0], kept, err)
	}
	if _, err := os.Stat(about[0][:len(about[0])-len(".json")] + ".snapshot"); err != nil {
		t.Error(err)
	}
}

// other is a history of which the follower has seen nothing.
func (h *history) other(t *testing.T) *history {
	t.Helper()
	f := newHistory(t, h.c)
	f.commands(h.c.deposits("elsewhere", 5)...)
	f.stated()
	return f
}

func alteredDigest(t *testing.T, file []byte) []byte {
	t.Helper()
	p, err := proof.ParseProof(file)
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := fsm.ParseReceipt(p.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(p.Leaf, []byte(`"value":"`)) + len(`"value":"`)
	if body.(*fsm.CutReceipt).Digest == nil || at < len(`"value":"`) {
		t.Fatal("the receipt states no digest")
	}
	p.Leaf[at] = "0123456789abcdef"[(bytes.IndexByte([]byte("0123456789abcdef"), p.Leaf[at])+1)%16]
	return proof.FormatProof(p.Leaf, p.Index, p.Path, p.Note)
}

// forgedFrame is a command leaf whose second signature is not its signer's.
func forgedFrame(t *testing.T, leaf []byte) []byte {
	t.Helper()
	c, err := fsm.ParseFrame(leaf[1:])
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{fsm.LeafCommand}, altered(t, c, func(e *envelope.Envelope) { e.Signatures[1].Sig[5] ^= 1 }).Frame()...)
}

// A snapshot that cannot be judged, because no peer proves that it continues what this
// node knows, is refused without being called a lie, and taken once one does.
func TestUnprovenSnapshot(t *testing.T) {
	h, seen := honestHistory(t)
	x := newReceiver(t, h, seen)
	peers := x.witness
	x.witness = knowing{last: x.witness.signed()}
	data := h.file().bytes(t)
	if err := x.offer(t, 100, data); !errors.Is(err, snapshot.ErrUnproven) || len(x.refused) > 0 {
		t.Fatalf("%v, told %v", err, x.refused)
	}
	x.witness = peers
	if err := x.offer(t, 100, data); err != nil {
		t.Fatal(err)
	}
}

// What comes beside a snapshot is judged too: Raft's index, and its configuration.
func TestForgedSnapshotMetadata(t *testing.T) {
	h, seen := honestHistory(t)
	data := h.file().bytes(t)
	for _, tc := range []struct {
		name   string
		index  uint64
		server raft.Server
		want   bool
	}{
		{"a member", 100, raft.Server{ID: "node-b", Address: "node-b"}, true},
		{"an index that is applied", uint64(seen) - 1, raft.Server{ID: "node-b", Address: "node-b"}, false},
		{"a stranger", 100, raft.Server{ID: "node-x", Address: "node-x"}, false},
		{"a member elsewhere", 100, raft.Server{ID: "node-b", Address: "10.0.0.1:1"}, false},
	} {
		x := newReceiver(t, h, seen)
		x.index.Store(uint64(seen))
		if err := x.offer(t, tc.index, data, tc.server); (err == nil) != tc.want || (len(x.refused) == 0) != tc.want {
			t.Errorf("%s: %v, told %v", tc.name, err, x.refused)
		}
	}
}

// A node that installs a snapshot, or starts from its own, can prove the next one by
// what that held.
func TestSnapshotOfSnapshot(t *testing.T) {
	h, seen := honestHistory(t)
	x := newReceiver(t, h, seen)
	if err := x.offer(t, 100, h.file().bytes(t)); err != nil {
		t.Fatal(err)
	}
	x.restore(t)
	if x.complete() {
		t.Fatal("the journal cannot be complete: nobody gave the leaves before the image")
	}
	if _, err := x.Snapshot(); err == nil {
		t.Fatal("a snapshot is taken without the journal")
	}
	target := x.openGap()
	m, err := newMissing(x.journal, target, filepath.Join(x.dir, "backfill"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.remove()
	if err := h.r.journal.Leaves(m.firstLeaf, target.TreeSize(), func(_ uint64, leaf []byte) error { return m.addLeaf(leaf) }); err != nil {
		t.Fatal(err)
	}
	if err := h.r.journal.Outcomes(m.firstOutcome, target.Commands(), func(_ uint64, record []byte) error { return m.addOutcome(record) }); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{m.check(), m.write()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if closed, err := x.closeGap(target); !closed || err != nil {
		t.Fatalf("close: %v, %v", closed, err)
	}
	if root, err := x.journal.Root(h.view().TreeSize()); err != nil || root != h.view().Root() {
		t.Fatalf("the leaves of the tail are not in the journal: %v", err)
	}
	second := &history{c: h.c, r: x.replica, at: h.at, logs: h.logs, note: h.note}
	x.witness = second
	third := newReceiver(t, h, 0)
	if err := third.offer(t, 100, second.file().bytes(t)); err != nil {
		t.Fatal(err)
	}
	third.restore(t)
	if third.view.Load().Digest() != h.view().Digest() {
		t.Error("the state is not the same")
	}
	// Both go on alike, with the digest of the same frozen state in the same receipt.
	for range 4 {
		result := h.cut()
		for _, r := range []*replica{x.replica, third.replica} {
			if got := r.Apply(h.logs[len(h.logs)-1]).(*fsm.Result); got.Refused || r.view.Load().Root() != h.view().Root() {
				t.Fatalf("entry %d: another root", result.Number)
			}
		}
	}
}

// A leader that sends a snapshot without end does not fill the disk: what there is no
// room for is not taken, leaves nothing behind, and the next that fits is.
func TestEndlessOffer(t *testing.T) {
	h, seen := honestHistory(t)
	x := newReceiver(t, h, seen)
	room := uint64(100_000)
	x.store.offers.room = func() (uint64, error) { return room, nil }
	_, wire := raft.NewInmemTransport("")
	sink, err := x.store.Create(1, 99, 2, raft.Configuration{}, 1, wire)
	if err != nil {
		t.Fatal(err)
	}
	var written uint64
	for block := make([]byte, 4_096); err == nil && written <= 2*room; {
		var n int
		n, err = sink.Write(block)
		written += uint64(n)
	}
	info, statErr := os.Stat(x.store.offers.waiting)
	if err == nil || statErr != nil || written > room || uint64(info.Size()) != written {
		t.Errorf("%d bytes written with room for %d: %v, %v", written, room, err, statErr)
	}
	if err := sink.Cancel(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(x.store.offers.waiting); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	room = 1 << 30
	if err := x.offer(t, 100, h.file().bytes(t)); err != nil {
		t.Errorf("an honest snapshot after that: %v", err)
	}
}
