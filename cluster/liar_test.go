package cluster

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
)

// A liar is a member with valid keys that leads, and whose own program has been put
// aside: what it hands to Raft is what the test wants.
type liar struct {
	*member
	c     *committee
	index int
}

// turn makes a liar of whoever leads.
func (c *committee) turn() *liar {
	c.t.Helper()
	i := c.leader()
	m := c.members[i]
	m.draining.Store(true) // so that no honest session follows
	if s := m.session.Load(); s != nil {
		s.stop(errStopping)
		<-s.ended
	}
	return &liar{m, c, i}
}

// log hands an entry's bytes to Raft, under the present term, and waits until the
// liar's own replica has applied them.
func (l *liar) log(raw []byte) *fsm.Result {
	l.c.t.Helper()
	r := l.raft.Load()
	future := r.Apply(logData(r.CurrentTerm(), raw), patience)
	if err := future.Error(); err != nil {
		l.c.t.Fatalf("the liar cannot log: %v", err)
	}
	result, ok := future.Response().(*fsm.Result)
	if !ok {
		l.c.t.Fatalf("the liar's entry came to %v", future.Response())
	}
	return result
}

// entry logs the next entry with these commands.
func (l *liar) entry(commands ...*fsm.Command) *fsm.Result {
	l.c.t.Helper()
	v := l.View()
	return l.log((&fsm.Entry{Number: v.Number() + 1, At: v.Now(), Commands: commands}).Encode())
}

// resign hands the lead to an honest node, and the liar is honest again.
func (l *liar) resign() {
	l.c.t.Helper()
	l.c.eventually("the liar resigns", func() error {
		r := l.raft.Load()
		if r.State() != raft.Leader {
			return nil
		}
		if err := r.LeadershipTransfer().Error(); err != nil {
			return err
		}
		return errors.New("it still leads")
	})
	l.draining.Store(false)
	l.c.leader()
}

// honest are the nodes that are not the liar.
func (l *liar) honest() []*member {
	var out []*member
	for i, m := range l.c.members {
		if i != l.index && m != nil {
			out = append(out, m)
		}
	}
	return out
}

// caught waits until all honest nodes have applied what the liar has.
func (l *liar) caught() {
	l.c.t.Helper()
	for _, m := range l.honest() {
		l.c.eventually("the honest nodes follow", func() error {
			if m.View().TreeSize() != l.View().TreeSize() {
				return errors.New("not yet")
			}
			return nil
		})
	}
}

// outcome asks a node for the outcome that lies at an ordinal.
func (m *member) outcomeAt(t testing.TB, ordinal uint64) *fsm.Outcome {
	t.Helper()
	record, err := m.journal.Outcome(ordinal)
	if err != nil {
		t.Fatal(err)
	}
	o, err := fsm.ParseOutcome(record)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// altered is a command with the same keys and signatures over other bytes.
func altered(t testing.TB, cmd *fsm.Command, change func(*envelope.Envelope)) *fsm.Command {
	t.Helper()
	e := cmd.Envelope()
	change(&e)
	out, refusal := fsm.FromEnvelope(e)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return out
}
