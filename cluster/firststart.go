package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/tallyvault/tallyvault/cluster/peer"
)

const (
	// startTimeout bounds one question to a peer; a leader that is asked commits an
	// entry before it answers.
	startTimeout = 2 * time.Second
	// startPause parts the rounds of questions.
	startPause = 250 * time.Millisecond
	// startReminder is how often a node that waits says so again.
	startReminder = time.Minute
	// bootstrapTerm is the term that Raft gives a node that was bootstrapped and has
	// never taken part in an election.
	bootstrapTerm = 1
)

// raftTerm is the name under which Raft keeps its term. A node that was bootstrapped
// has one.
var raftTerm = []byte("CurrentTerm")

// A ForgottenError says that a node's directory is empty although the node has taken
// part in the cluster before. It may have voted for a leader, acknowledged entries
// and signed checkpoints of which it knows nothing any more: as a voter it could make
// two leaders of one term or lose what was answered as done.
type ForgottenError struct {
	Node string
	Peer string // who says so
}

func (e *ForgottenError) Error() string {
	return fmt.Sprintf("the data directory of node %s is empty, but %s knows that the node has taken part in this cluster: "+
		"it may have voted, acknowledged and signed what it no longer knows, so it must not start again under this name; %s", e.Node, e.Peer, wayBack)
}

// wayBack is what an operator does about a node that cannot go on.
const wayBack = "replace it by a new node with a new name and new keys " +
	"(the committee's threshold command replace_node, see runbooks/replace-node.md); the others commit without it while they are a majority"

// A firstStart decides whether a node of genesis whose log is empty may begin, which
// it may only if it has promised nothing to anybody yet:
//
//   - if all other nodes of genesis answer that they have never taken part in an
//     election: then there has been none that this node could have forgotten; or
//   - if the leader, after committing an entry without this node, finds nothing in the
//     log that this node signed. Whatever this node may have acknowledged is held by a
//     majority without it by then.
//
// If the log holds something that it signed, its disk was emptied, and it must not
// start. In all other cases it waits and says for whom. A node that was emptied and
// meets only one that was never started waits too.
type firstStart struct {
	self  string
	peers []string
	calls *calls
	waits *atomic.Pointer[string] // what the node waits for, for its status
	log   *slog.Logger
}

// startQuestion asks about a node that has nothing.
type startQuestion struct {
	Node string `json:"node"`
}

// startAnswer is what a peer knows of the node. Unused and Judged exclude each other;
// neither means that the peer has taken part in elections and reaches no leader.
type startAnswer struct {
	// Unused: the peer itself has never taken part in an election.
	Unused bool `json:"unused,omitempty"`
	// Judged: Seen is the last word.
	Judged bool `json:"judged,omitempty"`
	Seen   bool `json:"seen,omitempty"`
}

// wait returns once the node may begin, with a *ForgottenError if it must not, and
// with the context's error when that ends first.
func (f *firstStart) wait(ctx context.Context) error {
	var said string
	var at time.Time
	for {
		allowed, waiting, err := f.ask(ctx)
		if allowed || err != nil {
			f.waits.Store(nil)
			return err
		}
		text := "its first start, for " + strings.Join(waiting, ", ")
		f.waits.Store(&text)
		if text != said || time.Since(at) > startReminder {
			f.log.Info("this node has an empty data directory and waits before it takes part: "+
				"either all nodes of the genesis are new and answer, or the cluster's leader says that this one never took part",
				"node", f.self, "waits for", waiting)
			said, at = text, time.Now()
		}
		if !pause(ctx, startPause) {
			return ctx.Err()
		}
	}
}

// ask asks everybody once.
func (f *firstStart) ask(ctx context.Context) (allowed bool, waiting []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	type reply struct {
		peer   string
		answer startAnswer
		err    error
	}
	replies := make(chan reply, len(f.peers))
	for _, peer := range f.peers {
		go func() {
			a, err := f.calls.start(ctx, peer, startQuestion{f.self})
			replies <- reply{peer, a, err}
		}()
	}
	for range f.peers {
		r := <-replies
		switch {
		case r.err != nil:
			waiting = append(waiting, r.peer+" (does not answer)")
		case r.answer.Judged && r.answer.Seen:
			return false, nil, &ForgottenError{f.self, r.peer}
		case r.answer.Judged:
			return true, nil, nil
		case !r.answer.Unused:
			waiting = append(waiting, r.peer+" (has no leader)")
		}
	}
	slices.Sort(waiting)
	return len(waiting) == 0, waiting, nil
}

// start asks a peer about a node.
func (c *calls) start(ctx context.Context, member string, q startQuestion) (a startAnswer, err error) {
	return a, c.json(ctx, member, http.MethodPost, pathStart, nil, q, &a)
}

// serveStart answers a node that wants to start for the first time.
func (n *Node) serveStart(w http.ResponseWriter, r *http.Request) error {
	var q startQuestion
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		return fmt.Errorf("read the question: %w", err)
	}
	a, err := n.judgeStart(r.Context(), q)
	if err != nil {
		return &callError{http.StatusServiceUnavailable, err.Error()}
	}
	return writeJSON(w, a)
}

// judgeStart says whether a node has taken part. A follower passes on what the
// leader says, but what it has applied itself is certain.
func (n *Node) judgeStart(ctx context.Context, q startQuestion) (startAnswer, error) {
	unused, err := n.unused()
	if err != nil || unused {
		return startAnswer{Unused: unused}, err
	}
	if n.roster.seen(q.Node) {
		return startAnswer{Judged: true, Seen: true}, nil
	}
	if s := n.leading(); s != nil {
		// The node that asks takes no part, so what is committed now is committed
		// without it, and all before it too.
		if err := s.settle(ctx); err != nil {
			return startAnswer{}, err
		}
		return startAnswer{Judged: true, Seen: n.roster.seen(q.Node)}, nil
	}
	leader := n.leader()
	if leader == "" || leader == n.self.Name || leader == q.Node || leader == peer.Caller(ctx) {
		return startAnswer{}, nil
	}
	return n.calls.start(ctx, leader, q)
}

// settle commits and applies an entry.
func (s *session) settle(ctx context.Context) error {
	settled := make(chan error, 1)
	go func() { settled <- s.wait(s.raft.Barrier(0)) }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-settled:
		return err
	}
}

// unused reports whether this node has never taken part in an election: it holds at
// most the configuration that it was bootstrapped with.
func (n *Node) unused() (bool, error) {
	last, err := n.log.LastIndex()
	if err != nil {
		return false, err
	}
	term, err := n.log.GetUint64(raftTerm)
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return false, err
	}
	return last <= 1 && term <= bootstrapTerm, nil
}

// mayBegin returns once this node may take part. Whoever has a log may always.
func (n *Node) mayBegin(ctx context.Context) error {
	_, err := n.log.GetUint64(raftTerm)
	if !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return err
	}
	if n.config.Join != nil {
		return n.learnMembers(ctx)
	}
	f := &firstStart{self: n.self.Name, peers: n.roster.peers(), calls: n.calls, waits: &n.waits, log: n.config.Logger}
	return f.wait(ctx)
}
