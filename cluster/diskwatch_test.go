package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// What comes back in time is no reason to end, however often; what does not is named.
// A step has its time for itself.
func TestDiskWatch(t *testing.T) {
	w := newDiskWatch("dir", 10*time.Second)
	look := func(times int) (err error) {
		for range times {
			err = errors.Join(err, w.look())
		}
		return err
	}
	for range 3 {
		end := w.begin("write")
		if err := look(hungAfter); err != nil {
			t.Error(err)
		}
		end()
	}
	steps := w.beginSteps("sync")
	for range 3 {
		steps.step("sync one file")
		if err := look(hungSyncAfter); err != nil {
			t.Error(err)
		}
	}
	steps.end()
	defer w.begin("write a byte")()
	if err := look(hungAfter); err != nil {
		t.Error(err)
	}
	hung, ok := errors.AsType[*HungDiskError](w.look())
	if !ok || hung.What != "write a byte" || hung.For != 10*time.Second || hung.Dir != "dir" {
		t.Errorf("got %v", hung)
	}
}

// A leader's write does not come back. Its heartbeats would go on, so it leaves its
// peers; another leads, and the node ends without waiting for Raft. When the disk is
// there again so is the node.
func TestHungDiskLosesTheLead(t *testing.T) {
	c := newCommittee(t, func(config *Config) { config.DiskTimeout = minDiskTimeout }).startAll()
	leader := c.leader()
	m := c.members[leader]
	c.members[leader] = nil
	// Apply waits here with the write, and Raft for Apply.
	m.replica.mu.Lock()
	end := m.disk.begin("write to a disk that hangs")
	began := time.Now()
	err := m.exit(t)
	if _, hung := errors.AsType[*HungDiskError](err); !hung {
		t.Fatalf("the node ended with: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the node ended after %s", took)
	}
	other := c.members[c.leader()]
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answers, err := other.Submit(ctx, []*fsm.Command{c.deposit("while the disk hangs")})
	if err != nil || answers[0].Outcome == nil {
		t.Fatal(answers, err)
	}
	end()
	m.replica.mu.Unlock()
	c.eventually("the disk is free", func() error {
		node, err := New(c.config(leader))
		if err != nil {
			return err
		}
		return node.Close()
	})
	c.start(leader)
	c.ready(leader)
}
