package outbox

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Defaults and bounds.
const (
	defaultCapacity = 1 << 20
	defaultTTL      = 4 * time.Minute // below the 5 minutes that markets allow clocks
	pageSize        = 256             // records read or written in one transaction
	lockTimeout     = time.Second
)

// ErrFull says that the outbox has no room and nothing that it may forget.
var ErrFull = errors.New("the outbox is full: nothing in it has come to its end")

// ConflictError says that a measurement of the same meter and moment is there with
// another content. What was measured does not change; a correction is a reading that
// supersedes, and people's business.
type ConflictError struct{ Have, Offered Measurement }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("meter %s has register %d at %s in the outbox already, not %d",
		e.Have.Meter, e.Have.Register, e.Have.MeasuredAt.Format(time.RFC3339Nano), e.Offered.Register)
}

// Cluster is what an outbox needs of a cluster; a *[client.Client] is one.
type Cluster interface {
	Now() time.Time
	SubmitBatch(ctx context.Context, envelopes []envelope.Envelope) []client.Result
	LastNonce(ctx context.Context, key envelope.KeyID, lane string) (nonce, entry uint64, err error)
	OutcomeSince(ctx context.Context, id envelope.Identity, entry uint64) (client.Outcome, error)
	FinalSize(ctx context.Context) (uint64, error)
	Follow(ctx context.Context, f client.EventFilter, after uint64) iter.Seq2[client.Event, error]
}

// Config is what an outbox needs.
type Config struct {
	Path    string // of its file; it is made if it is not there
	Cluster Cluster
	Signer  client.Signer
	// Provider is the principal whose key the signer has.
	Provider string
	// Capacity is how many measurements it holds; about 1 KiB each. Default 1,048,576.
	Capacity uint64
	// TTL is how long a signed command counts. It should be below the skew that the
	// market allows, so that one that is late consumes no nonce. Default 4 minutes.
	TTL time.Duration
	// Changed, if set, is told of every stage that a measurement comes to, after it is
	// on disk. It is called by Run, one call at a time; after a crash it may not have
	// been called for the last ones.
	Changed func(Fate)
	Logger  *slog.Logger
}

// Outbox is an open outbox. It is safe for concurrent use.
type Outbox struct {
	config Config
	db     *bbolt.DB
	stored chan struct{} // something new is there to be sent
	placed chan struct{} // closed once there is a position to follow from

	// The sender's alone.
	pauses pauses
	next   []byte // where to look first for what to send

	telling sync.Mutex // held while Changed is told
}

// Open opens or makes an outbox. Only one process may have it open.
func Open(c Config) (*Outbox, error) {
	if c.Cluster == nil || c.Provider == "" || len(c.Signer.Key) == 0 {
		return nil, errors.New("an outbox needs a cluster, a signer and the name of its provider")
	}
	if c.Capacity == 0 {
		c.Capacity = defaultCapacity
	}
	if c.TTL == 0 {
		c.TTL = defaultTTL
	}
	if c.TTL < time.Second {
		return nil, fmt.Errorf("a command that counts for %s only would be late", c.TTL)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Changed == nil {
		c.Changed = func(Fate) {}
	}
	_, err := os.Stat(c.Path)
	fresh := errors.Is(err, fs.ErrNotExist)
	db, err := bbolt.Open(c.Path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("outbox %s is open in another process", c.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening outbox %s: %w", c.Path, err)
	}
	o := &Outbox{config: c, db: db, stored: make(chan struct{}, 1), placed: make(chan struct{}), pauses: pauses{}}
	if err := o.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening outbox %s: %w", c.Path, err), db.Close())
	}
	if fresh {
		if err := syncDir(filepath.Dir(c.Path)); err != nil {
			return nil, errors.Join(fmt.Errorf("making outbox %s durable: %w", c.Path, err), db.Close())
		}
		c.Logger.Info("a new outbox: nonces are asked of the cluster", "path", c.Path)
	}
	return o, nil
}

// syncDir makes a new file's name survive a power cut; bbolt syncs the file alone.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (o *Outbox) prepare() error {
	owner := fmt.Sprintf("cluster %s, key %s", hex.EncodeToString(o.config.Signer.Cluster[:]), o.config.Signer.KeyID())
	return o.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		t := table{tx}
		if _, ok := t.position(); ok {
			close(o.placed)
		}
		return t.claim(owner)
	})
}

