package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/cluster/peer"
	"github.com/tallyvault/tallyvault/fsm"
)

const (
	// MaxSubmit is how many commands one Submit takes.
	MaxSubmit = 8_192
	// resolveFor is how long a node tries to learn what became of commands that may
	// or may not have been logged.
	resolveFor = 15 * time.Second
	// leaderFor is how long it looks for a leader before it says that there is none. A
	// node without one for so long has no way to learn what became of a command either:
	// where the network is cut between it and the leader alone, no election ends that.
	leaderFor = 3 * time.Second
	// submitPause parts attempts.
	submitPause = 50 * time.Millisecond
	// overloadedRetry is what clients are told to wait when the queue is full.
	overloadedRetry = 250 * time.Millisecond
)

// Submit hands commands to the leader, from any node, and waits until each has been
// applied there, was refused, or is known not to be known. It tries again by itself
// while a leader is being elected and after one was lost: submitting the same
// command twice is always safe. The answers are in the order of the commands.
//
// Nobody else may use the commands before Submit returns.
func (n *Node) Submit(ctx context.Context, commands []*fsm.Command) ([]Answer, error) {
	if len(commands) > MaxSubmit {
		return nil, fmt.Errorf("%d commands at once, more than %d", len(commands), MaxSubmit)
	}
	started := time.Now()
	var alone time.Time // since when this node knows no leader
	answers := make([]Answer, len(commands))
	perhaps := make([]bool, len(commands)) // may have been logged
	open := make([]int, len(commands))
	for i := range open {
		open[i] = i
	}
	for {
		open = n.attempt(ctx, commands, answers, perhaps, open)
		leader, waited := n.leader(), time.Since(started)
		if leader != "" {
			alone = time.Time{}
		} else if alone.IsZero() {
			alone = time.Now()
		}
		lost := !alone.IsZero() && time.Since(alone) > leaderFor
		if len(open) == 0 || waited > resolveFor || lost || n.load.silent(leader) {
			// Without a leader, or behind one that this node hears and cannot ask, another
			// node may know more.
			return answers, nil
		}
		if waited > leaderFor || n.draining.Load() {
			open = onlyPerhaps(perhaps, open)
		}
		if len(open) == 0 || !pause(ctx, submitPause) {
			return answers, nil
		}
	}
}

// onlyPerhaps keeps those that may have been logged: for the others "unavailable"
// is the true answer by now.
func onlyPerhaps(perhaps []bool, open []int) []int {
	var kept []int
	for _, i := range open {
		if perhaps[i] {
			kept = append(kept, i)
		}
	}
	return kept
}

// attempt submits what is open once and returns what still is.
func (n *Node) attempt(ctx context.Context, commands []*fsm.Command, answers []Answer, perhaps []bool, open []int) []int {
	batch := make([]*fsm.Command, len(open))
	for k, i := range open {
		batch[k] = commands[i]
	}
	var still []int
	for k, a := range n.once(ctx, batch) {
		i := open[k]
		_, unknown := errors.AsType[*UnknownOutcome](a.Err)
		perhaps[i] = perhaps[i] || unknown
		if a.Err != nil && perhaps[i] {
			// It may have been applied here although its leader is gone.
			if o, err := n.outcome(a.ID); err == nil && o != nil {
				a = Answer{ID: a.ID, Outcome: o}
			} else {
				a.Err = &UnknownOutcome{ID: a.ID}
			}
		}
		answers[i] = a
		if a.Err != nil && (perhaps[i] || !isOverloaded(a.Err)) {
			still = append(still, i)
		}
	}
	return still
}

const reasonOverloaded = "the leader's queue is full"

func isOverloaded(err error) bool {
	u, ok := errors.AsType[*Unavailable](err)
	return ok && u.Reason == reasonOverloaded
}

// once submits to whoever leads now.
func (n *Node) once(ctx context.Context, commands []*fsm.Command) []Answer {
	if n.draining.Load() {
		return allFailed(commands, unavailable("this node is stopping"))
	}
	if s := n.leading(); s != nil {
		return n.submitHere(ctx, s, commands)
	}
	leader := n.leader()
	switch leader {
	case "":
		return allFailed(commands, unavailable("there is no leader"))
	case n.self.Name:
		return allFailed(commands, unavailable("the leader is not ready yet"))
	}
	return n.forward(ctx, leader, commands)
}

func allFailed(commands []*fsm.Command, err error) []Answer {
	answers := make([]Answer, len(commands))
	for i, c := range commands {
		answers[i] = Answer{ID: c.Identity(), Err: err}
	}
	return answers
}

func allUnknown(commands []*fsm.Command) []Answer {
	answers := make([]Answer, len(commands))
	for i, c := range commands {
		answers[i] = Answer{ID: c.Identity(), Err: &UnknownOutcome{ID: c.Identity()}}
	}
	return answers
}

