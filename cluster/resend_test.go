package cluster

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// A command sent again, later or at the same time, on any node, is answered with
// the one outcome and done once.
func TestResend(t *testing.T) {
	c := newCommittee(t).startAll()
	cmd := c.deposit("once")
	first := c.must(0, cmd)[0].Outcome.Record()
	for i := range c.members {
		if got := c.must(i, again(t, cmd))[0].Outcome.Record(); !bytes.Equal(got, first) {
			t.Errorf("node %d gives another outcome", i)
		}
	}

	twice := c.deposit("twice")
	outcomes := make([][]byte, 6)
	var wait sync.WaitGroup
	for i := range outcomes {
		copied := again(t, twice)
		wait.Add(1)
		go func() {
			defer wait.Done()
			answers, err := c.members[i%3].Submit(t.Context(), []*fsm.Command{copied})
			if err != nil || answers[0].Outcome == nil {
				t.Errorf("submit %d: %v %+v", i, err, answers)
				return
			}
			outcomes[i] = answers[0].Outcome.Record()
		}()
	}
	wait.Wait()
	for i := range outcomes {
		if !bytes.Equal(outcomes[i], outcomes[0]) {
			t.Errorf("submit %d has another outcome", i)
		}
	}
	c.agree()
	if got := c.balance(0); got != 2_000 {
		t.Errorf("balance %d, want 2000", got)
	}
	o, _, err := c.members[2].Outcome(twice.Identity())
	if err != nil || o == nil || !bytes.Equal(o.Record(), outcomes[0]) {
		t.Errorf("the index of node 2 gives %+v, %v", o, err)
	}
}

// What was forwarded to a leader that then answers nobody, as one does that is paused,
// goes to the next leader as soon as there is one.
func TestForwardOutlivesLeader(t *testing.T) {
	c := newCommittee(t).startAll()
	leader := c.leader()
	old, follower := c.members[leader], c.other(leader)
	old.flights.mu.Lock()
	wake := sync.OnceFunc(old.flights.mu.Unlock)
	defer wake()
	sent := make(chan []Answer, 1)
	go func() {
		answers, err := c.members[follower].Submit(t.Context(), []*fsm.Command{c.deposit("held up")})
		if err != nil {
			t.Error(err)
		}
		sent <- answers
	}()
	c.eventually("it is forwarded", func() error {
		f := &c.members[follower].forwards
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.sent) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	if err := old.raft.Load().LeadershipTransfer().Error(); err != nil {
		t.Fatal(err)
	}
	if answers := <-sent; answers[0].Outcome == nil || answers[0].Outcome.Refusal != nil {
		t.Errorf("the answer is %+v", answers[0])
	}
	wake()
	c.agree()
}

// A command that was applied before it was forwarded once more is not held against the
// leader.
func TestAppliedIsNotOverdue(t *testing.T) {
	c := newCommittee(t).startAll()
	follower := c.members[c.other(c.leader())]
	applied, withheld := c.deposit("applied"), c.deposit("withheld")
	c.must(c.leader(), applied)
	c.agree()
	long := time.Now().Add(-2 * forwardedWithin)
	follower.forwards.add([]*fsm.Command{applied, withheld}, "node-x", long)
	late := follower.unapplied(follower.forwards.overdue("node-x", time.Now()))
	if !slices.Equal(late, []fsm.Identity{withheld.Identity()}) {
		t.Errorf("overdue are %v, want %v", late, withheld.Identity())
	}
}

// What the state can refuse before a nonce is spent is refused at the leader's door
// and leaves no trace.
func TestDoorRefusals(t *testing.T) {
	c := newCommittee(t).startAll()
	forged := c.deposit("forged")
	forged.Sigs[1][0] ^= 1
	alone := c.command(fsm.Deposit{
		ThresholdHeader: c.threshold(), Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1}, Reference: "alone",
	}, "deposit", "alice")
	cases := []struct {
		name string
		cmd  *fsm.Command
		want fsm.Code
	}{
		{"forged", forged, fsm.SignatureInvalid},
		{"below the threshold", alone, fsm.Unauthorized},
	}
	before := c.members[0].View().Commands()
	for _, tc := range cases {
		for i := range c.members {
			answers, err := c.members[i].Submit(t.Context(), []*fsm.Command{again(t, tc.cmd)})
			if err != nil {
				t.Fatal(err)
			}
			a := answers[0]
			if a.Refusal == nil || a.Refusal.Code != tc.want || a.Outcome != nil {
				t.Errorf("%s at node %d: %+v, want %s", tc.name, i, a, tc.want)
			}
			if o, _, err := c.members[i].Outcome(tc.cmd.Identity()); o != nil || err != nil {
				t.Errorf("%s is logged: %v, %v", tc.name, o, err)
			}
		}
	}
	// The good copy of the forged command is not harmed by it.
	forged.Sigs[1][0] ^= 1
	c.must(1, again(t, forged))
	c.agree()
	if got := c.members[0].View().Commands(); got != before+1 {
		t.Errorf("%d commands are logged, want 1", got-before)
	}
}

// One bad command pays alone: the others of its request are taken.
func TestMixedRequest(t *testing.T) {
	c := newCommittee(t).startAll()
	commands := c.deposits("mixed", 300)
	commands[100].Sigs[0][5] ^= 1
	answers, err := c.members[1].Submit(t.Context(), commands)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if (a.Refusal != nil) != (i == 100) || (a.Outcome != nil) == (i == 100) || a.ID != commands[i].Identity() {
			t.Errorf("command %d: %+v", i, a)
		}
	}
}
