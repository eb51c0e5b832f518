package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/client"
)

const (
	sendingFor   = 20 * time.Second // one attempt at a batch
	firstPause   = time.Second
	longestPause = time.Minute
	idle         = 30 * time.Second // the longest time without a look at what is to be sent
)

// pauses say until when a meter's lane waits after a refusal that passes. They are
// not kept: after a restart each lane tries once.
type pauses map[string]pause

type pause struct {
	until time.Time
	wait  time.Duration
}

// extend makes a meter wait, each time twice as long.
func (p pauses) extend(meter string, now time.Time) {
	wait := min(max(2*p[meter].wait, firstPause), longestPause)
	p[meter] = pause{now.Add(wait), wait}
}

// send signs and sends what is to be sent, until ctx ends.
func (o *Outbox) send(ctx context.Context) error {
	for wait := time.Duration(0); ; {
		sent, err := o.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever ended it knows
		case errors.Is(err, errCluster):
			// The cluster cannot be reached: what is stored is safe meanwhile.
			wait = min(max(2*wait, firstPause), longestPause)
			o.config.Logger.Warn("the cluster cannot be reached", "err", err, "again_in", wait)
		case err != nil:
			return err
		case sent:
			wait = 0
			continue
		default:
			wait = o.untilNext()
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-o.stored:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // whoever ended it knows
		}
	}
}

// errCluster marks what another attempt may change.
var errCluster = errors.New("no answer from the cluster")

// untilNext is how long nothing is to be sent, as far as is known now.
func (o *Outbox) untilNext() time.Duration {
	wait := idle
	for _, p := range o.pauses {
		if left := time.Until(p.until); left > 0 {
			wait = min(wait, left)
		}
	}
	return wait
}

