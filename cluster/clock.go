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
	"github.com/tallyvault/tallyvault/fsm/signature"
)

const (
	// statementTimeout bounds how long the leader waits for a majority's clocks.
	statementTimeout = 2 * time.Second
	// statementMore is how long it waits for the others once a majority has spoken and
	// agrees. As long as it does not, it waits for all that are alive: the lower median
	// of two clocks is the smaller one, so that of three nodes one whose clock is behind
	// and whose answer comes first could hold time back if two were enough.
	statementMore = 50 * time.Millisecond
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
	self  string
	key   ed25519.PrivateKey
	calls *calls
	clock func() time.Time
	alive func(peer string) bool // whether it is worth waiting for a peer
}

// state signs this node's own clock for a tick.
func (c *committeeClock) state(view *fsm.View, tick uint64) fsm.Statement {
	s := fsm.Statement{At: c.clock().UnixMilli()}
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

// gather collects statements for the next tick until all living nodes have spoken, or
// a majority that agrees has and a little time has passed, this node included. Every
// statement is verified before it is used: one bad signature would make all nodes
// refuse the entry and raise the alarm.
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
	g := gathering{most: 1, apart: int64(view.Genesis().AllowanceMs), replies: make(chan stated, fsm.MaxSeats)}
	counted := false
	for _, m := range view.Members() {
		switch {
		case m.Standing() != fsm.Active:
			continue
		case m.Name == c.self:
			own.Node, counted = m.Seat, true
			g.statements = append(g.statements, own)
		default:
			g.asked++
			if c.alive(m.Name) {
				g.most++
			}
			go func() {
				a, err := c.calls.statement(ctx, m.Name, question)
				s := fsm.Statement{Node: m.Seat, At: a.At}
				if err == nil {
					err = check(view, tick, m, &s, a.Sig)
				}
				g.replies <- stated{s, err}
			}()
		}
	}
	if !counted {
		return nil, errors.New("this node's clock does not count: it is not of the committee")
	}
	return g.run()
}

// stated is what one node answered.
type stated struct {
	statement fsm.Statement
	err       error
}

// A gathering collects statements.
type gathering struct {
	statements []fsm.Statement
	asked      int   // other nodes
	most       int   // statements that can be expected
	apart      int64 // by how many ms clocks that agree may differ
	replies    chan stated
}

// agree reports whether it hardly matters whose clock counts.
func (g *gathering) agree() bool {
	least, most := g.statements[0].At, g.statements[0].At
	for _, s := range g.statements {
		least, most = min(least, s.At), max(most, s.At)
	}
	return most-least <= g.apart
}

func (g *gathering) run() ([]fsm.Statement, error) {
	majority := (g.asked+1)/2 + 1
	var failed []error
	var more <-chan time.Time
	for missing := g.asked; missing > 0; missing-- {
		if len(g.statements) >= max(majority, g.most) {
			break
		}
		if more == nil && len(g.statements) >= majority && g.agree() {
			timer := time.NewTimer(statementMore)
			defer timer.Stop()
			more = timer.C
		}
		select {
		case r := <-g.replies:
			if r.err != nil {
				failed = append(failed, r.err)
				continue
			}
			g.statements = append(g.statements, r.statement)
		case <-more:
			missing = 1
		}
	}
	if len(g.statements) < majority {
		return nil, fmt.Errorf("collect the clocks of a majority: %w", errors.Join(failed...))
	}
	slices.SortFunc(g.statements, func(a, b fsm.Statement) int { return int(a.Node) - int(b.Node) })
	return g.statements, nil
}

func usable(at int64) bool { return at > 0 && at <= maxClock }

// check fills in a peer's signature if it is good.
func check(view *fsm.View, tick uint64, m fsm.Member, s *fsm.Statement, sig []byte) error {
	if len(sig) != len(s.Sig) || !usable(s.At) {
		return fmt.Errorf("%s gives no clock statement", m.Name)
	}
	key, err := signature.CheckPublicKey(m.NodeKey)
	if err != nil {
		return fmt.Errorf("node key of %s: %w", m.Name, err)
	}
	copy(s.Sig[:], sig)
	message := fsm.StatementMessage(view.Cluster(), view.Era(), tick, s.At)
	if !key.Verify(message, &s.Sig) {
		return fmt.Errorf("the clock statement of %s does not verify", m.Name)
	}
	return nil
}
