package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/fsm/signature"
)

// The state image is the state as a sequence of rows: a table tag, then the
// row's fields. Equal states have equal images on every machine, so the digest
// of the image is the digest of the state. Rows of one table are in order of
// their keys.
const (
	rowScalars = iota + 1
	rowCut
	rowAlarm
	rowPrincipal
	rowKey
	rowLane
	rowSpent
	rowReference
	rowDue
	rowReceivable
	rowOracle
	rowLedger
)

var errImage = errors.New("state image is damaged")

// image emits every row of the state.
func (s *state) image(emit func(row []byte)) {
	row := func(tag uint8, fill func(b *cryptobyte.Builder)) {
		b := cryptobyte.NewBuilder(make([]byte, 0, 128))
		b.AddUint8(tag)
		fill(b)
		emit(b.BytesOrPanic())
	}
	row(rowScalars, s.addScalars)
	for _, c := range s.cuts {
		row(rowCut, c.add)
	}
	for _, reason := range s.alarms {
		row(rowAlarm, func(b *cryptobyte.Builder) { addText(b, reason) })
	}
	s.principals.Scan(func(_ string, p Principal) bool {
		row(rowPrincipal, func(b *cryptobyte.Builder) { addText(b, p.Name); addText(b, p.Role); b.AddUint32(p.Keys) })
		return true
	})
	s.keys.Scan(func(_ string, k *Key) bool { row(rowKey, k.add); return true })
	s.lanes.Scan(func(key string, nonce uint64) bool {
		row(rowLane, func(b *cryptobyte.Builder) { addText(b, key); b.AddUint64(nonce) })
		return true
	})
	s.spent.Scan(func(id string, expires int64) bool {
		row(rowSpent, func(b *cryptobyte.Builder) { addText(b, id); b.AddUint64(uint64(expires)) })
		return true
	})
	s.references.Scan(func(reference string, _ struct{}) bool {
		row(rowReference, func(b *cryptobyte.Builder) { addText(b, reference) })
		return true
	})
	s.due.Scan(func(key string, item dueItem) bool {
		row(rowDue, func(b *cryptobyte.Builder) { addText(b, key); item.add(b) })
		return true
	})
	s.receivables.Scan(func(key string, r receivable) bool {
		row(rowReceivable, func(b *cryptobyte.Builder) { addText(b, key); addText(b, r.market); b.AddUint64(r.settlement) })
		return true
	})
	s.oracle.Image(func(inner []byte) { emit(append([]byte{rowOracle}, inner...)) })
	s.ledger.Image(func(inner []byte) { emit(append([]byte{rowLedger}, inner...)) })
}

func (s *state) addScalars(b *cryptobyte.Builder) {
	c := s.clock
	for _, v := range []uint64{
		s.number, uint64(c.now), uint64(c.median), c.tick, c.height, c.remainder, s.cutCount,
		s.digestAt.epoch, s.digestAt.cut, s.commands, s.dueSequence, s.waiting, s.edge.Size(),
	} {
		b.AddUint64(v)
	}
	for _, h := range s.edge.Hashes() {
		b.AddBytes(h[:])
	}
	b.AddUint8(flag(s.dirty))
	b.AddBytes(s.chain[:])
	s.final.add(b)
}

func (s *state) readScalars(in *cryptobyte.String) error {
	c := &s.clock
	var now, median, size uint64
	for _, v := range []*uint64{
		&s.number, &now, &median, &c.tick, &c.height, &c.remainder, &s.cutCount,
		&s.digestAt.epoch, &s.digestAt.cut, &s.commands, &s.dueSequence, &s.waiting, &size,
	} {
		if !in.ReadUint64(v) {
			return errImage
		}
	}
	c.now, c.median = int64(now), int64(median)
	var hashes []tlog.Hash
	for n := size; n != 0; n &= n - 1 {
		var h tlog.Hash
		if !in.CopyBytes(h[:]) {
			return errImage
		}
		hashes = append(hashes, h)
	}
	edge, err := proof.NewEdge(size, hashes)
	if err != nil {
		return err
	}
	s.edge = edge
	var dirty uint8
	if !in.ReadUint8(&dirty) || dirty > 1 || !in.CopyBytes(s.chain[:]) || !s.final.read(in) {
		return errImage
	}
	s.dirty = dirty == 1
	return nil
}

func (c Cut) add(b *cryptobyte.Builder) {
	b.AddUint64(c.Number)
	b.AddUint64(c.Size)
	b.AddBytes(c.Root[:])
}

