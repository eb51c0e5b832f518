package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/audit"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// name is the name of node i.
func (c *committee) name(i int) string {
	if join := c.joins[i]; join != nil {
		n, err := join.Command.Node.Open()
		if err != nil {
			c.t.Fatal(err)
		}
		return n.Name
	}
	return c.genesis.Nodes[i].Name
}

// recruit makes a new node that is to take the place of another, and the command
// which lets it in. Peers are members that genesis does not name.
func (c *committee) recruit(old string, peers ...int) (int, *fsm.Command) {
	c.t.Helper()
	i := len(c.keys)
	k := nodeKeys{node: newKey(c.t), cosigner: newKey(c.t)}
	if _, err := rand.Read(k.sealing[:]); err != nil {
		c.t.Fatal(err)
	}
	var public, private x25519.Key
	private = k.sealing
	x25519.KeyGen(&public, &private)
	listener := listen(c.t, "127.0.0.1:0")
	n := genesis.Node{
		Name: fmt.Sprintf("node-%c", 'a'+i), NodeKey: publicOf(k.node), CosignerKey: publicOf(k.cosigner), SealingKey: public,
		PeerAddress: listener.Addr().String(), APIAddress: fmt.Sprintf("https://127.0.0.1:%d", 8000+i),
	}
	signed, err := genesis.SignNode(n, k.node, k.cosigner)
	if err != nil {
		c.t.Fatal(err)
	}
	statement, _, err := genesis.ReadNodeStatement(signed.JSON())
	if err != nil {
		c.t.Fatal(err)
	}
	logKey, err := c.genesis.OpenLogKey(c.genesis.Nodes[0].Name, c.keys[0].sealing)
	if err != nil {
		c.t.Fatal(err)
	}
	sealed, err := genesis.SealLogKey(rand.Reader, logKey, n)
	if err != nil {
		c.t.Fatal(err)
	}
	body := fsm.ReplaceNode{ThresholdHeader: c.threshold(), Old: old, Node: statement, SealedLogKey: sealed}
	join := &Join{Command: body}
	for _, p := range peers {
		peer, err := c.joins[p].Command.Node.Open()
		if err != nil {
			c.t.Fatal(err)
		}
		join.Peers = append(join.Peers, peer)
	}
	if c.joins == nil {
		c.joins = map[int]*Join{}
	}
	c.joins[i] = join
	c.keys, c.sockets, c.members = append(c.keys, k), append(c.sockets, listener), append(c.members, nil)
	return i, c.command(body, "replace_node", "alice", "bob")
}

// voters are those that Raft's configuration on a node names, by suffrage.
func (c *committee) servers(i int) string {
	var out []string
	for _, s := range c.members[i].raft.Load().GetConfiguration().Configuration().Servers {
		name := string(s.ID)
		if s.Suffrage != raft.Voter {
			name += " (" + s.Suffrage.String() + ")"
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// votersAre waits until Raft's configuration on the leader is that.
func (c *committee) votersAre(nodes ...int) {
	c.t.Helper()
	var names []string
	for _, i := range nodes {
		names = append(names, c.name(i))
	}
	slices.Sort(names)
	want := strings.Join(names, " ")
	c.eventually("the voters are "+want, func() error {
		for i, m := range c.members {
			if m != nil && m.leading() != nil {
				if got := c.servers(i); got != want {
					return errors.New("they are " + got)
				}
				return nil
			}
		}
		return errors.New("nobody leads")
	})
}

// verifies demands that a leaf's proof file, made on node i, verifies under the
// policy of its checkpoint.
func (c *committee) verifies(i int, leaf uint64) {
	c.t.Helper()
	c.final(i, leaf+1)
	r, err := c.members[i].Receipt(leaf)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := proof.VerifyProof(c.members[i].View().PolicyAt(r.Size), r.File); err != nil {
		c.t.Errorf("leaf %d under %d leaves: %v", leaf, r.Size, err)
	}
}

// load writes deposits until the returned function is called, which says what was
// acknowledged.
func (c *committee) load(nodes ...int) (end func() *writer) {
	stop := make(chan struct{})
	var wait sync.WaitGroup
	var w *writer
	var through []*member
	for _, i := range nodes {
		through = append(through, c.members[i])
	}
	wait.Add(1)
	go func() {
		defer wait.Done()
		w = c.write(stop, fmt.Sprintf("load %d", nodes[0]), through)
	}()
	return func() *writer {
		close(stop)
		wait.Wait()
		return w
	}
}

// balances demands that node i's payer has what was acknowledged, and no more than
// that and what may have been done.
func (c *committee) balances(i int, before uint64, w *writer) {
	c.t.Helper()
	low, high := before+uint64(len(w.acked))*1_000, before+uint64(len(w.acked)+w.unknown)*1_000
	if got := c.balance(i); got < low || got > high {
		c.t.Errorf("node %d: balance %d, want %d to %d", i, got, low, high)
	}
}

// A dead node is replaced while commands come in; then the cluster bears the loss of
// another one.
func TestReplaceDeadNode(t *testing.T) {
	for _, nodes := range []int{3, 5} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			c := newCommitteeOf(t, nodes, func(c *Config) {
				c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 50, 100*time.Millisecond, 10
			})
			c.startAll()
			leader := c.leader()
			first := c.must(leader, c.deposits("first", 300)...)
			gone := c.other(leader)
			c.kill(gone)
			c.wipe(gone)
			end := c.load(leader)
			fresh, cmd := c.recruit(c.name(gone))
			started := time.Now()
			c.start(fresh)
			c.waiting(fresh, "replace_node")
			c.must(leader, cmd)
			var voters []int
			for i := range c.members {
				if i != gone {
					voters = append(voters, i)
				}
			}
			c.votersAre(voters...)
			t.Logf("from start to voter in %s", time.Since(started).Round(time.Millisecond))
			w := end()
			c.ready(fresh)
			c.agree()
			c.balances(fresh, 300_000, w)
			last := c.must(fresh, c.deposit("through the new node"))
			c.verifies(fresh, first[0].Outcome.Leaf)
			c.verifies(leader, last[0].Outcome.Leaf)
			// Another one dies, the leader; the new node is needed now.
			c.kill(leader)
			next := c.leader()
			last = c.must(next, c.deposit("after another death"))
			if nodes == 3 {
				c.verifies(next, last[0].Outcome.Leaf)
			}
		})
	}
}

