package cluster

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/fsm"
)

// A payload that names no signer may be signed by somebody else too, who is refused
// and whose nonce is consumed. The outcome of the identity is still the first one:
// nobody can make what took effect look refused.
func TestFirstOutcomeOfAnIdentityStands(t *testing.T) {
	c := newCommittee(t)
	r := newTestReplica(t, c)
	pause := fsm.Pause{Header: c.single("alice", "0"), Scope: "treasury", Reason: "a test"}
	own, others := c.command(pause, "pause", "alice"), c.command(pause, "pause", "sunny")
	r.ApplyBatch([]*raft.Log{
		command(1, 2, 2, c.tick(r.view.Load(), false)),
		command(2, 2, 2, &fsm.Entry{Number: 2, At: time.Now().UnixMilli(), Commands: []*fsm.Command{own}}),
		command(3, 2, 2, &fsm.Entry{Number: 3, At: time.Now().UnixMilli(), Commands: []*fsm.Command{others}}),
	})
	if n := r.journal.OutcomeCount(); n != 2 || own.Identity() != others.Identity() {
		t.Fatalf("%d outcomes of %s and %s", n, own.Identity(), others.Identity())
	}
	second, err := r.journal.Outcome(1)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := fsm.ParseOutcome(second); err != nil || o.Refusal == nil || o.Unconsumed {
		t.Fatalf("the other's command was not refused with its nonce consumed: %v, %v", o, err)
	}
	o, err := (&Node{journal: r.journal}).outcome(own.Identity())
	if err != nil || o == nil || o.Ordinal != 0 || o.Refusal != nil {
		t.Errorf("the outcome is %+v, %v", o, err)
	}
}