func (c *Cut) read(in *cryptobyte.String) bool {
	return in.ReadUint64(&c.Number) && in.ReadUint64(&c.Size) && in.CopyBytes(c.Root[:])
}

func (k *Key) add(b *cryptobyte.Builder) {
	raw := k.Public()
	b.AddBytes(raw[:])
	addText(b, k.Principal)
	addText(b, k.Role)
	b.AddUint64(k.From)
	b.AddUint64(k.Until)
	b.AddUint8(uint8(len(k.Scopes)))
	for _, scope := range k.Scopes {
		addText(b, scope)
	}
}

func readKey(in *cryptobyte.String) (*Key, error) {
	var raw [32]byte
	var k Key
	var scopes uint8
	if !in.CopyBytes(raw[:]) || !readText(in, &k.Principal) || !readText(in, &k.Role) ||
		!in.ReadUint64(&k.From) || !in.ReadUint64(&k.Until) || !in.ReadUint8(&scopes) {
		return nil, errImage
	}
	for range scopes {
		var scope string
		if !readText(in, &scope) {
			return nil, errImage
		}
		k.Scopes = append(k.Scopes, scope)
	}
	public, err := signature.CheckPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("state image: %w", err)
	}
	k.public, k.ID = public, keyIDOf(public)
	return &k, nil
}

func (d dueItem) add(b *cryptobyte.Builder) {
	b.AddUint8(d.kind)
	addText(b, d.market)
	addText(b, d.meter)
	addText(b, d.payer)
	b.AddBytes(d.key[:])
	b.AddUint64(d.number)
}

func (d *dueItem) read(in *cryptobyte.String) bool {
	return in.ReadUint8(&d.kind) && d.kind >= dueExpire && d.kind <= dueForget &&
		readText(in, &d.market) && readText(in, &d.meter) && readText(in, &d.payer) && in.CopyBytes(d.key[:]) && in.ReadUint64(&d.number)
}

// load takes one row of an image.
func (s *state) load(row []byte) error {
	if len(row) == 0 {
		return errImage
	}
	tag, in := row[0], cryptobyte.String(row[1:])
	switch tag {
	case rowOracle:
		return s.oracle.Load(in)
	case rowLedger:
		return s.ledger.Load(in)
	case rowScalars:
		if err := s.readScalars(&in); err != nil {
			return err
		}
	case rowKey:
		k, err := readKey(&in)
		if err != nil {
			return err
		}
		s.keys.Set(string(k.ID[:]), k)
		if k.LiveAt(s.clock.height) {
			s.owned.Set(k.ownedKey(), k.ID)
		}
	default:
		if !s.loadRow(tag, &in) {
			return errImage
		}
	}
	if !in.Empty() {
		return errImage
	}
	return nil
}

func (s *state) loadRow(tag uint8, in *cryptobyte.String) bool {
	var key string
	switch tag {
	case rowCut:
		var c Cut
		ok := c.read(in)
		s.cuts = append(s.cuts, c)
		return ok
	case rowAlarm:
		ok := readText(in, &key)
		s.alarms = append(s.alarms, key)
		return ok
	case rowPrincipal:
		var p Principal
		ok := readText(in, &p.Name) && readText(in, &p.Role) && in.ReadUint32(&p.Keys)
		s.principals.Set(p.Name, p)
		return ok
	case rowLane:
		var nonce uint64
		ok := readText(in, &key) && in.ReadUint64(&nonce)
		s.lanes.Set(key, nonce)
		return ok
	case rowSpent:
		var expires uint64
		ok := readText(in, &key) && in.ReadUint64(&expires)
		s.spent.Set(key, int64(expires))
		s.expiring.Set(ordered(expires, key), struct{}{})
		return ok
	case rowReference:
		ok := readText(in, &key)
		s.references.Set(key, struct{}{})
		return ok
	case rowDue:
		var item dueItem
		ok := readText(in, &key) && len(key) == 17 && item.read(in)
		s.due.Set(key, item)
		return ok
	case rowReceivable:
		var r receivable
		ok := readText(in, &key) && readText(in, &r.market) && in.ReadUint64(&r.settlement)
		s.receivables.Set(key, r)
		return ok
	}
	return false
}

// digest is SHA-256 over the image's rows, each behind its length.
func (s *state) digest() [32]byte {
	h := sha256.New()
	s.image(func(row []byte) {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(row)))
		h.Write(length[:])
		h.Write(row)
	})
	return [32]byte(h.Sum(nil))
}
