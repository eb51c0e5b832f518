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
	// collectJoining is how long it goes on while a node that joins is alive.
	collectJoining = time.Second
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
	self     string
	alive    func(peer string) bool
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
	wait.Add(1)
	go func() {
		defer wait.Done()
		f.roster.attend(ctx, c.push)
	}()
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
	node        fsm.Member
	root        tlog.Hash
	cosignature proof.Cosignature
}

// A tally is what has been collected for one cut.
type tally struct {
	cut     fsm.Cut
	policy  proof.Policy // of its size
	ours    []vote       // of those whose cosignature counts
	joining []vote       // of those that join
	theirs  []vote       // over another root
	final   int          // cosignatures of the note that was published
}

func (t *tally) take(v vote) {
	switch {
	case v.root != t.cut.Root:
		t.theirs = append(t.theirs, v)
	case v.node.CountsAt(t.cut.Size):
		t.ours = append(t.ours, v)
	default:
		t.joining = append(t.joining, v)
	}
}

// collect asks everybody at once and publishes as soon as k agree, and once more
// if others follow soon after. A node that joins is asked too, and waited for a
// little longer: its cosignature is what its joining waits for. It reports whether
// the cut became final.
func (c *collector) collect(ctx context.Context, cut fsm.Cut) bool {
	ctx, cancel := context.WithTimeout(ctx, collectFor)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	f := c.finality
	joining := f.roster.joining()
	nodes := append(f.roster.cosigners(cut.Size), joining...)
	t := &tally{cut: cut, policy: f.roster.policyAt(cut.Size)}
	patience := collectMore
	if slices.ContainsFunc(joining, func(m fsm.Member) bool { return c.alive(m.Name) }) {
		patience = collectJoining
	}
	votes := make(chan *vote, len(nodes))
	for _, m := range nodes {
		asking.Add(1)
		go func() {
			defer asking.Done()
			votes <- c.ask(ctx, m, cut)
		}()
	}
	var more <-chan time.Time
	for range nodes {
		var v *vote
		select {
		case v = <-votes:
		case <-more:
			return c.finish(t)
		}
		if v == nil {
			continue
		}
		t.take(*v)
		if v.root != cut.Root {
			c.contradicted(t)
			continue
		}
		if len(t.ours) == t.policy.K && t.final == 0 {
			c.finish(t)
			timer := time.NewTimer(patience)
			defer timer.Stop()
			more = timer.C
		}
	}
	return c.finish(t)
}

// ask gets one node's vote. It gives up when ctx ends or when the node has gone on
// to a later cut without signing this one.
func (c *collector) ask(ctx context.Context, m fsm.Member, cut fsm.Cut) *vote {
	f := c.finality
	if m.Name == c.self {
		o, err := f.waitOwn(ctx, cut.Size)
		if err != nil || o.checkpoint.Size != cut.Size {
			return nil
		}
		return &vote{m, o.checkpoint.Root, o.cosignature}
	}
	for {
		answer, err := c.calls.cosignature(ctx, m.Name, cut.Size, pollFor)
		if err == nil && answer.Size > cut.Size {
			return nil
		}
		if err == nil {
			if v, ok := c.judge(m, answer); ok && answer.Size == cut.Size {
				return &v
			}
			f.log.Warn("a peer gives a cosignature that does not verify", "peer", m.Name, "size", answer.Size)
		}
		if !pause(ctx, callPause) {
			return nil
		}
	}
}

// judge verifies a peer's cosignature over what the peer says it signed.
func (c *collector) judge(m fsm.Member, a cosignatureAnswer) (vote, bool) {
	f := c.finality
	cosignature, err := proof.ParseCosignature(a.Line)
	if err != nil || len(a.Root) != tlog.HashSize || cosignature.Name != f.roster.genesis.CosignerName(m.Node) {
		return vote{}, false
	}
	cp := proof.Checkpoint{Origin: f.origin, Size: a.Size, Root: tlog.Hash(a.Root)}
	return vote{m, cp.Root, cosignature}, cosignature.Verify(m.CosignerKey, cp)
}

// finish publishes what has been collected if it is enough and has not all been
// published before. It reports whether the cut is final.
func (c *collector) finish(t *tally) bool {
	f := c.finality
	if len(t.ours) < t.policy.K {
		return false
	}
	c.collected.Store(t.cosigned())
	if len(t.ours) == t.final {
		return true
	}
	cp := f.checkpoint(t.cut)
	logLine, err := proof.SignLog(f.origin, f.logKey, cp)
	if err != nil {
		f.fail(err)
		return t.final > 0
	}
	cosignatures := make([]proof.Cosignature, len(t.ours))
	for i, v := range t.ours {
		cosignatures[i] = v.cosignature
	}
	published, err := f.judge(proof.Assemble(cp, logLine, cosignatures))
	if err == nil {
		err = f.offer(published)
	}
	if err != nil {
		f.fail(fmt.Errorf("publish cut %d: %w", t.cut.Number, err))
		return t.final > 0
	}
	if t.final == 0 {
		c.observe(t.cut)
	}
	t.final = len(t.ours)
	return true
}

// cosigned is what the header of an entry carries of a final cut.
func (t *tally) cosigned() *fsm.Cosigned {
	votes := append(slices.Clone(t.ours), t.joining...)
	slices.SortFunc(votes, func(a, b vote) int { return int(a.node.Seat) - int(b.node.Seat) })
	out := &fsm.Cosigned{Cut: t.cut.Number}
	for _, v := range votes {
		out.Signatures = append(out.Signatures, fsm.Cosignature{Node: v.node.Seat, Time: v.cosignature.Time, Sig: v.cosignature.Sig})
	}
	return out
}

// contradicted keeps evidence, and ends this node when k others agree on another
// root: then it is the one that is wrong.
func (c *collector) contradicted(t *tally) {
	f := c.finality
	last := t.theirs[len(t.theirs)-1]
	theirs := proof.Checkpoint{Origin: f.origin, Size: t.cut.Size, Root: last.root}
	f.contradiction(cosign.Evidence{
		Node: last.node.Name, Key: last.node.CosignerKey, Signed: theirs, Cosignature: last.cosignature, Ours: f.checkpoint(t.cut),
	})
	var names []string
	for _, v := range t.theirs {
		if v.root == last.root && v.node.CountsAt(t.cut.Size) {
			names = append(names, v.node.Name)
		}
	}
	if len(names) >= t.policy.K {
		f.fail(diverged(f.checkpoint(t.cut), theirs, names))
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
