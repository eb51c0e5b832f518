package cluster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/signature"
)

const (
	// statementTimeout bounds how long the leader waits for a majority's clocks.
	statementTimeout = 2 * time.Second
	// nearTicks is how far from this node's own count a tick may be for which it
	// states its clock. A node that lags by more than this has no say in the time; a
	// leader who wants to hold time back can lay in statements for as many ticks.
	nearTicks = 256
	// maxClock is the latest time, in unix ms, that the state machine takes from a
	// clock. A statement beyond it would make all nodes refuse the tick.
	maxClock = 1 << 52
)

// A committeeClock states this node's clock and collects the statements of others.
type committeeClock struct {
	self    int
	key     ed25519.PrivateKey
	nodes   []genesis.Node
	publics []*signature.PublicKey
	calls   *calls
	clock   func() time.Time
}

func newCommitteeClock(g *genesis.Signed, self int, key ed25519.PrivateKey, c *calls, clock func() time.Time) (*committeeClock, error) {
	cc := &committeeClock{self: self, key: key, nodes: g.Nodes, calls: c, clock: clock}
	for _, n := range g.Nodes {
		public, err := signature.CheckPublicKey(n.NodeKey)
		if err != nil {
			return nil, fmt.Errorf("node key of %s: %w", n.Name, err)
		}
		cc.publics = append(cc.publics, public)
	}
	return cc, nil
}

// state signs this node's own clock for a tick.
func (c *committeeClock) state(view *fsm.View, tick uint64) fsm.Statement {
	s := fsm.Statement{Node: uint8(c.self), At: c.clock().UnixMilli()}
	message := fsm.StatementMessage(view.Cluster(), view.Era(), tick, s.At)
	copy(s.Sig[:], ed25519.Sign(c.key, message))
	return s
}

// answer states this node's clock for a leader who asks. It refuses to speak for
// another cluster or era, and for ticks that are not near its own, so that nobody
// can lay in a store of statements for later.
func (c *committeeClock) answer(view *fsm.View, q statementRequest) (statementAnswer, error) {
	cluster := view.Cluster()
	switch {
	case q.Cluster != hex.EncodeToString(cluster[:]):
		return statementAnswer{}, fmt.Errorf("this is cluster %x", cluster)
	case q.Era != view.Era():
		return statementAnswer{}, fmt.Errorf("this is era %s", view.Era())
	case q.Tick <= view.Tick():
		return statementAnswer{}, fmt.Errorf("tick %d is over", q.Tick)
	case q.Tick-view.Tick() > nearTicks:
		return statementAnswer{}, fmt.Errorf("tick %d is far ahead of %d", q.Tick, view.Tick())
	}
	s := c.state(view, q.Tick)
	return statementAnswer{At: s.At, Sig: s.Sig[:]}, nil
}

// gather collects statements for the next tick until a majority has spoken, this
// node included. Every statement is verified before it is used: one bad signature
// would make all nodes refuse the entry and raise the alarm.
func (c *committeeClock) gather(ctx context.Context, view *fsm.View) ([]fsm.Statement, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	tick := view.Tick() + 1
	own := c.state(view, tick)
	if !usable(own.At) {
		return nil, fmt.Errorf("this node's clock says %d ms after 1970, which is no time to state", own.At)
	}
	cluster := view.Cluster()
	question := statementRequest{Cluster: hex.EncodeToString(cluster[:]), Era: view.Era(), Tick: tick}
	type reply struct {
		statement fsm.Statement
		err       error
	}
	replies := make(chan reply, len(c.nodes))
	for i, n := range c.nodes {
		if i == c.self {
			continue
		}
		go func() {
			a, err := c.calls.statement(ctx, n.Name, question)
			s := fsm.Statement{Node: uint8(i), At: a.At}
			if err == nil {
				err = c.check(view, tick, &s, a.Sig)
			}
			replies <- reply{s, err}
		}()
	}
	statements := []fsm.Statement{own}
	var failed []error
	for range len(c.nodes) - 1 {
		if len(statements) > len(c.nodes)/2 {
			break
		}
		r := <-replies
		if r.err != nil {
			failed = append(failed, r.err)
			continue
		}
		statements = append(statements, r.statement)
	}
	if len(statements) <= len(c.nodes)/2 {
		return nil, fmt.Errorf("collect the clocks of a majority: %w", errors.Join(failed...))
	}
	slices.SortFunc(statements, func(a, b fsm.Statement) int { return int(a.Node) - int(b.Node) })
	return statements, nil
}

func usable(at int64) bool { return at > 0 && at <= maxClock }

// check fills in a peer's signature if it is good.
func (c *committeeClock) check(view *fsm.View, tick uint64, s *fsm.Statement, sig []byte) error {
	if len(sig) != len(s.Sig) || !usable(s.At) {
		return fmt.Errorf("%s gives no clock statement", c.nodes[s.Node].Name)
	}
	copy(s.Sig[:], sig)
	message := fsm.StatementMessage(view.Cluster(), view.Era(), tick, s.At)
	if !c.publics[s.Node].Verify(message, &s.Sig) {
		return fmt.Errorf("the clock statement of %s does not verify", c.nodes[s.Node].Name)
	}
	return nil
}