// The leader itself is replaced while it lives: it hands over the lead, is led out of
// Raft, says so and does not start again.
func TestReplaceLeader(t *testing.T) {
	c := newCommittee(t).startAll()
	leader := c.leader()
	fresh, cmd := c.recruit(c.name(leader))
	c.start(fresh)
	old := c.members[leader]
	c.must(leader, cmd)
	err := old.exit(t)
	removed, ok := errors.AsType[*RemovedError](err)
	if !ok || removed.By != c.name(fresh) {
		t.Fatalf("the old leader ended with: %v", err)
	}
	c.members[leader] = nil
	var voters []int
	for i := range c.members {
		if i != leader {
			voters = append(voters, i)
		}
	}
	c.votersAre(voters...)
	c.ready(fresh)
	c.must(fresh, c.deposit("without the old leader"))
	c.agree()
	if _, err := New(c.config(leader)); err == nil || !strings.Contains(err.Error(), "was replaced by "+c.name(fresh)) {
		t.Errorf("it starts again: %v", err)
	}
}

// A node that was replaced while it was away is told by its peers when it comes back.
func TestReplacedNodeComesBack(t *testing.T) {
	c := newCommittee(t).startAll()
	leader := c.leader()
	gone := c.other(leader)
	c.stop(gone)
	fresh, cmd := c.recruit(c.name(gone))
	c.start(fresh)
	c.must(leader, cmd)
	c.eventually("it is replaced", func() error {
		if c.members[leader].roster.present(c.name(gone)) {
			return errors.New("it is not")
		}
		return nil
	})
	m := c.start(gone)
	c.members[gone] = nil
	err := m.exit(t)
	if removed, ok := errors.AsType[*RemovedError](err); !ok || removed.By != c.name(fresh) {
		t.Fatalf("it ended with: %v", err)
	}
	c.must(c.leader(), c.deposit("undisturbed"))
}

// standing waits until node i's state says that of a member.
func (c *committee) standing(i int, name, want string) {
	c.t.Helper()
	c.eventually(name+" is "+want, func() error {
		m, known := c.members[i].View().MemberNamed(name)
		if !known || m.Standing() != want {
			return fmt.Errorf("it is %s (known %v)", m.Standing(), known)
		}
		return nil
	})
}

// cancel gives up a node's joining.
func (c *committee) cancelOf(name string) *fsm.Command {
	return c.command(fsm.CancelReplacement{ThresholdHeader: c.threshold(), Node: name}, "cancel_replacement", "alice", "bob")
}

// A joining that is given up, and one that another takes the place of, leave nothing
// behind in Raft, and the nodes concerned say so and end. The one that comes after
// takes effect.
func TestCancelAndSupersede(t *testing.T) {
	c := newCommittee(t).startAll()
	leader := c.leader()
	gone := c.other(leader)
	name := c.name(gone)
	c.kill(gone)

	// Nobody ever started this one.
	never, cmd := c.recruit(name)
	c.must(leader, cmd)
	c.standing(leader, c.name(never), fsm.Joining)
	c.eventually("it is in Raft's configuration", func() error {
		if !strings.Contains(c.servers(leader), c.name(never)) {
			return errors.New(c.servers(leader))
		}
		return nil
	})
	c.must(leader, c.cancelOf(c.name(never)))
	c.votersAre(0, 1, 2)

	// This one is superseded before it starts, and learns it when it does.
	late, cmd := c.recruit(name)
	c.must(leader, cmd)
	fresh, cmd := c.recruit(name)
	c.start(fresh)
	c.must(leader, cmd)
	c.standing(leader, c.name(late), fsm.Retired)
	voters := []int{leader, c.third(leader, gone), fresh}
	c.votersAre(voters...)
	c.ready(fresh)
	c.start(late)
	c.waiting(late, "given up")
	c.stop(late)
	c.must(fresh, c.deposit("after all that"))
	c.agree()
}