// round sends one batch and takes its results. sent says that there may be more.
func (o *Outbox) round(ctx context.Context) (sent bool, err error) {
	picked, err := o.pick()
	if err != nil || len(picked) == 0 {
		return false, err
	}
	// Bounded, so that who looks at the log learns what keeps the outbox waiting.
	asking, cancel := context.WithTimeout(ctx, sendingFor)
	err = o.place(asking)
	if err == nil {
		err = o.learnLanes(asking, picked)
	}
	cancel()
	if err != nil {
		return false, err
	}
	batch, err := o.sign(picked)
	if err != nil {
		return false, err
	}
	envelopes := make([]envelope.Envelope, len(batch))
	for i, r := range batch {
		if envelopes[i], err = r.command(); err != nil {
			return false, err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, sendingFor)
	results := o.config.Cluster.SubmitBatch(bounded, envelopes)
	cancel()
	return o.take(ctx, batch, results)
}

// pick chooses what to send next: of each meter that does not wait, the oldest one,
// and only that, so that a reading is never closed by a later one while an earlier one
// waits. It goes on behind the meter at which the last batch was full.
func (o *Outbox) pick() (picked []*record, err error) {
	now := time.Now()
	err = o.db.View(func(tx *bbolt.Tx) error {
		t := table{tx}
		c := t.bucket(bucketOpen).Cursor()
		begun, wrapped := slices.Clone(o.next), len(o.next) == 0
		key, _ := c.Seek(begun)
		for len(picked) < pageSize {
			if key == nil && !wrapped {
				key, _ = c.First()
				wrapped = true
			}
			if key == nil || wrapped && len(begun) > 0 && bytes.Compare(key, begun) >= 0 {
				break
			}
			meter, _, _ := bytes.Cut(key, []byte{0})
			if !now.Before(o.pauses[string(meter)].until) {
				r, err := t.get(key)
				if err != nil {
					return err
				}
				picked = append(picked, r)
			}
			o.next = append(slices.Clone(meter), 1) // behind the meter's last key
			key, _ = c.Seek(o.next)
		}
		return nil
	})
	return picked, err
}

// place finds out where the journal ends before the first command is sent, so that
// no event about it is missed.
func (o *Outbox) place(ctx context.Context) error {
	select {
	case <-o.placed:
		return nil
	default:
	}
	size, err := o.config.Cluster.FinalSize(ctx)
	if err != nil {
		return errors.Join(errCluster, err)
	}
	err = o.db.Update(func(tx *bbolt.Tx) error { return table{tx}.setPosition(max(size, 1) - 1) })
	if err == nil {
		close(o.placed)
	}
	return err
}

// learnLanes asks for the nonces of lanes of which this file knows none.
func (o *Outbox) learnLanes(ctx context.Context, picked []*record) error {
	learned := map[string]uint64{}
	for _, r := range picked {
		known := false
		if err := o.db.View(func(tx *bbolt.Tx) error {
			known = tx.Bucket(bucketLanes).Get([]byte(r.Meter)) != nil
			return nil
		}); err != nil {
			return err
		}
		if _, asked := learned[r.Meter]; known || asked {
			continue
		}
		last, _, err := o.config.Cluster.LastNonce(ctx, o.config.Signer.KeyID(), client.MeterLane(r.Meter))
		if err != nil {
			// It may be that the key is not registered yet.
			return errors.Join(errCluster, fmt.Errorf("asking for the last nonce of a lane: %w", err))
		}
		learned[r.Meter] = last
	}
	if len(learned) == 0 {
		return nil
	}
	return o.db.Update(func(tx *bbolt.Tx) error {
		for meter, last := range learned {
			if err := (table{tx}).raiseLane(meter, last); err != nil {
				return err
			}
		}
		return nil
	})
}

// raiseLane notes that a lane has come to a nonce at least.
func (t table) raiseLane(meter string, last uint64) error {
	lanes := t.bucket(bucketLanes)
	had := lanes.Get([]byte(meter))
	if had != nil && number(had) >= last {
		return nil
	}
	return lanes.Put([]byte(meter), be(last))
}

// sign gives every picked record that bears no signed command one, on disk before
// anybody sees it, and returns the records as they are now. One that has changed
// since it was picked is left out.
func (o *Outbox) sign(picked []*record) (batch []*record, err error) {
	err = o.update(func(t table, changed func(before, after *record) error) error {
		now := o.config.Cluster.Now()
		for _, p := range picked {
			r, err := t.get(p.key())
			if err != nil {
				return err
			}
			if r == nil || r.Stage.rank() > 0 {
				continue
			}
			if r.Envelope == nil {
				before := *r
				if err := o.signOne(t, r, now); err != nil {
					return err
				}
				if err := changed(&before, r); err != nil {
					return err
				}
			}
			batch = append(batch, r)
		}
		return nil
	})
	return batch, err
}

func (o *Outbox) signOne(t table, r *record, now time.Time) error {
	nonce := number(t.bucket(bucketLanes).Get([]byte(r.Meter))) + 1
	e, err := o.config.Signer.Reading(client.Reading{
		Market: r.Market, Meter: r.Meter, Register: r.Register, MeasuredAt: r.MeasuredAt,
		ClockSync: r.ClockSync, MeterStatus: r.MeterStatus,
	}, nonce, now, o.config.TTL)
	if err != nil {
		return fmt.Errorf("signing a reading of meter %s: %w", r.Meter, err)
	}
	r.Stage, r.Envelope, r.ID, r.Nonce = Sent, e.JSON(), e.Identity().String(), nonce
	r.Signed, r.At = r.Signed+1, now.UTC()
	return t.raiseLane(r.Meter, nonce)
}

// take records what became of a batch. more says that there may be something to send
// at once.
func (o *Outbox) take(ctx context.Context, batch []*record, results []client.Result) (more bool, err error) {
	free := make([]freed, len(batch))
	var unreached error
	for i, result := range results {
		var refusal *client.Refused
		if !errors.As(result.Err, &refusal) {
			if result.Err != nil {
				unreached = result.Err
			}
			continue
		}
		if !refusal.Logged && (refusal.Code == string(fsm.Expired) || refusal.Code == string(fsm.NonceReplay)) {
			if free[i], err = o.doubt(ctx, batch[i], refusal.Code); err != nil {
				return false, err
			}
		}
	}
	now, done := time.Now(), 0
	err = o.update(func(t table, changed func(before, after *record) error) error {
		for i, result := range results {
			r, err := t.get(batch[i].key())
			if err != nil {
				return err
			}
			if r == nil || r.ID != batch[i].ID || r.Envelope == nil {
				done++ // an event was quicker
				continue
			}
			before := *r
			if !o.settle(t, r, result, free[i], now) {
				continue
			}
			done++
			if err := changed(&before, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && done == 0 && unreached != nil {
		return false, errors.Join(errCluster, unreached)
	}
	return err == nil && done > 0, err
}

// freed is the finding that a command can never be accepted any more.
type freed struct {
	yes  bool
	last uint64 // the nonce that the lane has come to
	// found is what became of the command, if it was logged after all.
	found *client.Result
}

// doubt asks whether a command that a door turned away as late or as replayed was
// logged by somebody, by a state that a majority confirmed.
func (o *Outbox) doubt(ctx context.Context, r *record, code string) (freed, error) {
	last, entry, err := o.config.Cluster.LastNonce(ctx, o.config.Signer.KeyID(), client.MeterLane(r.Meter))
	if err != nil {
		return freed{}, errors.Join(errCluster, err)
	}
	id, err := envelope.ParseIdentity(r.ID)
	if err != nil {
		return freed{}, err
	}
	outcome, err := o.config.Cluster.OutcomeSince(ctx, id, entry)
	switch {
	case outcome.ID != "":
		return freed{found: &client.Result{Outcome: outcome, Err: err}}, nil
	case !client.IsCode(err, string(fsm.NotFound)):
		return freed{}, errors.Join(errCluster, err)
	}
	// The cluster's time does not go back, nor does a lane.
	return freed{yes: code == string(fsm.Expired) || last >= r.Nonce, last: last}, nil
}