// Close closes the file. Run must have ended.
func (o *Outbox) Close() error { return o.db.Close() }

// Store puts measurements on disk, all or none. When it returns nil they survive
// whatever happens to the process or the power. Storing the same again changes
// nothing.
func (o *Outbox) Store(measurements ...Measurement) error {
	err := o.db.Update(func(tx *bbolt.Tx) error {
		t := table{tx}
		for _, m := range measurements {
			if err := o.store(t, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		o.wake()
	}
	return err
}

func (o *Outbox) store(t table, m Measurement) error {
	if err := m.check(); err != nil {
		return err
	}
	m.MeasuredAt = time.UnixMilli(m.MeasuredAt.UnixMilli()).UTC()
	r := &record{Fate: Fate{Measurement: m, Stage: Stored, At: o.config.Cluster.Now().UTC()}}
	have, err := t.get(r.key())
	if err != nil {
		return err
	}
	if have != nil {
		if !have.same(m) {
			return &ConflictError{have.Measurement, m}
		}
		return nil
	}
	for t.count() >= o.config.Capacity {
		forgotten, err := t.forget()
		if err != nil {
			return err
		}
		if !forgotten {
			return ErrFull
		}
	}
	return t.put(nil, r)
}

// wake lets the sender look for something to send.
func (o *Outbox) wake() {
	select {
	case o.stored <- struct{}{}:
	default:
	}
}

// Fate tells what has become of a measurement; false if the outbox does not know it,
// or has forgotten it.
func (o *Outbox) Fate(meter string, at time.Time) (Fate, bool, error) {
	var r *record
	err := o.db.View(func(tx *bbolt.Tx) (err error) {
		r, err = table{tx}.get(recordKey(meter, at))
		return err
	})
	if r == nil || err != nil {
		return Fate{}, false, err
	}
	return r.Fate, true, nil
}

// Fates yields what the outbox knows, by meter and time, from a meter's moment on. It
// sees what changes meanwhile.
func (o *Outbox) Fates(meter string, from time.Time) iter.Seq2[Fate, error] {
	return func(yield func(Fate, error) bool) {
		if from.UnixMilli() < 0 {
			from = time.UnixMilli(0)
		}
		for at := recordKey(meter, from); at != nil; {
			page, next, err := o.page(at)
			if err != nil {
				yield(Fate{}, err)
				return
			}
			for _, fate := range page {
				if !yield(fate, nil) {
					return
				}
			}
			at = next
		}
	}
}

// page reads some records from a key on, and says where to go on.
func (o *Outbox) page(from []byte) (page []Fate, next []byte, err error) {
	err = o.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketRecords).Cursor()
		for key, text := c.Seek(from); key != nil; key, text = c.Next() {
			if len(page) == pageSize {
				next = append([]byte{}, key...)
				return nil
			}
			r, err := decodeRecord(text)
			if err != nil {
				return err
			}
			page = append(page, r.Fate)
		}
		return nil
	})
	return page, next, err
}

// Run sends and follows until ctx ends, which is no error.
func (o *Outbox) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 2)
	for _, part := range []func(context.Context) error{o.send, o.listen} {
		go func() {
			err := part(ctx)
			cancel(err)
			ended <- err
		}()
	}
	return errors.Join(<-ended, <-ended)
}

// update changes records in one transaction and then tells of those that came to
// another stage.
func (o *Outbox) update(fn func(t table, changed func(before, after *record) error) error) error {
	var told []Fate
	err := o.db.Update(func(tx *bbolt.Tx) error {
		t := table{tx}
		return fn(t, func(before, after *record) error {
			if before.Stage != after.Stage || before.Final != after.Final {
				told = append(told, after.Fate)
			}
			return t.put(before, after)
		})
	})
	if err != nil {
		return err
	}
	o.telling.Lock()
	defer o.telling.Unlock()
	for _, fate := range told {
		o.config.Changed(fate)
	}
	return nil
}

// moment is a time of the cluster.
func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

var _ Cluster = (*client.Client)(nil)

// kinds are the events that tell of measurements.
var kinds = []string{
	api.EventAccepted, api.EventOutcome, api.EventClosed, api.EventRejected, "settlement", "release", api.EventCheckpoint,
}