// third is the node of genesis that is neither of the two.
func (c *committee) third(a, b int) int { return 3 - a - b }

// One node after the other is replaced, until none of genesis is left; the leader is
// then no node of genesis, and a newcomer needs to be told of a present member.
func TestReplaceEverybody(t *testing.T) {
	c := newCommittee(t).startAll()
	first := c.must(c.leader(), c.deposit("first"))
	for old := range 3 {
		leader := c.leader()
		var peers []int
		for i := 3; i < len(c.members); i++ {
			peers = append(peers, i)
		}
		fresh, cmd := c.recruit(c.name(old), peers...)
		c.start(fresh)
		node := c.members[old]
		c.must(leader, cmd)
		if removed, ok := errors.AsType[*RemovedError](node.exit(t)); !ok || removed.By != c.name(fresh) {
			t.Fatalf("node %d was not replaced", old)
		}
		c.members[old] = nil
		c.ready(fresh)
	}
	c.votersAre(3, 4, 5)
	last := c.must(c.leader(), c.deposit("last"))
	c.agree()
	for i := 3; i < 6; i++ {
		c.verifies(i, first[0].Outcome.Leaf)
		c.verifies(i, last[0].Outcome.Leaf)
		c.chained(i, 3, first[0].Outcome.Leaf, last[0].Outcome.Leaf)
	}
	// They all start again together, with nothing but their directories to know each
	// other from.
	for i := 3; i < 6; i++ {
		c.stop(i)
	}
	for i := 3; i < 6; i++ {
		c.start(i)
	}
	for i := 3; i < 6; i++ {
		c.ready(i)
	}
	c.must(4, c.deposit("and again"))
	c.agree()
	dir := c.members[3].dir.journal()
	c.stop(3)
	report, err := audit.Run(t.Context(), audit.Config{Genesis: c.genesis, Dir: dir})
	if err != nil || !report.Clean() || len(report.Cosigners) < 2 || slices.Contains(report.Cosigners, c.name(0)) {
		t.Errorf("the audit of it all: %v, %+v", err, report)
	}
}

// The newcomer and the leader are killed at every stage of a replacement; it ends well
// all the same.
func TestReplaceThroughCrashes(t *testing.T) {
	stages := map[string]func(c *committee, i int, name string) error{
		"decided":   func(c *committee, i int, name string) error { return c.is(i, name, fsm.Joining) },
		"taken in":  func(c *committee, i int, name string) error { return c.serves(i, name, "") },
		"effective": func(c *committee, i int, name string) error { return c.is(i, name, fsm.Active) },
		"voter":     func(c *committee, i int, name string) error { return c.serves(i, name, "voter") },
	}
	order := []string{"decided", "taken in", "effective", "voter"}
	if os.Getenv("TALLYVAULT_ALL_STAGES") == "" {
		order = order[2:3] // the one between two committees; all take half a minute
	}
	for _, stage := range order {
		for _, victim := range []string{"newcomer", "leader"} {
			t.Run(stage+", "+victim, func(t *testing.T) {
				c := newCommitteeOf(t, 5).startAll()
				leader := c.leader()
				old := c.other(leader)
				c.kill(old)
				fresh, cmd := c.recruit(c.name(old))
				c.start(fresh)
				c.must(leader, cmd)
				c.eventually("stage "+stage, func() error { return stages[stage](c, leader, c.name(fresh)) })
				killed := fresh
				if victim == "leader" {
					killed = leader
				}
				if m := c.members[killed]; m.raft.Load() == nil {
					c.stop(killed)
				} else {
					c.kill(killed)
				}
				c.must(c.leader(), c.deposit("meanwhile"))
				c.start(killed)
				var voters []int
				for i := range c.members {
					if i != old {
						voters = append(voters, i)
					}
				}
				c.votersAre(voters...)
				c.ready(fresh)
				c.ready(killed)
				c.must(fresh, c.deposit("at last"))
				c.agree()
			})
		}
	}
}

func (c *committee) is(i int, name, want string) error {
	if m, known := c.members[i].View().MemberNamed(name); !known || m.Standing() == fsm.Joining && want != fsm.Joining {
		return fmt.Errorf("%s is not %s", name, want)
	}
	return nil
}

func (c *committee) serves(i int, name, suffrage string) error {
	servers := " " + c.servers(i) + " "
	if !strings.Contains(servers, " "+name+" ") || suffrage != "" && strings.Contains(servers, name+" (") {
		return errors.New(servers)
	}
	return nil
}
