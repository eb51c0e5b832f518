package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Times of collecting cosignatures.
const (
	// collectFor is how long the leader tries to find k cosignatures for one cut
	// before it looks whether there is a newer one.
	collectFor = 10 * time.Second
	// collectMore is how long it goes on for the others once it has k.
	collectMore = 300 * time.Millisecond
	// pollFor is how long a peer is asked to wait for its own signature.
	pollFor = 2 * time.Second
	// callPause parts failing calls to a peer.
	callPause = 200 * time.Millisecond
	// pushTimeout bounds pushing a note to a peer.
	pushTimeout = 5 * time.Second
)

// A collector is the leader's part in making cuts final: it asks all nodes for
// their cosignatures, assembles the note and hands it to everybody.
type collector struct {
	finality *finality
	calls    *calls
	self     int
	observe  func(cut fsm.Cut) // told of each cut when it becomes final
	// collected are the cosignatures of the last cut that became final, for the
	// header of the next one.
	collected atomic.Pointer[fsm.Cosigned]
}

// run collects for one cut after the other, until ctx ends.
func (c *collector) run(ctx context.Context) {
	f := c.finality
	var wait sync.WaitGroup
	defer wait.Wait()
	for i, w := range f.policy.Witnesses {
		if i != c.self {
			wait.Add(1)
			go func() {
				defer wait.Done()
				c.push(ctx, w.Name)
			}()
		}
	}
	for {
		applied := f.cut.next()
		view := f.replica.view.Load()
		cut := view.Cut()
		if cut.Size > f.newest().Size && len(view.Alarms()) == 0 {
			if !c.collect(ctx, cut) && !pause(ctx, callPause) {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-applied:
		}
	}
}

// A vote is a cosignature that verifies, over some root at the cut's size.
type vote struct {
	node        int // in the committee
	root        tlog.Hash
	cosignature proof.Cosignature
}

// collect asks everybody at once and publishes as soon as k agree, and once more
// if others follow soon after. It reports whether the cut became final.
func (c *collector) collect(ctx context.Context, cut fsm.Cut) bool {
	ctx, cancel := context.WithTimeout(ctx, collectFor)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	f := c.finality
	votes := make(chan *vote, len(f.policy.Witnesses))
	for i := range f.policy.Witnesses {
		asking.Add(1)
		go func() {
			defer asking.Done()
			votes <- c.ask(ctx, i, cut)
		}()
	}
	var ours, theirs []vote
	final := false
	var more <-chan time.Time
	for range f.policy.Witnesses {
		var v *vote
		select {
		case v = <-votes:
		case <-more:
			return c.finish(cut, ours, final)
		}
		if v == nil {
			continue
		}
		if v.root != cut.Root {
			theirs = append(theirs, *v)
			c.contradicted(cut, theirs)
			continue
		}
		ours = append(ours, *v)
		if len(ours) == f.policy.K {
			final = c.finish(cut, ours, false)
			timer := time.NewTimer(collectMore)
			defer timer.Stop()
			more = timer.C
		}
	}
	return c.finish(cut, ours, final)
}

// ask gets one node's vote. It gives up when ctx ends or when the node has gone on
// to a later cut without signing this one.
func (c *collector) ask(ctx context.Context, node int, cut fsm.Cut) *vote {
	f := c.finality
	if node == c.self {
		o, err := f.waitOwn(ctx, cut.Size)
		if err != nil || o.checkpoint.Size != cut.Size {
			return nil
		}
		return &vote{node, o.checkpoint.Root, o.cosignature}
	}
	name := f.policy.Witnesses[node].Name
	for {
		answer, err := c.calls.cosignature(ctx, name, cut.Size, pollFor)
		if err == nil && answer.Size > cut.Size {
			return nil
		}
		if err == nil {
			if v, ok := c.judge(node, answer); ok && answer.Size == cut.Size {
				return &v
			}
			f.log.Warn("a peer gives a cosignature that does not verify", "peer", name, "size", answer.Size)
		}
		if !pause(ctx, callPause) {
			return nil
		}
	}
}

// judge verifies a peer's cosignature over what the peer says it signed.
func (c *collector) judge(node int, a cosignatureAnswer) (vote, bool) {
	w := c.finality.policy.Witnesses[node]
	cosignature, err := proof.ParseCosignature(a.Line)
	if err != nil || len(a.Root) != tlog.HashSize || cosignature.Name != w.KeyName {
		return vote{}, false
	}
	cp := proof.Checkpoint{Origin: c.finality.origin, Size: a.Size, Root: tlog.Hash(a.Root)}
	return vote{node, cp.Root, cosignature}, cosignature.Verify(w.Key, cp)
}

// finish publishes what has been collected if it is enough and has not all been
// published before.
func (c *collector) finish(cut fsm.Cut, votes []vote, final bool) bool {
	f := c.finality
	if len(votes) < f.policy.K || final && len(votes) == f.policy.K {
		return final
	}
	cp := f.checkpoint(cut)
	logLine, err := proof.SignLog(f.origin, f.logKey, cp)
	if err != nil {
		f.fail(err)
		return final
	}
	cosignatures := make([]proof.Cosignature, len(votes))
	for i, v := range votes {
		cosignatures[i] = v.cosignature
	}
	published, err := cosign.Verify(f.policy, proof.Assemble(cp, logLine, cosignatures))
	if err == nil {
		err = f.offer(published)
	}
	if err != nil {
		f.fail(fmt.Errorf("publish cut %d: %w", cut.Number, err))
		return final
	}
	c.collected.Store(cosigned(cut, votes))
	if !final {
		c.observe(cut)
	}
	return true
}

// cosigned is what the header of an entry carries of a final cut.
func cosigned(cut fsm.Cut, votes []vote) *fsm.Cosigned {
	sorted := slices.SortedFunc(slices.Values(votes), func(a, b vote) int { return a.node - b.node })
	out := &fsm.Cosigned{Cut: cut.Number}
	for _, v := range sorted {
		out.Signatures = append(out.Signatures, fsm.Cosignature{Node: uint8(v.node), Time: v.cosignature.Time, Sig: v.cosignature.Sig})
	}
	return out
}

// contradicted keeps evidence, and ends this node when k others agree on another
// root: then it is the one that is wrong.
func (c *collector) contradicted(cut fsm.Cut, votes []vote) {
	f := c.finality
	last := votes[len(votes)-1]
	w := f.policy.Witnesses[last.node]
	theirs := proof.Checkpoint{Origin: f.origin, Size: cut.Size, Root: last.root}
	f.contradiction(cosign.Evidence{
		Node: w.Name, Key: w.Key, Signed: theirs, Cosignature: last.cosignature, Ours: f.checkpoint(cut),
	})
	var names []string
	for _, v := range votes {
		if v.root == last.root {
			names = append(names, f.policy.Witnesses[v.node].Name)
		}
	}
	if len(names) >= f.policy.K {
		f.fail(diverged(f.checkpoint(cut), theirs, names))
	}
}

// push keeps one peer's published checkpoint up to date, until ctx ends.
func (c *collector) push(ctx context.Context, peer string) {
	var sent cosign.Published
	for {
		changed := c.finality.notes.next()
		n := c.finality.newest()
		if n.Note != nil && (n.Size > sent.Size || len(n.Cosigners) > len(sent.Cosigners)) {
			pushing, cancel := context.WithTimeout(ctx, pushTimeout)
			err := c.calls.pushCheckpoint(pushing, peer, n.Note)
			cancel()
			if err == nil {
				sent = n
			} else if !pause(ctx, callPause) {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
