package proof

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/strict"
)

// A life is a log whose committee changes: node-c gives way to node-d, then node-a to
// node-e. Nodes are those of the fixture, by their index.
type life struct {
	*fixture
	committees [3][]int
	steps      []Step
	sizes      [2]uint64 // from which on the second and the third committee count
}

func newLife(t testing.TB) *life {
	f := newFixture(5, 2, 4)
	for i := range f.policy.Witnesses {
		f.policy.Witnesses[i].KeyName = strings.Split(testOrigin, "/")[0] + "/" + f.policy.Witnesses[i].Name
	}
	l := &life{fixture: f, committees: [3][]int{{0, 1, 2}, {0, 1, 3}, {1, 3, 4}}}
	for i := range 2 {
		decided, effective := l.change(i)
		step := l.prove(t, i, decided, effective, [][]int{{0, 1, 3}, {1, 3, 4}}[i], l.committees[i+1])
		l.steps = append(l.steps, step)
		l.sizes[i] = uint64(len(l.leaves)) - 1
	}
	return l
}

func (l *life) newcomer(i int) int { return []int{3, 4}[i] }

func (l *life) policyOf(committee int) Policy {
	p := l.policy
	p.Witnesses = nil
	for _, n := range l.committees[committee] {
		p.Witnesses = append(p.Witnesses, l.policy.Witnesses[n])
	}
	return p
}

// change are the receipts of the change to the next committee, not yet in the log.
func (l *life) change(i int) (decided, effective PolicyReceipt) {
	names := func(n int) string { return l.policy.Witnesses[n].Name }
	decided = PolicyReceipt{
		ReceiptHead: ReceiptHead{Kind: KindPolicy, Entry: 7, Height: 5, At: 1_760_000_000_000},
		Change:      uint64(i) + 1, Standing: PolicyPending, Old: names([]int{2, 0}[i]), New: names(l.newcomer(i)),
		Previous: l.policyOf(i).Hash(), Policy: l.policyOf(i + 1).Hash(), Cosigners: uint32(l.policy.K),
	}
	for _, n := range l.committees[i+1] {
		w := l.policy.Witnesses[n]
		decided.Nodes = append(decided.Nodes, PolicyNode{
			Seat: uint8(n), Node: w.Name, CosignerKey: w.Key, PeerAddress: "10.0.0.1:7443", APIAddress: w.URL,
		})
	}
	effective = decided
	effective.Standing = PolicyEffective
	return decided, effective
}

// prove appends the receipts and what lies between, and makes a step of them.
func (l *life) prove(t testing.TB, i int, decided, effective PolicyReceipt, transition, later []int) Step {
	t.Helper()
	decided.Decided = uint64(len(l.leaves))
	l.leaves = append(l.leaves, strict.Encode(decided), []byte("between"))
	cp := l.checkpoint()
	file := l.receipt(t, int(decided.Decided), transition...)
	effective.Decided = decided.Decided
	if effective.Transition == nil && effective.Standing == PolicyEffective {
		effective.Transition = &Transition{Cut: uint64(i) + 4, Size: cp.Size, Root: cp.Root}
	}
	l.leaves = append(l.leaves, []byte("header"), strict.Encode(effective))
	l.leaves = append(l.leaves, []byte("after"))
	return Step{Decided: file, Effective: l.receipt(t, len(l.leaves)-2, later...)}
}

func TestChain(t *testing.T) {
	l := newLife(t)
	text := FormatChain(l.steps)
	golden(t, filepath.Join("testdata", "chain.golden"), text)
	steps, err := ParseChain(text)
	if err != nil {
		t.Fatal(err)
	}
	h, err := VerifyChain(l.policyOf(0), steps)
	if err != nil {
		t.Fatal(err)
	}
	for i, term := range h.Terms() {
		from := slices.Concat([]uint64{0}, l.sizes[:])[i]
		if term.From != from || term.Policy.Hash() != l.policyOf(i).Hash() {
			t.Errorf("term %d begins at %d with %s", i, term.From, term.Policy.Format())
		}
		if from > 0 && h.At(from-1).Hash() != l.policyOf(i-1).Hash() || h.At(from).Hash() != l.policyOf(i).Hash() {
			t.Errorf("the policies around size %d are others", from)
		}
	}
	if h.Newest().Policy.Hash() != l.policyOf(2).Hash() {
		t.Error("the newest policy is another")
	}
}

// A checkpoint is judged by the committee at its size: who was replaced does not count
// from then on, and counted before.
func TestHistoryJudgesBySize(t *testing.T) {
	l := newLife(t)
	h, err := VerifyChain(l.policyOf(0), l.steps)
	if err != nil {
		t.Fatal(err)
	}
	at := func(size uint64) *life {
		past := *l.fixture
		past.leaves = l.leaves[:size]
		return &life{fixture: &past}
	}
	for _, c := range []struct {
		size    uint64
		signers []int
		good    bool
	}{
		{4, []int{0, 2}, true},
		{4, []int{0, 3}, false},
		{l.sizes[0] - 1, []int{1, 2}, true},
		{l.sizes[0] - 1, []int{1, 3}, false},
		{l.sizes[0], []int{1, 3}, true},
		{l.sizes[0], []int{1, 2}, false},
		{l.sizes[1], []int{0, 1}, false},
		{l.sizes[1], []int{3, 4}, true},
	} {
		_, err := h.VerifyProof(at(c.size).receipt(t, 1, c.signers...))
		if (err == nil) != c.good {
			t.Errorf("size %d, signed by %v: %v", c.size, c.signers, err)
		}
	}
}

