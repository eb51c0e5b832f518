package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/cluster/audit"
	"github.com/tallyvault/tallyvault/fsm"
)

const (
	// auditEvery is between two comparisons of the ledger with the receipts.
	auditEvery = 30 * time.Second
	// auditShare is how much of the time the auditor may work: one part of so many. It
	// must not slow the node; who is behind compares later.
	auditShare = 10
	// auditStretch is how many leaves are read without a pause.
	auditStretch = 2_048
)

// An auditor keeps books from the receipts in the journal, and compares them now and
// then with the ledger. It shares no totals with the state machine, so it finds what
// every replica would get wrong alike, and a ledger that memory or disk has changed.
type auditor struct {
	replica *replica
	every   time.Duration
	share   time.Duration
	told    func(error) // of every comparison
	fail    func(error) // ends the node: its journal cannot be read

	books *audit.Books // nil before the first leaf
	read  uint64       // leaves
}

// An unreadError says that leaves could not be read, which is no fault of any books.
type unreadError struct{ err error }

func (e *unreadError) Error() string { return fmt.Sprintf("reading receipts to audit: %v", e.err) }
func (e *unreadError) Unwrap() error { return e.err }

func (a *auditor) run(ctx context.Context) {
	for pause(ctx, a.every) {
		// The view comes first: a journal that is complete after it was taken holds all
		// of it. The other way round a snapshot in between would look like lost leaves.
		view := a.replica.view.Load()
		if !a.replica.complete() {
			continue
		}
		err := a.compare(ctx, view)
		if ctx.Err() != nil {
			return
		}
		if _, unread := errors.AsType[*unreadError](err); unread {
			a.fail(err)
			return
		}
		a.told(err)
		if err != nil {
			return // books that are wrong once say nothing any more
		}
	}
}

// compare reads up to a state and compares.
func (a *auditor) compare(ctx context.Context, view *fsm.View) error {
	if a.books == nil {
		a.books = audit.NewBooks()
	}
	for size := view.TreeSize(); a.read < size; {
		began, to := time.Now(), min(size, a.read+auditStretch)
		var wrong error
		if err := a.replica.journal.Leaves(a.read, to, func(i uint64, leaf []byte) error {
			wrong = a.take(i, leaf)
			a.read = i + 1
			return wrong
		}); err != nil {
			if wrong != nil {
				return wrong
			}
			return &unreadError{err}
		}
		if !pause(ctx, time.Since(began)*(a.share-1)) {
			return ctx.Err()
		}
	}
	if err := a.books.Agrees(view.Ledger()); err != nil {
		return fmt.Errorf("at %d leaves: %w", a.read, err)
	}
	return nil
}

// take books one leaf.
func (a *auditor) take(i uint64, leaf []byte) error {
	if len(leaf) == 0 || leaf[0] != fsm.LeafReceipt {
		return nil
	}
	kind, body, err := fsm.ParseReceipt(leaf)
	if err == nil {
		err = a.books.Take(body)
	}
	if err != nil {
		return fmt.Errorf("leaf %d, a %s receipt: %w", i, kind, err)
	}
	return nil
}
