package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// maxUnnoted is how many leaves the position on disk may stay behind while no event is
// about a measurement: so many are passed again after a crash.
const maxUnnoted = 10_000

// listen follows the cluster's events until ctx ends.
func (o *Outbox) listen(ctx context.Context) error {
	select {
	case <-o.placed:
	case <-ctx.Done():
		return nil
	}
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		err := o.follow(ctx)
		var refusal *client.Refused
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever ended it knows
		case !errors.As(err, &refusal):
			return err
		}
		// The key may not be registered yet, or not any more.
		o.config.Logger.Warn("the cluster refuses to tell what happens", "err", err, "again_in", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// follow takes events from the position on, as many at a time as are there.
func (o *Outbox) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var position uint64
	err := o.db.View(func(tx *bbolt.Tx) error {
		position, _ = table{tx}.position()
		return nil
	})
	if err != nil {
		return err
	}
	events := make(chan api.Event, pageSize)
	ended := make(chan error, 1)
	go func() {
		defer close(events)
		filter := client.EventFilter{Kinds: kinds, Provider: o.config.Provider}
		for e, err := range o.config.Cluster.Follow(ctx, filter, position) {
			if err != nil {
				ended <- err
				return
			}
			select {
			case events <- e:
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			}
		}
		ended <- nil
	}()
	for first := range events {
		page := []api.Event{first}
		for len(page) < pageSize && len(events) > 0 {
			page = append(page, <-events)
		}
		if err := o.hear(page); err != nil {
			cancel()
			for range events { // lets the sender end
			}
			return errors.Join(err, <-ended)
		}
	}
	return <-ended
}

// hear takes events in one transaction, the position with them.
func (o *Outbox) hear(page []api.Event) error {
	last := uint64(page[len(page)-1].Leaf)
	touched := false
	err := o.update(func(t table, changed func(before, after *record) error) error {
		for _, e := range page {
			err := event(t, e, func(before, after *record) error {
				touched = true
				return changed(before, after)
			})
			if err != nil {
				return fmt.Errorf("event %s of leaf %d: %w", e.Kind, e.Leaf, err)
			}
		}
		if position, _ := t.position(); touched || last > position+maxUnnoted {
			return t.setPosition(max(position, last))
		}
		return errUntouched
	})
	if errors.Is(err, errUntouched) {
		return nil
	}
	if touched {
		o.wake() // a place has become free
	}
	return err
}

// errUntouched lets a transaction that changed nothing write nothing.
var errUntouched = errors.New("nothing has changed")

type change = func(before, after *record) error

// event brings the records that an event is about to where it says they are.
func event(t table, e api.Event, changed change) error {
	switch {
	case e.Checkpoint != nil:
		return finalize(t, uint64(e.Checkpoint.Size), changed)
	case e.Outcome != nil:
		return decided(t, *e.Outcome, changed)
	case e.Receipt == nil:
		return nil
	}
	_, body, err := fsm.ParseReceipt(e.Receipt)
	if err != nil {
		return err
	}
	switch b := body.(type) {
	case *fsm.ReadingReceipt:
		r, err := t.byNumber(b.Market, b.Number)
		if err != nil || r == nil {
			return err
		}
		before := *r
		r.Stage, r.Reason = Stage(b.Status), b.Reason
		r.at(e, b.At)
		return changed(&before, r)
	case *fsm.SettlementReceipt:
		return settled(t, e, b, changed)
	case *fsm.ReleaseReceipt:
		return released(t, e, b, changed)
	}
	return nil
}

// at notes that a record came to a new stage with an event.
func (r *record) at(e api.Event, ms int64) {
	r.Leaf, r.At, r.Final = uint64(e.Leaf), moment(ms), false
}

// decided takes what became of a command, if its answer has not come yet.
func decided(t table, outcome api.Outcome, changed change) error {
	r, err := t.byID(outcome.ID)
	if err != nil || r == nil {
		return err
	}
	before := *r
	if outcome.Accepted {
		accept(r, outcome)
	} else {
		r.refuse(outcome) // pauses are the sender's: if its answer does not come, it tries once
	}
	return changed(&before, r)
}

// settled takes a settlement, or that its payer has come to funds: the records that it
// cites, or that were settled with it before.
func settled(t table, e api.Event, b *fsm.SettlementReceipt, changed change) error {
	records, err := t.ofSettlement(b.Market, b.Settlement)
	if err != nil {
		return err
	}
	c := t.bucket(bucketNumbers).Cursor()
	end := numberKey(b.Market, b.Readings.To)
	for at, key := c.Seek(numberKey(b.Market, b.Readings.From)); at != nil && bytes.Compare(at, end) <= 0; at, key = c.Next() {
		r, err := t.get(key)
		if err != nil {
			return err
		}
		if r != nil && r.Meter == b.Meter {
			records = append(records, r)
		}
	}
	for _, r := range records {
		before := *r
		r.Stage, r.Settlement, r.Receivable = Settled, b.Settlement, b.Status == fsm.StatusReceivable
		r.at(e, b.At)
		if err := changed(&before, r); err != nil {
			return err
		}
	}
	return nil
}

func released(t table, e api.Event, b *fsm.ReleaseReceipt, changed change) error {
	records, err := t.ofSettlement(b.Market, b.Settlement)
	if err != nil {
		return err
	}
	for _, r := range records {
		before := *r
		r.Stage = Paid
		r.at(e, b.At)
		if err := changed(&before, r); err != nil {
			return err
		}
	}
	return nil
}

// ofSettlement finds the records of a settlement that is not released.
func (t table) ofSettlement(market string, settlement uint64) (records []*record, err error) {
	prefix := numberKey(market, settlement)
	c := t.bucket(bucketSettlements).Cursor()
	for at, _ := c.Seek(prefix); bytes.HasPrefix(at, prefix) && at != nil; at, _ = c.Next() {
		r, err := t.get(at[len(prefix):])
		if err != nil {
			return nil, err
		}
		if r != nil {
			records = append(records, r)
		}
	}
	return records, nil
}

// finalize notes that everything below a size is final.
func finalize(t table, size uint64, changed change) error {
	var records []*record
	c := t.bucket(bucketAwaiting).Cursor()
	for at, _ := c.First(); at != nil && number(at[:8]) < size; at, _ = c.Next() {
		r, err := t.get(at[8:])
		if err != nil {
			return err
		}
		if r != nil {
			records = append(records, r)
		}
	}
	for _, r := range records {
		before := *r
		r.Final = true
		if err := changed(&before, r); err != nil {
			return err
		}
	}
	return nil
}