// A chain that is too old says so where that can be the reason.
func TestStaleChainIsSaid(t *testing.T) {
	l := newLife(t)
	h, err := VerifyChain(l.policyOf(0), l.steps[:1])
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.VerifyProof(l.receipt(t, 1, 3, 4))
	stale, ok := errors.AsType[*StaleError](err)
	if !ok || len(stale.Unknown) != 1 || !strings.HasSuffix(stale.Unknown[0], "/node-e") || part(err) != PartPolicy {
		t.Errorf("%v", err)
	}
	for _, signers := range [][]int{{3}, {2}} {
		_, err = h.VerifyProof(l.receipt(t, 1, signers...))
		if _, ok := errors.AsType[*StaleError](err); err == nil || ok != (signers[0] == 2) {
			t.Errorf("signed by %v: %v", signers, err)
		}
	}
	past := *l.fixture
	past.leaves = l.leaves[:4]
	if _, err = h.VerifyProof(past.receipt(t, 1, 3, 4)); err == nil || strings.Contains(err.Error(), "anew") {
		t.Errorf("of a size that the chain covers: %v", err)
	}
}

func TestChainRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change            func(decided, effective *PolicyReceipt)
		transition, later []int
		says              string
	}{
		"too few of the old committee": {transition: []int{1, 3}, says: "under the policy before it"},
		"too few of the new committee": {transition: []int{1, 2}, says: "under the policy after it"},
		"not the new node":             {transition: []int{0, 1}, says: "not cosigned by the new node"},
		"effect vouched for by the old": {
			later: []int{1, 2}, says: "the effect, under the policy after it",
		},
		"a decision that is no decision":   {change: func(d, _ *PolicyReceipt) { d.Standing = PolicyCancelled }, says: `standing "cancelled"`},
		"an effect that is a cancellation": {change: func(_, e *PolicyReceipt) { e.Standing = PolicyCancelled }, says: `standing "cancelled"`},
		"another change's effect":          {change: func(_, e *PolicyReceipt) { e.Change++ }, says: "not that of the decision"},
		"an effect by another checkpoint": {change: func(_, e *PolicyReceipt) {
			e.Transition = &Transition{Cut: 4, Size: 6, Root: tlog.Hash{1}}
		}, says: "not that of the decision"},
		"another policy before it":  {change: func(d, e *PolicyReceipt) { d.Previous[3] ^= 1; e.Previous[3] ^= 1 }, says: "not about the policy before it"},
		"a hash of another policy":  {change: func(d, e *PolicyReceipt) { d.Policy[3] ^= 1; e.Policy[3] ^= 1 }, says: "another hash"},
		"more cosigners than nodes": {change: func(d, _ *PolicyReceipt) { d.Cosigners = 9 }, says: "threshold 9"},
		"a kind of its own":         {change: func(d, _ *PolicyReceipt) { d.Kind = "gift" }, says: "gift receipt"},
		"change 0":                  {change: func(d, e *PolicyReceipt) { d.Change, e.Change = 0, 0 }, says: "comes after"},
	} {
		l := newLife(t)
		l.leaves = l.leaves[:4]
		decided, effective := l.change(0)
		if c.change != nil {
			c.change(&decided, &effective)
		}
		transition, later := []int{0, 1, 3}, []int{1, 3}
		if c.transition != nil {
			transition = c.transition
		}
		if c.later != nil {
			later = c.later
		}
		_, err := VerifyChain(l.policyOf(0), []Step{l.prove(t, 0, decided, effective, transition, later)})
		if err == nil || !strings.Contains(err.Error(), c.says) || part(err) != PartPolicy || !strings.Contains(err.Error(), "step 1") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	l := newLife(t)
	for name, steps := range map[string][]Step{
		"a step left out":          l.steps[1:],
		"a step twice":             {l.steps[0], l.steps[0]},
		"steps the wrong way":      {l.steps[1], l.steps[0]},
		"another's effect":         {{l.steps[0].Decided, l.steps[1].Effective}},
		"a decision for an effect": {{l.steps[0].Decided, l.steps[0].Decided}},
	} {
		if _, err := VerifyChain(l.policyOf(0), steps); err == nil || part(err) != PartPolicy {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseChainRefuses(t *testing.T) {
	good := string(FormatChain([]Step{{[]byte("ab"), []byte("c\n")}}))
	for _, text := range []string{
		"", "tallyvault-policy-chain v2\n", "tallyvault-policy-chain v1", good + "x", good[:len(good)-1], strings.Replace(good, "2 2", "2 02", 1),
		strings.Replace(good, "2 2", "2 1", 1), strings.Replace(good, "2 2", "2  2", 1), strings.Replace(good, "2 2", "2 18446744073709551615", 1),
		strings.Replace(good, "step", "stop", 1), chainHeader + "\n" + strings.Repeat("step 0 0\n", MaxSteps+1),
	} {
		if steps, err := ParseChain([]byte(text)); err == nil || part(err) != PartPolicy {
			t.Errorf("%.80q: %d steps, %v", text, len(steps), err)
		}
	}
}

// Whatever parses is what was written, and nothing makes verifying panic.
func FuzzChain(f *testing.F) {
	l := newLife(f)
	f.Add(FormatChain(l.steps))
	f.Add(FormatChain(l.steps[:1]))
	f.Add(FormatChain(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		steps, err := ParseChain(text)
		if err != nil {
			return
		}
		if string(FormatChain(steps)) != string(text) {
			t.Errorf("%q was read and is written differently", text)
		}
		h, err := VerifyChain(l.policyOf(0), steps)
		if err == nil && (h.Newest().From != slices.Concat([]uint64{0}, l.sizes[:])[len(steps)] || h.Newest().Policy.Hash() != l.policyOf(len(steps)).Hash()) {
			t.Errorf("a history that never was is accepted, up to %d:\n%s", h.Newest().From, text)
		}
	})
}
