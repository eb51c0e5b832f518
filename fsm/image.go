package fsm

import (
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
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
	rowMember
	rowChange
	rowBook
)

// image emits every row of the state. A row is only valid during the call.
func (s *state) image(emit func(row []byte)) {
	scratch := make([]byte, 0, 4<<10)
	var builder cryptobyte.Builder // one for all rows: there may be millions
	row := func(tag uint8, fill func(b *cryptobyte.Builder)) {
		builder = *cryptobyte.NewBuilder(scratch[:0])
		builder.AddUint8(tag)
		fill(&builder)
		scratch = builder.BytesOrPanic()
		emit(scratch)
	}
	foreign := func(tag uint8) func([]byte) {
		return func(inner []byte) {
			scratch = append(append(scratch[:0], tag), inner...)
			emit(scratch)
		}
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
	s.oracle.Image(foreign(rowOracle))
	s.ledger.Image(foreign(rowLedger))
	for _, m := range s.members {
		row(rowMember, m.add)
	}
	for _, c := range s.changes {
		row(rowChange, c.add)
	}
	s.book.Image(foreign(rowBook))
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

func (c Cut) add(b *cryptobyte.Builder) {
	b.AddUint64(c.Number)
	b.AddUint64(c.Size)
	b.AddBytes(c.Root[:])
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

func (d dueItem) add(b *cryptobyte.Builder) {
	b.AddUint8(d.kind)
	addText(b, d.id)
	b.AddUint64(d.number)
}

// digest is SHA-256 over the image's rows, each behind its length.
func (s *state) digest() [32]byte {
	h := sha256.New()
	var length [4]byte
	s.image(func(row []byte) {
		binary.BigEndian.PutUint32(length[:], uint32(len(row)))
		h.Write(length[:])
		h.Write(row)
	})
	return [32]byte(h.Sum(nil))
}
