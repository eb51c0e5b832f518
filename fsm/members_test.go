package fsm

import "testing"

// replaced is a rig whose node-c was replaced by node-d, after a joiner that was
// superseded and one that was given up.
func replaced(t testing.TB) *rig {
	r := world(t)
	r.must(r.threshold(r.replacement("node-b", newcomer("node-x", 5))))
	r.must(r.threshold(r.replacement("node-b", newcomer("node-y", 6))))
	r.pass(2)
	r.must(r.threshold(&CancelReplacement{Node: "node-y"}))
	r.must(r.threshold(r.replacement("node-c", newcomer("node-d", 2))))
	r.pass(2)
	r.cosigns = []int{0, 1, 5}
	r.pass(3)
	r.cosigns, r.states = []int{1, 5}, []int{0, 5}
	r.pass(2)
	if m, _ := r.m.View().MemberNamed("node-d"); m.Standing() != Active || !m.Seen || m.Seat != 5 {
		t.Fatalf("node-d is %+v", m)
	}
	return r
}

// A state that is written and read at every entry of a replacement goes on alike,
// and so does one that replays it all.
func TestReplacementSurvivesRestoreAndReplay(t *testing.T) {
	r := replaced(t)
	m := r.fresh()
	for _, raw := range r.log {
		e, _ := DecodeEntry(raw)
		m.Apply(raw, e)
		m = restore(t, r, m.View())
	}
	for what, other := range map[string]*Machine{"restored": m, "replayed": r.replay()} {
		if other.View().Digest() != r.m.View().Digest() || other.View().Root() != r.m.View().Root() {
			t.Errorf("a machine %s at every entry differs", what)
		}
	}
}