// submitHere takes commands on the leader: verify, ask what can be asked before
// logging, queue, and wait for the outcomes.
func (n *Node) submitHere(ctx context.Context, s *session, commands []*fsm.Command) []Answer {
	view := n.replica.view.Load()
	if len(commands) < leastBatch && n.flights.len() >= crowded {
		n.cores.together(view.Keys(), commands)
	} else {
		n.cores.verify(view.Keys(), commands)
	}
	answers := make([]Answer, len(commands))
	flying := make([]*flight, len(commands))
	for i, c := range commands {
		answers[i].ID = c.Identity()
		if refusal := view.Check(c); refusal != nil {
			answers[i] = n.refuse(c, refusal)
			if answers[i].Refusal != nil {
				n.market.DoorRefused(c, refusal, view)
			}
			continue
		}
		f, first := n.flights.join(c.Identity())
		flying[i] = f
		if !first {
			continue
		}
		if err := s.queue.put(queued{c, f}); err != nil {
			n.flights.abort(f, err)
		}
	}
	for i, f := range flying {
		if f == nil {
			continue
		}
		select {
		case <-f.done:
			answers[i] = f.answer
		case <-ctx.Done():
			answers[i].Err = &UnknownOutcome{ID: f.id}
		}
	}
	return answers
}

// refuse answers a command that the state would refuse before its nonce. One that
// has been executed is refused too, by its nonce or its age; it gets its outcome
// again. A signature that does not verify, or a key that nobody knows, gets nothing.
func (n *Node) refuse(c *fsm.Command, refusal *fsm.Refusal) Answer {
	a := Answer{ID: c.Identity(), Refusal: refusal}
	switch refusal.Code {
	case fsm.MalformedPayload, fsm.UnknownKey, fsm.SignatureInvalid:
		return a
	default:
	}
	o, err := n.outcome(c.Identity())
	if err != nil {
		n.fail(err)
		return Answer{ID: a.ID, Err: &UnknownOutcome{ID: a.ID}}
	}
	if o != nil {
		return Answer{ID: a.ID, Outcome: o}
	}
	return a
}

// forward hands commands to the leader, in calls of bounded size.
func (n *Node) forward(ctx context.Context, leader string, commands []*fsm.Command) []Answer {
	parts := splitCalls(commands)
	answers := make([][]Answer, len(parts))
	var wait sync.WaitGroup
	for i, part := range parts {
		wait.Add(1)
		go func() {
			defer wait.Done()
			answers[i] = n.forwardPart(ctx, leader, part)
		}()
	}
	wait.Wait()
	all := make([]Answer, 0, len(commands))
	for _, part := range answers {
		all = append(all, part...)
	}
	return all
}

func splitCalls(commands []*fsm.Command) [][]*fsm.Command {
	var parts [][]*fsm.Command
	for first, bytes, i := 0, 0, 0; i < len(commands); i++ {
		bytes += frameBytes(commands[i])
		if i+1 == len(commands) || i+1-first == maxSubmit || bytes+frameBytes(commands[i+1]) > maxSubmitBytes {
			parts = append(parts, commands[first:i+1])
			first, bytes = i+1, 0
		}
	}
	return parts
}

// forwardPart makes one call to the leader.
func (n *Node) forwardPart(ctx context.Context, leader string, commands []*fsm.Command) []Answer {
	ctx, cancel := context.WithTimeout(ctx, resolveFor)
	defer cancel()
	go n.whileLed(ctx, leader, cancel)
	n.forwards.add(commands, leader, time.Now())
	answers, err := n.calls.submit(ctx, leader, commands)
	if err != nil {
		n.config.Logger.Debug("a forwarded request failed", "leader", leader, "err", err)
		answers = forwardFailed(commands, err)
	}
	for i, a := range answers {
		answers[i] = n.doubt(leader, a)
	}
	return answers
}

// whileLed ends what was asked of a leader once this node follows it no more, or hears
// its heartbeats and nothing else: one that is paused, or cut off in one direction,
// keeps its connections and answers nobody.
func (n *Node) whileLed(ctx context.Context, leader string, end func()) {
	for {
		led, heard := n.consensus.led.next(), n.load.changed.next()
		if n.leader() != leader || n.load.silent(leader) {
			end()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-led:
		case <-heard:
		}
	}
}

// forwardFailed parts the failures after which nothing was logged from the others.
func forwardFailed(commands []*fsm.Command, err error) []Answer {
	if _, unreachable := errors.AsType[*peer.UnreachableError](err); unreachable {
		return allFailed(commands, unavailable("the leader cannot be reached"))
	}
	if refused, ok := errors.AsType[*callError](err); ok && refused.status == statusNotLeader {
		return allFailed(commands, unavailable("the leader does not take commands"))
	}
	return allUnknown(commands)
}
