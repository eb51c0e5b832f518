package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/fsm"
)

const (
	// leaveFor is how long a replaced node waits to be taken out of Raft before it
	// ends by itself.
	leaveFor = 10 * time.Second
	// reconcilePause parts attempts to change Raft's configuration that fail.
	reconcilePause = 250 * time.Millisecond
	// reconcileTimeout bounds one change of Raft's configuration.
	reconcileTimeout = 10 * time.Second
)

// A RemovedError says that a node is not of the committee any more. Its seat is spent.
type RemovedError struct {
	Node string `json:"node"`
	By   string `json:"replaced_by"` // "" if its joining was given up
	// Size is the journal size from which on it does not count.
	Size uint64 `json:"size,string"`
}

func (e *RemovedError) Error() string {
	if e.By == "" {
		return fmt.Sprintf("node %s does not join the committee: its replace_node was cancelled or superseded, as leaf %d says; "+
			"its directory is of no more use, and a new attempt needs a new name and new keys", e.Node, e.Size-1)
	}
	return fmt.Sprintf("node %s was replaced by %s, as leaf %d says: it has left the committee for good and must not run again; "+
		"keep its directory for as long as you keep records", e.Node, e.By, e.Size-1)
}

// stillMember refuses to start a node that was replaced.
func (d dataDir) stillMember(node string) error {
	data, err := os.ReadFile(d.removed())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read whether node %s was replaced: %w", node, err)
	}
	removed := new(RemovedError)
	if err := json.Unmarshal(data, removed); err != nil {
		return fmt.Errorf("read %s: %w", d.removed(), err)
	}
	return removed
}

func (d dataDir) remember(removed *RemovedError) error {
	data, err := json.MarshalIndent(removed, "", "  ")
	if err != nil {
		return err
	}
	return cosign.WriteFile(d.removed(), append(data, '\n'))
}

// followRaft keeps the roster up to Raft's configuration, and ends this node once it
// was replaced: what it has applied itself says so, under the cosignatures of k.
func (n *Node) followRaft(ctx context.Context) {
	var leave <-chan time.Time
	for {
		changed, configured := n.roster.changed.next(), n.replica.configured.next()
		configuration := n.raft.Load().GetConfiguration().Configuration()
		if servers := len(configuration.Servers); servers > 0 {
			n.roster.follow(configuration)
		}
		removed := removal(n.View().Members(), n.self.Name)
		if removed != nil && leave == nil {
			n.config.Logger.Info("this node was replaced and leaves", "by", removed.By, "leaf", removed.Size-1)
			timer := time.NewTimer(leaveFor)
			defer timer.Stop()
			leave = timer.C
		}
		if removed != nil && !serves(configuration, n.self.Name) {
			n.leave(removed)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-configured:
		case <-leave:
			n.leave(removed)
			return
		}
	}
}

func (n *Node) leave(removed *RemovedError) {
	if err := n.dir.remember(removed); err != nil {
		n.fail(err)
		return
	}
	n.fail(removed)
}

func serves(c raft.Configuration, name string) bool {
	return slices.ContainsFunc(c.Servers, func(s raft.Server) bool { return string(s.ID) == name })
}

// removal says how a node left the committee, nil if it did not.
func removal(members []fsm.Member, name string) *RemovedError {
	a := membersAnswer{file: rosterFile{Members: members}}
	if m, known := a.named(name); known && m.Standing() == fsm.Retired {
		return a.removal(m)
	}
	return nil
}

// What brings Raft's configuration one step closer to the state.
type step struct {
	act  stepKind
	node string
}

type stepKind int

const (
	stepNone stepKind = iota
	stepAddNonvoter
	stepAddVoter
	stepRemove
	stepTransfer
)

// nextStep compares the members of the state with Raft's configuration. Self is the
// leader, near says whether a node is alive and caught up, alive whether it answers.
//
// A new node votes before the old one goes, so that the cluster bears as much in
// between as before. If the old one is dead it goes first: then nothing depends on
// the new node staying alive between the two steps. A leader that was replaced
// itself hands over the lead, and its successor goes on.
func nextStep(members []fsm.Member, configuration raft.Configuration, self string, alive, near func(string) bool) step {
	standing := map[string]string{}
	suffrage := map[string]raft.ServerSuffrage{}
	for _, m := range members {
		standing[m.Name] = m.Standing()
	}
	for _, s := range configuration.Servers {
		suffrage[string(s.ID)] = s.Suffrage
	}
	if standing[self] != fsm.Active {
		return step{stepTransfer, self}
	}
	var ready, late []string // active nodes that do not vote yet
	for _, m := range members {
		has, listed := suffrage[m.Name]
		switch {
		case standing[m.Name] == fsm.Retired:
		case !listed:
			return step{stepAddNonvoter, m.Name}
		case standing[m.Name] == fsm.Active && has != raft.Voter && near(m.Name):
			ready = append(ready, m.Name)
		case standing[m.Name] == fsm.Active && has != raft.Voter:
			late = append(late, m.Name)
		}
	}
	for _, s := range configuration.Servers {
		name := string(s.ID)
		if now := standing[name]; now == fsm.Active || now == fsm.Joining {
			continue
		}
		if s.Suffrage != raft.Voter || !alive(name) || len(ready)+len(late) == 0 {
			return step{stepRemove, name}
		}
	}
	if len(ready) > 0 {
		return step{stepAddVoter, ready[0]}
	}
	return step{}
}

// errReplaced ends the session of a leader that was replaced.
var errReplaced = errors.New("this node was replaced and hands over the lead")

// reconcile makes Raft's configuration what the state says, one change at a time,
// until ctx ends. Only a session does: it is behind Raft's barrier, so that what the
// state says is committed.
func (s *session) reconcile(ctx context.Context) {
	for {
		// What a peer says of itself, or that it says nothing, may be what is waited for.
		heard := s.load.changed.next()
		future := s.raft.GetConfiguration()
		view := s.replica.view.Load()
		near := func(peer string) bool { return s.load.near(peer, view.Number()) }
		next := nextStep(view.Members(), future.Configuration(), s.clocks.self, s.load.alive, near)
		if next.act == stepTransfer {
			s.stop(errReplaced)
			return
		}
		if next.act != stepNone {
			if err := s.take(next, future.Index()); err != nil {
				s.log.Warn("Raft's configuration could not be changed yet", "step", next.act.String(), "node", next.node, "err", err)
				if !pause(ctx, reconcilePause) {
					return
				}
			} else {
				s.log.Info("Raft's configuration was changed", "step", next.act.String(), "node", next.node)
				s.replica.configured.fire()
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-heard:
		}
	}
}

func (k stepKind) String() string {
	return [...]string{"none", "add non-voter", "add voter", "remove", "transfer"}[k]
}

// take makes one change, unless Raft's configuration has changed since it was looked
// at.
func (s *session) take(next step, configuration uint64) error {
	id, address := raft.ServerID(next.node), raft.ServerAddress(next.node)
	switch next.act {
	case stepAddNonvoter:
		return s.wait(s.raft.AddNonvoter(id, address, configuration, reconcileTimeout))
	case stepAddVoter:
		return s.wait(s.raft.AddVoter(id, address, configuration, reconcileTimeout))
	case stepRemove:
		return s.wait(s.raft.RemoveServer(id, configuration, reconcileTimeout))
	case stepNone, stepTransfer:
	}
	return nil
}
