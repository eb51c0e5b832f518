package cluster

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// A node that lost its leader while others still follow it says soon that it does not
// know what became of what it forwarded: no election will tell it.
func TestLeaderlessNodeSaysSo(t *testing.T) {
	c, dir := newSimCommittee(t, 3), simDir(t)
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, c, dir, simUsual, 1)
		for i := range w.nodes {
			w.start(i)
		}
		w.within("all nodes are ready", w.ready)
		leader := w.leader()
		follower := (leader + 1) % len(w.nodes)
		w.net.part(func(a, b int) bool { return a == leader && b == follower })
		began := time.Now()
		answers, err := w.member(follower).Submit(t.Context(), []*fsm.Command{newSimLoad(w).deposit(1)})
		if err != nil {
			t.Fatal(err)
		}
		if _, unknown := errors.AsType[*UnknownOutcome](answers[0].Err); !unknown {
			t.Errorf("the answer is %+v, want that it is not known", answers[0])
		}
		// Heartbeats are missed for a timeout or two before a leader counts as lost.
		if took, want := time.Since(began), leaderFor+3*w.pace.raft; took > want {
			t.Errorf("it took %s, want %s at most", took, want)
		}
		w.net.heal()
		for i := range w.nodes {
			w.stop(i)
		}
		w.sleep(time.Minute) // for what still waits
	})
}
