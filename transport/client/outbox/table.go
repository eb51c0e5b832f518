package outbox

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/tallyvault/tallyvault/fsm/envelope"
)

// The buckets of the file. All but records and lanes follow from these two.
var (
	bucketMeta        = []byte("meta")        // see below
	bucketRecords     = []byte("records")     // meter 0 moment: record
	bucketOpen        = []byte("open")        // the same of those that are stored or sent
	bucketIDs         = []byte("ids")         // identity of a command whose outcome is not known: key of its record
	bucketNumbers     = []byte("numbers")     // market 0 number: key of the record that is accepted
	bucketSettlements = []byte("settlements") // market 0 number, key of a record that is settled
	bucketAwaiting    = []byte("awaiting")    // leaf, key of a record whose stage is not final
	bucketDone        = []byte("done")        // in order of their ends: key of a record that nothing comes behind
	bucketLanes       = []byte("lanes")       // meter: the last nonce given
	buckets           = [][]byte{
		bucketMeta, bucketRecords, bucketOpen, bucketIDs, bucketNumbers, bucketSettlements, bucketAwaiting, bucketDone, bucketLanes,
	}
	metaOwner    = []byte("owner")    // cluster and key
	metaPosition = []byte("position") // the last leaf whose event was taken
	metaCount    = []byte("count")    // of records
)

// table is the file within one transaction.
type table struct{ tx *bbolt.Tx }

func (t table) bucket(name []byte) *bbolt.Bucket { return t.tx.Bucket(name) }

func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func be(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func numberKey(market string, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(market), 0), n)
}

func (t table) count() uint64 { return number(t.bucket(bucketMeta).Get(metaCount)) }

// position is the last leaf whose event was taken; false if there is none yet.
func (t table) position() (uint64, bool) {
	b := t.bucket(bucketMeta).Get(metaPosition)
	return number(b), b != nil
}

func (t table) setPosition(leaf uint64) error {
	return t.bucket(bucketMeta).Put(metaPosition, be(leaf))
}

// get finds a record, nil if there is none.
func (t table) get(key []byte) (*record, error) {
	text := t.bucket(bucketRecords).Get(key)
	if text == nil {
		return nil, nil
	}
	return decodeRecord(text)
}

// byID finds the record whose command's outcome is not known, nil if there is none.
func (t table) byID(id string) (*record, error) {
	raw, err := hex.DecodeString(id)
	if err != nil {
		return nil, nil //nolint:nilerr // what is no identity names no record
	}
	return t.behind(t.bucket(bucketIDs).Get(raw))
}

func (t table) byNumber(market string, n uint64) (*record, error) {
	return t.behind(t.bucket(bucketNumbers).Get(numberKey(market, n)))
}

func (t table) behind(key []byte) (*record, error) {
	if key == nil {
		return nil, nil
	}
	return t.get(key)
}

// put writes a record in the place of the one before, nil if it is new, and keeps
// the other buckets in step.
func (t table) put(before, r *record) error {
	key := r.key()
	var errs []error
	if before == nil {
		errs = append(errs, t.bucket(bucketMeta).Put(metaCount, be(t.count()+1)))
	} else {
		errs = append(errs, t.unlink(key, before))
	}
	errs = append(errs, t.bucket(bucketRecords).Put(key, r.encode()), t.link(key, r))
	if r.Over() && (before == nil || !before.Over()) {
		errs = append(errs, t.finish(key))
	}
	return errors.Join(errs...)
}

// link enters a record into the buckets that follow from it.
func (t table) link(key []byte, r *record) error {
	var errs []error
	if r.Stage.rank() == 0 {
		errs = append(errs, t.bucket(bucketOpen).Put(key, nil))
	}
	if r.Envelope != nil {
		id, err := envelope.ParseIdentity(r.ID)
		errs = append(errs, err, t.bucket(bucketIDs).Put(id[:], key))
	}
	if r.Stage == Accepted {
		errs = append(errs, t.bucket(bucketNumbers).Put(numberKey(r.Market, r.Number), key))
	}
	if r.Stage == Settled {
		errs = append(errs, t.bucket(bucketSettlements).Put(append(numberKey(r.Market, r.Settlement), key...), nil))
	}
	if r.Stage.rank() > 0 && !r.Final {
		errs = append(errs, t.bucket(bucketAwaiting).Put(append(be(r.Leaf), key...), nil))
	}
	return errors.Join(errs...)
}

// unlink takes away what link has entered.
func (t table) unlink(key []byte, r *record) error {
	var errs []error
	if r.Stage.rank() == 0 {
		errs = append(errs, t.bucket(bucketOpen).Delete(key))
	}
	if r.Envelope != nil {
		id, err := envelope.ParseIdentity(r.ID)
		errs = append(errs, err, t.bucket(bucketIDs).Delete(id[:]))
	}
	if r.Stage == Accepted {
		errs = append(errs, t.bucket(bucketNumbers).Delete(numberKey(r.Market, r.Number)))
	}
	if r.Stage == Settled {
		errs = append(errs, t.bucket(bucketSettlements).Delete(append(numberKey(r.Market, r.Settlement), key...)))
	}
	if r.Stage.rank() > 0 && !r.Final {
		errs = append(errs, t.bucket(bucketAwaiting).Delete(append(be(r.Leaf), key...)))
	}
	return errors.Join(errs...)
}

// finish queues a record to be forgotten when there is no room.
func (t table) finish(key []byte) error {
	done := t.bucket(bucketDone)
	n, err := done.NextSequence()
	if err != nil {
		return err
	}
	return done.Put(be(n), key)
}

// forget drops the record that ended first; false if none has.
func (t table) forget() (bool, error) {
	n, key := t.bucket(bucketDone).Cursor().First()
	if n == nil {
		return false, nil
	}
	key = bytes.Clone(key) // the next line may move it
	return true, errors.Join(t.bucket(bucketDone).Delete(n), t.bucket(bucketRecords).Delete(key),
		t.bucket(bucketMeta).Put(metaCount, be(t.count()-1)))
}

// claim makes the file this cluster's and key's, or says whose it is.
func (t table) claim(owner string) error {
	meta := t.bucket(bucketMeta)
	switch had := meta.Get(metaOwner); {
	case had == nil:
		return meta.Put(metaOwner, []byte(owner))
	case string(had) != owner:
		return fmt.Errorf("the outbox is of %s, not of %s", had, owner)
	}
	return nil
}
