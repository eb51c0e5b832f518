package fsm

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/fsm/signature"
)

var errImage = errors.New("state image is damaged")

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
	case rowBook:
		return s.book.Load(in)
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
	case rowMember:
		var m Member
		if !m.read(&in) {
			return errImage
		}
		if err := s.seat(m); err != nil {
			return fmt.Errorf("state image: member %s: %w", m.Name, err)
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
		ok := readText(in, &key) && item.read(in) && item.sound(key)
		s.due.Set(key, item)
		return ok
	case rowChange:
		c := Change{Number: uint64(len(s.changes)) + 1}
		ok := c.read(in)
		s.changes = append(s.changes, c)
		return ok
	case rowReceivable:
		var r receivable
		ok := readText(in, &key) && readText(in, &r.market) && in.ReadUint64(&r.settlement)
		s.receivables.Set(key, r)
		return ok
	}
	return false
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

func (c *Cut) read(in *cryptobyte.String) bool {
	return in.ReadUint64(&c.Number) && in.ReadUint64(&c.Size) && in.CopyBytes(c.Root[:])
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

func (d *dueItem) read(in *cryptobyte.String) bool {
	return in.ReadUint8(&d.kind) && d.kind >= dueExpire && d.kind <= dueForget &&
		readText(in, &d.id) && in.ReadUint64(&d.number) && (d.kind != dueForget || len(d.id) == len(KeyID{}))
}
