package cluster

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// A node takes part only in a cluster that is its own: genesis, keys and data
// directory must fit together.
func TestNewRefuses(t *testing.T) {
	c, other := newCommittee(t), newCommittee(t)
	unsigned, err := genesis.FromEnvelope(c.genesis.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	unsigned.Envelope.Signatures = unsigned.Envelope.Signatures[1:]
	c.release(0)
	mine, err := New(c.config(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := mine.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"no directory", func(k *Config) { k.Dir = "" }, "no data directory"},
		{"no genesis", func(k *Config) { k.Genesis = nil }, "no genesis"},
		{"no keys", func(k *Config) { k.NodeKey = nil }, "Ed25519"},
		{"a stranger", func(k *Config) { k.NodeKey = newKey(t) }, "not a member"},
		{"another cosigner", func(k *Config) { k.CosignerKey = c.keys[1].cosigner }, "another cosigner key"},
		{"another sealing key", func(k *Config) { k.SealingKey = c.keys[1].sealing }, "sealing key"},
		{"unsigned", func(k *Config) { k.Genesis = unsigned }, "not signed by node"},
		{"a node's directory of another cluster", func(k *Config) {
			*k = other.config(0)
			k.Dir = c.nodeDir(0)
		}, "belongs to cluster"},
		{"another node's directory", func(k *Config) {
			*k = c.config(1)
			k.Dir = c.nodeDir(0)
		}, "belongs to node node-a"},
		{"a timeout of nothing", func(k *Config) { k.RaftTimeout = 1 }, "raft timeout"},
		{"a negative interval", func(k *Config) { k.SnapshotInterval = -1 }, "negative"},
	} {
		config := c.config(0)
		tc.change(&config)
		n, err := New(config)
		if err == nil {
			t.Errorf("%s: accepted", tc.name)
			_ = n.Close()
			continue
		}
		if !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want it to say %q", tc.name, err, tc.says)
		}
	}
	// The refusals left the directory usable.
	again, err := New(c.config(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(again.dir.signed()); err != nil {
		t.Fatal(err)
	}
	if n, err := New(c.config(0)); err == nil {
		t.Error("a node that forgot what it signed starts")
		_ = n.Close()
	}
	if err := os.Remove(again.dir.identity()); err != nil {
		t.Fatal(err)
	}
	if n, err := New(c.config(0)); err == nil {
		t.Error("a directory of nobody in particular is taken over")
		_ = n.Close()
	}
}

// A node states its clock for its own cluster, era and ticks only.
func TestClockStatements(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	view := r.view.Load()
	now := time.UnixMilli(1_760_000_000_000)
	clock := &committeeClock{self: "node-b", key: c.keys[1].node, clock: func() time.Time { return now }}
	check := func(tick uint64, s *fsm.Statement, sig []byte) error {
		m, _ := view.Member(s.Node)
		return check(view, tick, m, s, sig)
	}
	good := statementRequest{Cluster: hex.EncodeToString(c.genesis.Cluster[:]), Era: view.Era(), Tick: 1}
	a, err := clock.answer(view, good)
	if err != nil {
		t.Fatal(err)
	}
	s := fsm.Statement{Node: 1, At: a.At}
	if err := check(1, &s, a.Sig); err != nil || a.At != now.UnixMilli() {
		t.Errorf("at %d: %v", a.At, err)
	}
	for name, spoil := range map[string]func(*fsm.Statement, *uint64, *[]byte){
		"another time":      func(s *fsm.Statement, _ *uint64, _ *[]byte) { s.At++ },
		"another tick":      func(_ *fsm.Statement, tick *uint64, _ *[]byte) { *tick++ },
		"another node":      func(s *fsm.Statement, _ *uint64, _ *[]byte) { s.Node = 2 },
		"the far future":    func(s *fsm.Statement, _ *uint64, _ *[]byte) { s.At = maxClock + 1 },
		"no time":           func(s *fsm.Statement, _ *uint64, _ *[]byte) { s.At = 0 },
		"a short signature": func(_ *fsm.Statement, _ *uint64, sig *[]byte) { *sig = (*sig)[1:] },
		"another signature": func(_ *fsm.Statement, _ *uint64, sig *[]byte) { *sig = bytes.Clone(*sig); (*sig)[0] ^= 1 },
	} {
		s, tick, sig := fsm.Statement{Node: 1, At: a.At}, uint64(1), a.Sig
		spoil(&s, &tick, &sig)
		if check(tick, &s, sig) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, spoil := range map[string]func(*statementRequest){
		"another cluster":  func(q *statementRequest) { q.Cluster = strings.Repeat("00", 16) },
		"another era":      func(q *statementRequest) { q.Era = "1" },
		"a tick that was":  func(q *statementRequest) { q.Tick = 0 },
		"a tick far ahead": func(q *statementRequest) { q.Tick = nearTicks + 1 },
	} {
		q := good
		spoil(&q)
		if _, err := clock.answer(view, q); err == nil {
			t.Errorf("%s is answered", name)
		}
	}
}

// A statement that is signed well but states no usable time is not used either: it
// would make every node refuse the tick.
func TestUnusableClocks(t *testing.T) {
	c := newCommittee(t)
	view := newTestReplica(t, c).view.Load()
	for _, at := range []int64{-1, 0, maxClock + 1} {
		clock := &committeeClock{self: "node-b", key: c.keys[1].node, clock: func() time.Time { return time.UnixMilli(at) }}
		s := clock.state(view, 1)
		if m, _ := view.Member(1); check(view, 1, m, &fsm.Statement{Node: 1, At: at}, s.Sig[:]) == nil {
			t.Errorf("the time %d is used", at)
		}
		if _, err := clock.gather(t.Context(), view); err == nil {
			t.Errorf("a leader states the time %d", at)
		}
	}
}

// note makes a checkpoint note over any root, signed by the log and by nodes.
func (c *committee) note(cp proof.Checkpoint, nodes ...int) []byte {
	c.t.Helper()
	logKey, err := c.genesis.OpenLogKey(c.genesis.Nodes[0].Name, c.keys[0].sealing)
	if err != nil {
		c.t.Fatal(err)
	}
	line, err := proof.SignLog(cp.Origin, logKey, cp)
	if err != nil {
		c.t.Fatal(err)
	}
	var sigs []proof.Cosignature
	for _, i := range nodes {
		sigs = append(sigs, proof.Cosign(c.genesis.CosignerName(c.genesis.Nodes[i]), c.keys[i].cosigner, 7, cp))
	}
	return proof.Assemble(cp, line, sigs)
}

// A node that learns that k others have cosigned another root than it computed
// ends, saying so. What fewer have signed is refused and harms nobody.
func TestDivergedNodeEnds(t *testing.T) {
	c := newCommittee(t).startAll()
	answers := c.must(0, c.deposits("diverged", 3)...)
	size := answers[2].Outcome.Leaf
	c.final(2, size)
	other := proof.Checkpoint{Origin: c.genesis.Origin(), Size: size}
	other.Root[0] = 1
	victim := c.members[2]
	name := c.genesis.Nodes[2].Name
	if err := c.members[0].calls.pushCheckpoint(t.Context(), name, c.note(other, 0)); err == nil {
		t.Error("a note below the threshold is taken")
	}
	if err := victim.Ready(); err != nil {
		t.Fatal(err)
	}
	if err := c.members[0].calls.pushCheckpoint(t.Context(), name, c.note(other, 0, 1)); err == nil {
		t.Error("a note that contradicts the node is published")
	}
	c.members[2] = nil
	err := victim.exit(t)
	victim.cancel()
	if err == nil || !strings.Contains(err.Error(), "diverged") {
		t.Errorf("the node ended with: %v", err)
	}
	// The others go on without it.
	c.must(c.leader(), c.deposit("without it"))
}

// The leader keeps what proves that a peer signed another root, and ends itself
// only when k others agree against it.
func TestContradictingCosignatures(t *testing.T) {
	c := newCommittee(t)
	var failed error
	dir := filepath.Join(t.TempDir(), "evidence")
	archive, err := cosign.OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	published, err := cosign.OpenPublication(filepath.Join(t.TempDir(), "checkpoint"), c.roster().policyAt)
	if err != nil {
		t.Fatal(err)
	}
	f := &finality{
		origin: c.genesis.Origin(), roster: c.roster(), evidence: archive, published: published,
		alarms: &localAlarms{}, fail: func(err error) { failed = err }, log: c.config(0).Logger,
	}
	col := &collector{finality: f, self: "node-a"}
	policy := c.genesis.Policy()
	cut := fsm.Cut{Number: 3, Size: 40}
	theirs := proof.Checkpoint{Origin: f.origin, Size: 40}
	theirs.Root[5] = 9
	cast := func(i int) vote {
		w := policy.Witnesses[i]
		sig := proof.Cosign(w.KeyName, c.keys[i].cosigner, 7, theirs)
		v, ok := col.judge(f.roster.all()[i], cosignatureAnswer{Size: 40, Root: theirs.Root[:], Line: sig.Line()})
		if !ok {
			t.Fatalf("node %d: a good cosignature is not accepted", i)
		}
		return v
	}
	one, two := cast(1), cast(2)
	col.contradicted(&tally{cut: cut, policy: policy, theirs: []vote{one}})
	found, err := filepath.Glob(filepath.Join(dir, "node-b-40-*.json"))
	if err != nil || len(found) != 1 || failed != nil {
		t.Errorf("evidence %v, %v, fatal %v", found, err, failed)
	}
	if got := f.alarms.list(); len(got) != 1 || got[0] != AlarmEvidence {
		t.Errorf("alarms %v", got)
	}
	col.contradicted(&tally{cut: cut, policy: policy, theirs: []vote{one, two}})
	if failed == nil || !strings.Contains(failed.Error(), "node-b") || !strings.Contains(failed.Error(), "node-c") {
		t.Errorf("k others disagree and the node goes on: %v", failed)
	}
	sig := proof.Cosign(policy.Witnesses[1].KeyName, c.keys[1].cosigner, 7, theirs)
	for name, a := range map[string]cosignatureAnswer{
		"another's signature": {Size: 40, Root: theirs.Root[:], Line: proof.Cosign(policy.Witnesses[1].KeyName, c.keys[2].cosigner, 7, theirs).Line()},
		"another size":        {Size: 41, Root: theirs.Root[:], Line: sig.Line()},
		"another root":        {Size: 40, Root: make([]byte, 32), Line: sig.Line()},
		"a short root":        {Size: 40, Root: theirs.Root[1:], Line: sig.Line()},
		"another name":        {Size: 40, Root: theirs.Root[:], Line: proof.Cosign("x/node-b", c.keys[1].cosigner, 7, theirs).Line()},
		"no signature":        {Size: 40, Root: theirs.Root[:]},
	} {
		if _, ok := col.judge(f.roster.all()[1], a); ok {
			t.Errorf("%s is accepted", name)
		}
	}
}

// While there is a replicated alarm no node cosigns.
func TestAlarmStopsSigning(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	path := filepath.Join(t.TempDir(), "signed.json")
	if err := cosign.Create(path, c.genesis.Origin()); err != nil {
		t.Fatal(err)
	}
	signer, err := cosign.Open(path, c.genesis.Origin(), c.genesis.CosignerName(c.genesis.Nodes[0]), c.keys[0].cosigner)
	if err != nil {
		t.Fatal(err)
	}
	f := &finality{origin: c.genesis.Origin(), roster: c.roster(), signer: signer, replica: r, clock: time.Now, alarms: &localAlarms{}}
	apply := func(index uint64, data []byte) {
		r.ApplyBatch([]*raft.Log{{Index: index, Term: 1, Data: logData(1, data)}})
		if err := f.sign(); err != nil {
			t.Fatal(err)
		}
	}
	apply(1, c.tick(r.view.Load(), false).Encode())
	apply(2, (&fsm.Entry{Number: 2, At: time.Now().UnixMilli(), Commands: c.deposits("signed", 1)}).Encode())
	apply(3, c.tick(r.view.Load(), true).Encode())
	cut := r.view.Load().Cut()
	if o, ok := f.own(cut.Size); !ok || !o.cosignature.Verify(publicOf(c.keys[0].cosigner), f.checkpoint(cut)) {
		t.Fatal("the cut is not signed")
	}
	apply(4, []byte("nonsense"))
	apply(5, c.tick(r.view.Load(), true).Encode())
	later := r.view.Load().Cut()
	if later.Number == cut.Number || signer.Last().Size != cut.Size {
		t.Errorf("cut %d follows %d; signed %d leaves", later.Number, cut.Number, signer.Last().Size)
	}
}

// Readiness says what is missing.
func TestReady(t *testing.T) {
	c := newCommittee(t)
	c.release(0)
	n, err := New(c.config(0))
	if err != nil {
		t.Fatal(err)
	}
	not, ok := errors.AsType[*NotReady](n.Ready())
	if !ok || len(not.Reasons) < 3 {
		t.Errorf("before it runs: %v", n.Ready())
	}
	if s := n.Status(); s.Role != RoleStopped || s.LastTickMs != -1 || len(s.Peers) != 2 || s.Peers[0].Seen {
		t.Errorf("status %+v", s)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	// One node of three finds no leader, and says so to those who submit.
	m := c.start(0)
	answers, err := m.Submit(t.Context(), []*fsm.Command{c.deposit("nobody")})
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := errors.AsType[*Unavailable](answers[0].Err); !ok || u.RetryAfter <= 0 {
		t.Errorf("answer %+v", answers[0])
	}
	if _, err := m.ReadIndex(t.Context(), true); err == nil {
		t.Error("a node without a leader answers a linearizable read")
	}
	if m.Ready() == nil {
		t.Error("a node without a leader is ready")
	}
}
