package cluster

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// seenBy waits until node i's log holds something that node j signed.
func (c *committee) seenBy(i, j int) {
	c.t.Helper()
	name := c.genesis.Nodes[j].Name
	c.eventually(fmt.Sprintf("node %d has seen %s", i, name), func() error {
		if !c.members[i].roster.seen(name) {
			return errors.New("it has not")
		}
		return nil
	})
}

// wipe takes a stopped node's data away.
func (c *committee) wipe(i int) {
	c.t.Helper()
	if err := os.RemoveAll(c.nodeDir(i)); err != nil {
		c.t.Fatal(err)
	}
}

// waiting waits until node i says that it waits for all of the names.
func (c *committee) waiting(i int, names ...string) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("node %d waits for %v", i, names), func() error {
		err := c.members[i].Ready()
		if err == nil || !strings.Contains(err.Error(), "waits") {
			return fmt.Errorf("ready: %w", err)
		}
		for _, name := range names {
			if !strings.Contains(err.Error(), name) {
				return err
			}
		}
		return nil
	})
}

// answerOnly lets a node answer its peers without ever taking part, until the
// returned function is called.
func (c *committee) answerOnly(i int) (end func()) {
	c.t.Helper()
	config := c.config(i)
	config.PeerListener, c.sockets[i] = c.sockets[i], nil
	node, err := New(config)
	if err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan error, 2)
	server := node.peerServer()
	go func() { ended <- node.port.Run() }()
	go func() { ended <- server.Serve(node.port.Calls()) }()
	return func() {
		_ = server.Close()
		if err := node.Close(); err != nil {
			c.t.Error(err)
		}
		for range 2 {
			<-ended
		}
	}
}

// A node that took part and comes back with an empty disk is refused, and says what
// to do; the others go on.
func TestEmptyDiskIsRefused(t *testing.T) {
	c := newCommittee(t).startAll()
	leader := c.leader()
	gone := c.other(leader)
	c.seenBy(leader, gone)
	c.kill(gone)
	c.wipe(gone)
	m := c.start(gone)
	c.members[gone] = nil
	err := m.exit(t)
	if _, forgotten := errors.AsType[*ForgottenError](err); !forgotten {
		t.Fatalf("it ended with: %v", err)
	}
	for _, want := range []string{c.genesis.Nodes[gone].Name, "replace_node", "runbooks/replace-node.md"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	c.must(leader, c.deposit("after"))
	// Nothing is different at the next try.
	m = c.start(gone)
	c.members[gone] = nil
	if _, forgotten := errors.AsType[*ForgottenError](m.exit(t)); !forgotten {
		t.Error("the second start is not refused")
	}
}

// The first start needs every node once; those that stop and start again meanwhile
// do no harm.
func TestFirstStartWaitsForAll(t *testing.T) {
	c := newCommittee(t)
	c.start(0)
	c.waiting(0, "node-b", "node-c")
	c.start(1)
	c.waiting(0, "node-c")
	c.waiting(1, "node-c")
	c.stop(0)
	c.waiting(1, "node-a", "node-c")
	c.start(2)
	c.waiting(2, "node-a")
	c.start(0)
	for i := range c.members {
		c.ready(i)
	}
	c.must(0, c.deposit("one"))
	c.agree()
}

// A node of genesis that never took part may still come when the cluster is old.
func TestLateFirstStart(t *testing.T) {
	c := newCommittee(t)
	end := c.answerOnly(2)
	c.start(0)
	c.start(1)
	c.ready(0)
	c.ready(1)
	end()
	c.must(0, c.deposits("early", 20)...)
	// Its directory, which exists by now, does not matter.
	c.wipe(2)
	c.start(2)
	c.ready(2)
	c.must(2, c.deposit("late"))
	c.agree()
}

// An emptied node that meets only one which was never started learns nothing from
// it, waits, and is refused once somebody knows.
func TestEmptiedNodeMeetsNewOne(t *testing.T) {
	c := newCommittee(t)
	end := c.answerOnly(2)
	c.start(0)
	c.start(1)
	c.ready(0)
	c.seenBy(1, 0)
	end()
	c.kill(0)
	c.stop(1)
	c.wipe(0)
	c.start(0)
	c.start(2)
	c.waiting(0, "node-b")
	c.waiting(2, "node-b")
	c.start(1)
	m := c.members[0]
	c.members[0] = nil
	if _, forgotten := errors.AsType[*ForgottenError](m.exit(t)); !forgotten {
		t.Fatal("the emptied node was not refused")
	}
	// The new one waits: the two of them have no leader without it, and whether it
	// voted only a leader can say.
	c.waiting(2, "node-a", "node-b (has no leader)")
}
