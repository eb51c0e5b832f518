package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/treasury"
)

const (
	// ahead is how many entries are read and verified before they are applied.
	ahead = 256
	// progressEvery is after how many leaves progress is told.
	progressEvery = 4_096
)

// errMismatch ends a run whose report has a mismatch.
var errMismatch = errors.New("mismatch")

// An audit is one run.
type audit struct {
	config   Config
	machine  *fsm.Machine
	books    *Books                   // kept from receipts beside the machine
	keys     atomic.Pointer[fsm.Keys] // as they are now, for those who verify ahead
	report   Report
	compared bool          // whether the checkpoint's size has been reached
	told     uint64        // leaves of which progress was told
	owed     chan [32]byte // gives the digest of the last frozen state
	digests  sync.WaitGroup
}

func newAudit(c Config) (*audit, error) {
	machine, err := fsm.New(c.Genesis)
	if err != nil {
		return nil, err
	}
	a := &audit{config: c, machine: machine, books: NewBooks()}
	a.keys.Store(machine.Keys())
	if c.Checkpoint != nil {
		a.checkNote(c.Checkpoint)
	}
	return a, nil
}

// checkNote reads the checkpoint. Who had to sign it is known once its size is
// reached: the committee may have changed on the way.
func (a *audit) checkNote(note []byte) {
	cp, err := proof.ReadCheckpoint(note)
	if err != nil {
		_ = a.mismatch(0, nil, nil, "the checkpoint note cannot be read: %v", err)
		return
	}
	if cp.Size == 0 {
		_ = a.mismatch(0, nil, nil, "the checkpoint note is of an empty journal, which nobody cosigns")
		return
	}
	a.report.Checkpoint = cp
}

func (a *audit) mismatch(leaf uint64, recorded, computed []byte, format string, args ...any) error {
	a.report.FirstMismatch = &Mismatch{Leaf: leaf, What: fmt.Sprintf(format, args...), Recorded: recorded, Computed: computed}
	return errMismatch
}

// run reads, verifies and applies, each ahead of the next.
func (a *audit) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	work, inOrder := make(chan *entry, ahead), make(chan *entry, ahead)
	group.Go(func() error {
		defer close(work)
		defer close(inOrder)
		return a.read(ctx, work, inOrder)
	})
	for range a.config.Workers {
		group.Go(func() error {
			for e := range work {
				e.prepare(a.keys.Load())
			}
			return nil
		})
	}
	group.Go(func() error { return a.apply(ctx, inOrder) })
	err := group.Wait()
	a.digests.Wait()
	if err != nil && a.report.FirstMismatch == nil {
		return err
	}
	a.sum()
	return nil
}

// apply re-runs entries in order and compares.
func (a *audit) apply(ctx context.Context, inOrder <-chan *entry) error {
	for e := range inOrder {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ready:
		}
		if err := a.take(e); err != nil {
			return err
		}
	}
	// The reader may have ended because of ctx; then this is not the end.
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := a.compareCheckpoint(); err != nil {
		return err
	}
	if !a.compared && a.report.Checkpoint.Size > 0 {
		return a.mismatch(a.report.Leaves, nil, nil, "the journal ends here, the checkpoint is of %d leaves", a.report.Checkpoint.Size)
	}
	return nil
}

// take re-runs one entry and compares its leaves.
func (a *audit) take(e *entry) error {
	if err := a.compareCheckpoint(); err != nil {
		return err
	}
	if e.bad != nil {
		leaf := e.leaves[e.badAt]
		if leaf == nil {
			return a.mismatch(e.first+uint64(e.badAt), nil, nil, "it cannot be read: %v", e.bad)
		}
		return a.mismatch(e.first+uint64(e.badAt), leaf, nil, "%s cannot be used: %v", describe(leaf), e.bad)
	}
	result, err := a.replay(e)
	if err != nil {
		return a.mismatch(e.first, e.leaves[0], nil, "%v", err)
	}
	if err := a.compare(e, result); err != nil {
		return err
	}
	for _, r := range result.Receipts {
		if err := a.books.Take(r.Body); err != nil {
			return a.mismatch(r.Leaf, nil, nil, "the %s receipt cannot be booked: %v", r.Kind, err)
		}
	}
	a.count(e, result)
	return nil
}

