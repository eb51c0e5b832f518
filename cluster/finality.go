package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// finality is every node's part in making cuts final: it signs what it applied,
// and publishes what enough others signed too.
type finality struct {
	origin    string
	roster    *roster
	logKey    ed25519.PrivateKey
	signer    *cosign.Signer
	published *cosign.Publication
	replica   *replica
	clock     func() time.Time
	evidence  *cosign.Archive
	alarms    *localAlarms
	fail      func(error)
	log       *slog.Logger

	cut    signal // fires when a cut was applied
	signed signal // fires when this node has signed
	notes  signal // fires when newest has changed

	mu    sync.Mutex
	mine  []ownCosignature  // the newest last
	ahead *cosign.Published // of a size that this node's journal has not reached
}

// keptCosignatures is how many of its own signatures a node keeps for a leader who
// asks late.
const keptCosignatures = 8

type ownCosignature struct {
	checkpoint  proof.Checkpoint
	cosignature proof.Cosignature
}

func (f *finality) checkpoint(cut fsm.Cut) proof.Checkpoint {
	return proof.Checkpoint{Origin: f.origin, Size: cut.Size, Root: cut.Root}
}

// run signs the newest cut whenever there is a new one, until ctx ends. Cuts that
// come faster than signatures reach the disk are skipped.
func (f *finality) run(ctx context.Context) {
	for {
		cut, opened := f.cut.next(), f.replica.opened.next()
		err := f.sign()
		if err == nil {
			err = f.takeAhead()
		}
		if err != nil {
			f.fail(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-cut:
		case <-opened:
		}
	}
}

// sign cosigns the newest cut, unless the node is alarmed, cannot check it, or has
// signed it already.
func (f *finality) sign() error {
	view := f.replica.view.Load()
	cut := view.Cut()
	if cut.Size == 0 || len(view.Alarms()) > 0 || f.alarms.broken() || !f.replica.complete() {
		return nil
	}
	cp := f.checkpoint(cut)
	if _, ok := f.own(cut.Size); ok {
		return nil
	}
	cosignature, err := f.signer.Sign(cp, f.signingTime(view), f.replica.journal)
	if errors.Is(err, cosign.ErrOlder) {
		// A replay passes cuts that were signed before the restart.
		return nil
	}
	if err != nil {
		return fmt.Errorf("cosign cut %d of %d leaves: %w", cut.Number, cut.Size, err)
	}
	f.mu.Lock()
	f.mine = append(f.mine, ownCosignature{cp, cosignature})
	if len(f.mine) > keptCosignatures {
		f.mine = append([]ownCosignature(nil), f.mine[1:]...)
	}
	f.mu.Unlock()
	f.signed.fire()
	return nil
}

// signingTime is this node's clock in unix seconds, held to the time of the state that
// is signed and the allowance above it: whoever judges a checkpoint's age by its
// cosignatures must not be misled by a wrong clock.
func (f *finality) signingTime(view *fsm.View) uint64 {
	now := view.Now()
	held := min(max(f.clock().UnixMilli(), now), now+int64(view.Genesis().AllowanceMs))
	return uint64(held / 1_000)
}

// own is this node's cosignature on exactly that size.
func (f *finality) own(size uint64) (ownCosignature, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.mine {
		if o.checkpoint.Size == size {
			return o, true
		}
	}
	return ownCosignature{}, false
}

// waitOwn waits for this node's cosignature on that size, or gives its newest when
// it has gone on without it.
func (f *finality) waitOwn(ctx context.Context, size uint64) (ownCosignature, error) {
	for {
		signed := f.signed.next()
		if o, ok := f.own(size); ok {
			return o, nil
		}
		f.mu.Lock()
		var newest ownCosignature
		if n := len(f.mine); n > 0 {
			newest = f.mine[n-1]
		}
		f.mu.Unlock()
		if newest.checkpoint.Size > size {
			return newest, nil
		}
		select {
		case <-ctx.Done():
			return ownCosignature{}, ctx.Err()
		case <-signed:
		}
	}
}

// offer takes a note that meets the policy. It is published once this node can say
// that it computed the same root; if it computed another one, it must not go on.
func (f *finality) offer(n cosign.Published) error {
	view := f.replica.view.Load()
	if n.Size > view.TreeSize() || !f.replica.complete() {
		f.mu.Lock()
		better := f.ahead == nil || n.Size > f.ahead.Size || n.Size == f.ahead.Size && len(n.Cosigners) > len(f.ahead.Cosigners)
		if better {
			f.ahead = &n
		}
		f.mu.Unlock()
		if better {
			f.notes.fire()
		}
		return nil
	}
	root, err := f.replica.journal.Root(n.Size)
	if err != nil {
		return fmt.Errorf("publish a checkpoint of %d leaves: %w", n.Size, err)
	}
	if root != n.Root {
		return diverged(proof.Checkpoint{Origin: f.origin, Size: n.Size, Root: root}, n.Checkpoint, n.Cosigners)
	}
	news, err := f.published.Publish(n)
	if news {
		f.notes.fire()
		err = f.convince(n)
	}
	return err
}

// diverged says that this node is the one that is wrong.
func diverged(ours, theirs proof.Checkpoint, cosigners []string) error {
	return fmt.Errorf("this node has computed root %s for %d leaves, but %v have cosigned %s: "+
		"its state has diverged and it must be rebuilt from its peers", ours.Root, ours.Size, cosigners, theirs.Root)
}

// judge reads a note under the policy of its size, as far as this node knows it. One
// of a size that this node has not reached is judged again there. What a peer has told
// of the members is no committee to judge by.
func (f *finality) judge(note []byte) (cosign.Published, error) {
	if f.roster.hearsay() {
		return cosign.Published{}, errHearsay
	}
	return cosign.Verify(f.roster.policyAt, note)
}

var errHearsay = errors.New("this node joins and has not applied yet who the members are, so that it judges no checkpoint")

// takeAhead publishes a note that came before the entries that it is about.
func (f *finality) takeAhead() error {
	f.mu.Lock()
	n := f.ahead
	if n == nil || n.Size > f.replica.view.Load().TreeSize() || !f.replica.complete() {
		f.mu.Unlock()
		return nil
	}
	f.ahead = nil
	f.mu.Unlock()
	judged, err := f.judge(n.Note)
	if err != nil {
		f.log.Warn("a checkpoint of a size that was not reached does not meet the policy there", "size", n.Size, "err", err)
		return nil
	}
	return f.offer(judged)
}

// newest is the newest note that this node knows to meet the policy, published
// here or not.
func (f *finality) newest() cosign.Published {
	published := f.published.Newest()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ahead != nil && f.ahead.Size > published.Size {
		return *f.ahead
	}
	return published
}

// inspect looks for cosignatures on a note that contradict what this node computed,
// whether or not the note meets the policy: a leader may show two nodes two roots.
// It looks at sizes that this node has reached; of others it could say nothing.
func (f *finality) inspect(note []byte) {
	cp, signed := cosign.Cosigned(f.roster.policyAt, note)
	if len(signed) == 0 || cp.Size > f.replica.view.Load().TreeSize() || !f.replica.complete() {
		return
	}
	root, err := f.replica.journal.Root(cp.Size)
	if err != nil || root == cp.Root {
		return
	}
	ours := proof.Checkpoint{Origin: f.origin, Size: cp.Size, Root: root}
	for _, s := range signed {
		f.contradiction(cosign.Evidence{Node: s.Witness.Name, Key: s.Witness.Key, Signed: cp, Cosignature: s.Cosignature, Ours: ours})
	}
}

// contradiction keeps a valid cosignature over another root than this node's, together
// with what k nodes say of that size, if they have gone so far.
func (f *finality) contradiction(e cosign.Evidence) {
	if !e.Valid() {
		return
	}
	path, err := f.evidence.Keep(e)
	if err == nil {
		err = f.convince(f.published.Newest())
	}
	f.alarms.raise(AlarmEvidence)
	f.log.Error("a peer has cosigned another root than this node computed",
		"peer", e.Node, "size", e.Signed.Size, "theirs", e.Signed.Root.String(), "ours", e.Ours.Root.String(), "evidence", path, "err", err)
}

// convince puts a published checkpoint into evidence that waits for one.
func (f *finality) convince(n cosign.Published) error {
	if n.Note == nil || !f.replica.complete() {
		return nil
	}
	return f.evidence.Complete(n, f.replica.journal)
}
