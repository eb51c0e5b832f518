package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

const (
	// membersTimeout bounds asking one peer who the members are.
	membersTimeout = 2 * time.Second
	// lonelyFor is how long a node has no leader before it asks whether it was
	// replaced.
	lonelyFor = 3 * time.Second
)

// learnMembers is the first thing that a node does which joins: it asks the members
// that it knows until one lets it in, which is when the committee's decision is in
// the log. It then knows whom to accept as a leader, and waits to be taken in.
func (n *Node) learnMembers(ctx context.Context) error {
	said := ""
	for {
		newest, refused := rosterFile{}, []string{}
		for peer, answer := range n.askMembers(ctx) {
			m, known := answer.named(n.self.Name)
			switch {
			case answer.err != nil:
				refused = append(refused, peer+" (does not let it in)")
			case !known || m.NodeKey != n.self.NodeKey:
				refused = append(refused, peer+" (does not know it)")
			case m.Standing() == fsm.Retired:
				refused = append(refused, peer+" (says that its joining was given up)")
			case answer.file.Entry >= newest.Entry:
				newest = answer.file
			}
		}
		if newest.Members != nil {
			n.waits.Store(nil)
			return n.roster.hear(newest)
		}
		slices.Sort(refused)
		text := "until the committee's replace_node is applied and a member lets it in: " + strings.Join(refused, ", ")
		n.waits.Store(&text)
		if text != said {
			n.config.Logger.Info("this node joins and waits "+text, "node", n.self.Name)
			said = text
		}
		if !pause(ctx, startPause) {
			return ctx.Err()
		}
	}
}

// membersAnswer is what a peer said, or why it did not.
type membersAnswer struct {
	file rosterFile
	err  error
}

func (a membersAnswer) named(name string) (fsm.Member, bool) {
	i := slices.IndexFunc(a.file.Members, func(m fsm.Member) bool { return m.Name == name })
	if i < 0 {
		return fsm.Member{}, false
	}
	return a.file.Members[i], true
}

// askMembers asks all peers at once who the members are.
func (n *Node) askMembers(ctx context.Context) map[string]membersAnswer {
	ctx, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	type reply struct {
		peer string
		membersAnswer
	}
	peers := n.roster.peers()
	replies := make(chan reply, len(peers))
	for _, peer := range peers {
		go func() {
			file, err := n.calls.members(ctx, peer)
			replies <- reply{peer, membersAnswer{file, err}}
		}()
	}
	out := map[string]membersAnswer{}
	for range peers {
		r := <-replies
		out[r.peer] = r.membersAnswer
	}
	return out
}

// watchRemoval tells a node that was replaced while it was away. Its peers do not
// speak Raft with it any more, so that its own log never says so; it believes k of the
// committee as it last knew it, and nobody less.
func (n *Node) watchRemoval(ctx context.Context) {
	for {
		if !n.untilLonely(ctx) {
			return
		}
		votes := map[string]int{}
		var removed *RemovedError
		for peer, answer := range n.askMembers(ctx) {
			m, known := answer.named(n.self.Name)
			if answer.err != nil || !known || m.Standing() != fsm.Retired || !n.roster.counts(peer) {
				continue
			}
			verdict := answer.removal(m)
			by := fmt.Sprintf("%s at %d", verdict.By, verdict.Size)
			if votes[by]++; votes[by] >= n.View().K() {
				removed = verdict
			}
		}
		if removed != nil {
			n.leave(removed)
			return
		}
	}
}

// untilLonely waits until there has been no leader for a while, again and again as long
// as that lasts. It reports whether ctx is still alive.
func (n *Node) untilLonely(ctx context.Context) bool {
	for {
		led := n.consensus.led.next()
		var lonely <-chan time.Time
		if n.leader() == "" {
			timer := time.NewTimer(lonelyFor)
			defer timer.Stop()
			lonely = timer.C
		}
		select {
		case <-ctx.Done():
			return false
		case <-lonely:
			return true
		case <-led:
		}
	}
}

// removal reads from the members who took a node's place. A change retires the old
// node where the new one begins to count.
func (a membersAnswer) removal(old fsm.Member) *RemovedError {
	removed := &RemovedError{Node: old.Name, Size: old.Until}
	for _, m := range a.file.Members {
		if m.From == old.Until && m.Seat != old.Seat {
			removed.By = m.Name
		}
	}
	return removed
}