func (a *audit) replay(e *entry) (*fsm.Result, error) {
	if e.parsed == nil {
		return a.machine.ReplayRefused(e.leaves[0])
	}
	if a.owed != nil && a.machine.NeedsDigest(e.parsed) {
		a.machine.SupplyDigest(<-a.owed)
	}
	result := a.machine.Apply(e.raw, e.parsed)
	if result.Frozen != nil {
		owed := make(chan [32]byte, 1)
		a.owed = owed
		a.digests.Add(1)
		go func() {
			defer a.digests.Done()
			owed <- result.Frozen.Digest()
		}()
	}
	if len(e.parsed.Commands) > 0 {
		a.keys.Store(a.machine.Keys())
	}
	return result, nil
}

// compare finds the first leaf of an entry that re-running does not produce.
func (a *audit) compare(e *entry, result *fsm.Result) error {
	for i := range max(len(e.leaves), len(result.Leaves)) {
		at := e.first + uint64(i)
		switch {
		case i >= len(result.Leaves):
			return a.mismatch(at, e.leaves[i], nil, "%s is recorded that re-running entry %d does not produce", describe(e.leaves[i]), result.Number)
		case i >= len(e.leaves):
			return a.mismatch(at, nil, result.Leaves[i], "%s is missing that re-running entry %d produces", describe(result.Leaves[i]), result.Number)
		case !bytes.Equal(e.leaves[i], result.Leaves[i]):
			return a.mismatch(at, e.leaves[i], result.Leaves[i], "%s differs from what re-running produces: %s",
				describe(e.leaves[i]), difference(e.leaves[i], result.Leaves[i]))
		}
	}
	return nil
}

// difference shows where two leaves part.
func difference(recorded, computed []byte) string {
	at := 0
	for at < len(recorded) && at < len(computed) && recorded[at] == computed[at] {
		at++
	}
	around := func(b []byte) []byte { return b[min(max(at-24, 0), len(b)):min(at+24, len(b))] }
	return fmt.Sprintf("from byte %d on, recorded %q, computed %q", at, around(recorded), around(computed))
}

// compareCheckpoint compares roots once the checkpoint's size is reached. It is
// called between entries, where every cut lies.
func (a *audit) compareCheckpoint() error {
	cp := a.report.Checkpoint
	if cp.Size == 0 || a.compared || a.report.Leaves < cp.Size {
		return nil
	}
	a.compared = true
	if a.report.Leaves > cp.Size {
		return a.mismatch(cp.Size, nil, nil, "the checkpoint's size lies inside an entry")
	}
	if root := a.machine.View().Root(); root != cp.Root {
		return a.mismatch(cp.Size, nil, nil, "the %d leaves before this one have root %s, the checkpoint says %s", cp.Size, root, cp.Root)
	}
	_, cosigners, err := proof.VerifyCheckpoint(a.machine.View().PolicyAt(cp.Size), a.config.Checkpoint)
	if err != nil {
		return a.mismatch(cp.Size, nil, nil, "the checkpoint note does not meet the policy of its size: %v", err)
	}
	a.report.Cosigners = cosigners
	return nil
}

func (a *audit) count(e *entry, result *fsm.Result) {
	r := &a.report
	r.Leaves += uint64(len(e.leaves))
	r.Commands += uint64(len(result.Outcomes))
	r.Receipts += uint64(len(result.Receipts))
	if result.Refused {
		r.Refused++
	} else {
		r.Entries++
	}
	if result.Cut != nil {
		r.Cuts++
	}
	if a.config.Progress != nil && r.Leaves-a.told >= progressEvery {
		a.told = r.Leaves
		a.config.Progress(r.Leaves, a.config.Source.Size())
	}
}

// sum states what everything led to.
func (a *audit) sum() {
	v, r := a.machine.View(), &a.report
	r.Root, r.Digest, r.Height, r.Now, r.Alarms = v.Root(), v.Digest(), v.Height(), v.Now(), v.Alarms()
	r.Conserved = v.Conserved() == nil
	r.Books = *a.books
	if r.FirstMismatch == nil {
		if err := a.books.Agrees(v.Ledger()); err != nil {
			_ = a.mismatch(r.Leaves, nil, nil, "receipts and ledger disagree at the end: %v", err)
		}
	}
	v.Ledger().Accounts("", func(account treasury.Account) bool {
		amount, negative := account.Balance()
		r.Balances = append(r.Balances, Balance{Account: account.ID, Asset: account.Asset, Amount: amount, Negative: negative})
		return true
	})
	if a.config.Progress != nil {
		a.config.Progress(r.Leaves, a.config.Source.Size())
	}
}
