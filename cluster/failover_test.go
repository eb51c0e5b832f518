package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// writer submits one deposit after the other on changing nodes until told to stop,
// and remembers what was acknowledged.
type writer struct {
	acked   map[string]uint64 // reference → entry
	unknown int
}

func (c *committee) write(stop <-chan struct{}, name string, nodes []*member) *writer {
	w := &writer{acked: map[string]uint64{}}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return w
		default:
		}
		reference := fmt.Sprintf("%s %d", name, i)
		cmd := c.deposit(reference)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		answers, err := nodes[i%len(nodes)].Submit(ctx, []*fsm.Command{cmd})
		cancel()
		if err != nil {
			c.t.Error(err)
			return w
		}
		a := answers[0]
		_, unknown := errors.AsType[*UnknownOutcome](a.Err)
		switch {
		case unknown:
			w.unknown++
		case a.Outcome != nil && a.Outcome.Refusal == nil:
			w.acked[reference] = a.Outcome.Entry
		case a.Err == nil:
			c.t.Errorf("deposit %q is refused: %v %v", reference, a.Refusal, a.Outcome)
		}
	}
}

// A killed leader comes back with what its disk had, and nothing that anybody was
// told is lost or done twice.
func TestKillLeader(t *testing.T) {
	c := newCommittee(t).startAll()
	stop := make(chan struct{})
	var wait sync.WaitGroup
	leader := c.leader()
	survivors := []*member{}
	for i, m := range c.members {
		if i != leader {
			survivors = append(survivors, m)
		}
	}
	result := make(chan *writer, 1)
	wait.Add(1)
	go func() {
		defer wait.Done()
		result <- c.write(stop, "w", survivors)
	}()
	c.eventually("the first writes are applied", func() error { return c.applied(survivors[0], 20) })
	c.kill(leader)
	killed := time.Now()
	next := c.leader()
	before := c.members[next].View().Commands()
	c.eventually("writes go on", func() error { return c.applied(c.members[next], before+20) })
	t.Logf("writes went on %s after the leader was killed", time.Since(killed).Round(time.Millisecond))
	c.start(leader)
	c.ready(leader)
	close(stop)
	wait.Wait()
	w := <-result
	c.agree()
	for reference, entry := range w.acked {
		if entry == 0 || entry > c.members[leader].View().Number() {
			t.Errorf("deposit %q was acknowledged in entry %d", reference, entry)
		}
	}
	for i := range c.members {
		low, high := uint64(len(w.acked))*1_000, uint64(len(w.acked)+w.unknown)*1_000
		if got := c.balance(i); got < low || got > high {
			t.Errorf("node %d: balance %d, want %d to %d", i, got, low, high)
		}
	}
}

func (c *committee) applied(m *member, commands uint64) error {
	if got := m.View().Commands(); got < commands {
		return fmt.Errorf("%d commands of %d", got, commands)
	}
	return nil
}

// A leader that stops in good order hands over the lead.
func TestStopLeader(t *testing.T) {
	c := newCommittee(t).startAll()
	leader := c.leader()
	c.must(leader, c.deposits("before", 5)...)
	c.stop(leader)
	other := c.leader()
	c.must(other, c.deposits("after", 5)...)
	c.start(leader)
	c.ready(leader)
	c.agree()
	if got := c.balance(leader); got != 10_000 {
		t.Errorf("balance %d, want 10000", got)
	}
}

// All nodes die at once and go on from their disks.
func TestKillAll(t *testing.T) {
	c := newCommittee(t).startAll()
	answers := c.must(0, c.deposits("before", 10)...)
	receipt := answers[9].Outcome.Receipts[0]
	c.final(0, receipt+1)
	size := c.members[0].FinalSize()
	for i := range c.members {
		c.kill(i)
	}
	c.startAll()
	c.agree()
	c.must(1, c.deposits("after", 1)...)
	for i := range c.members {
		if got := c.members[i].FinalSize(); i == 0 && got < size {
			t.Errorf("node %d: the published checkpoint went back from %d to %d", i, size, got)
		}
		if _, err := c.members[i].Receipt(receipt); err != nil {
			t.Errorf("node %d: receipt %d: %v", i, receipt, err)
		}
	}
	c.agree()
	if got := c.balance(2); got != 11_000 {
		t.Errorf("balance %d, want 11000", got)
	}
}
