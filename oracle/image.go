package oracle

import (
	"github.com/tidwall/btree"
	"golang.org/x/crypto/cryptobyte"
)

// The tables of the image, in the order they are emitted: a row refers only to
// rows of tables before its own.
const (
	tagMarket     = 0x01
	tagScheduled  = 0x02
	tagWeight     = 0x03
	tagElectorate = 0x04
	tagProvider   = 0x05
	tagMeter      = 0x06
	tagIdentities = 0x07
	tagReading    = 0x08
	tagSettlement = 0x09
)

// Image emits the whole state as rows: by table, within a table by market and
// key. Two states behave alike for ever exactly when their rows are equal. A
// row is only valid during the call: a large state has a million of them.
//
// What other tables imply is left out and worked out again by Load: how many
// readings a meter has pending, how many an electorate tallies, and the index
// of moments.
func (s *State) Image(emit func(row []byte)) {
	r := &rowWriter{emit: emit, scratch: make([]byte, 0, 4<<10)}
	for _, table := range [...]func(*State, *rowWriter){
		imageMarkets, imageScheduled, imageWeights, imageElectorates,
		imageProviders, imageMeters, imageIdentities, imageReadings, imageSettlements,
	} {
		table(s, r)
	}
}

// A rowWriter builds one row after the other in the same place.
type rowWriter struct {
	emit    func([]byte)
	builder cryptobyte.Builder
	scratch []byte
}

// row builds one row and emits it.
func (r *rowWriter) row(tag uint8, fields func(b *cryptobyte.Builder)) {
	r.builder = *cryptobyte.NewBuilder(r.scratch[:0])
	r.builder.AddUint8(tag)
	fields(&r.builder)
	r.scratch = r.builder.BytesOrPanic()
	r.emit(r.scratch)
}

// each builds a row for every entry of a market's table.
func each[V any](m *btree.Map[uint64, V], r *rowWriter, tag uint8, market string, fields func(b *cryptobyte.Builder, v V)) {
	m.Scan(func(number uint64, v V) bool {
		r.row(tag, func(b *cryptobyte.Builder) {
			addString(b, market)
			b.AddUint64(number)
			fields(b, v)
		})
		return true
	})
}

func imageMarkets(s *State, r *rowWriter) {
	for _, b := range s.books {
		r.row(tagMarket, func(w *cryptobyte.Builder) {
			addString(w, b.row.ID)
			addMarket(w, b.row)
			w.AddUint64(b.newest)
			w.AddUint64(b.lastNumber)
			w.AddUint64(b.lastSettlement)
		})
	}
}

func imageScheduled(s *State, r *rowWriter) {
	for _, b := range s.books {
		for _, next := range b.scheduled {
			r.row(tagScheduled, func(w *cryptobyte.Builder) {
				addString(w, b.row.ID)
				w.AddUint64(next.epoch)
				addMarket(w, next.row)
			})
		}
	}
}

func imageWeights(s *State, r *rowWriter) {
	for _, b := range s.books {
		for _, m := range b.weights {
			r.row(tagWeight, func(w *cryptobyte.Builder) {
				addString(w, b.row.ID)
				addString(w, m.Oracle)
				w.AddUint64(m.Weight)
			})
		}
	}
}

func imageElectorates(s *State, r *rowWriter) {
	for _, b := range s.books {
		each(b.electorates, r, tagElectorate, b.row.ID, func(w *cryptobyte.Builder, e electorateRow) {
			w.AddUint64(e.Epoch)
			w.AddUint32(e.ThresholdPpm)
			w.AddUint8(uint8(len(e.Members)))
			for _, m := range e.Members {
				addString(w, m.Oracle)
				w.AddUint64(m.Weight)
			}
		})
	}
}

func imageProviders(s *State, r *rowWriter) {
	s.providers.Scan(func(id string, p Provider) bool {
		r.row(tagProvider, func(w *cryptobyte.Builder) {
			addString(w, id)
			addBool(w, p.Active)
		})
		return true
	})
}

func imageMeters(s *State, r *rowWriter) {
	s.meters.Scan(func(_ string, m meterRow) bool {
		r.row(tagMeter, func(w *cryptobyte.Builder) {
			for _, id := range [...]string{m.spec.id, m.spec.market, m.spec.provider, m.spec.payer} {
				addString(w, id)
			}
			w.AddUint64(m.spec.capacity)
			w.AddUint64(uint64(m.spec.intervalMs))
			w.AddUint8(m.spec.decimals)
			addBool(w, m.hasBase)
			w.AddUint64(m.baseRegister)
			w.AddUint64(uint64(m.baseMeasuredAt))
			w.AddUint64(m.remainder)
		})
		return true
	})
}

func imageIdentities(s *State, r *rowWriter) {
	for _, b := range s.books {
		b.identities.each(b.lastNumber, func(first uint64, run []Identity) {
			r.row(tagIdentities, func(w *cryptobyte.Builder) {
				addString(w, b.row.ID)
				w.AddUint64(first)
				w.AddUint8(uint8(len(run)))
				for i := range run {
					w.AddBytes(run[i][:])
				}
			})
		})
	}
}

func imageReadings(s *State, r *rowWriter) {
	for _, b := range s.books {
		each(b.live, r, tagReading, b.row.ID, func(w *cryptobyte.Builder, l liveRow) {
			w.AddBytes(l.sub.identity[:])
			addString(w, l.sub.meter.id)
			w.AddUint64(l.sub.register)
			w.AddUint64(uint64(l.sub.measuredAt))
			w.AddUint64(uint64(l.sub.issuedAt))
			w.AddUint64(uint64(l.sub.acceptedAt))
			w.AddUint64(l.sub.acceptedHeight)
			w.AddUint64(l.sub.expires)
			w.AddUint64(l.sub.electorate)
			addString(w, l.sub.quality.ClockSync)
			addString(w, l.sub.quality.MeterStatus)
			w.AddUint64(l.accept)
			w.AddUint64(l.reject)
			addBool(w, l.decided)
			addTestimony(w, l.said)
		})
	}
}

func imageSettlements(s *State, r *rowWriter) {
	for _, b := range s.books {
		each(b.settlements, r, tagSettlement, b.row.ID, func(w *cryptobyte.Builder, set *Settlement) {
			for _, id := range [...]string{set.Meter, set.Provider, set.Payer, set.Asset} {
				addString(w, id)
			}
			w.AddUint16(uint16(len(set.Readings)))
			for i := range set.Readings {
				w.AddBytes(set.Readings[i][:])
			}
			for _, v := range [...]uint64{
				set.FromNumber, set.ToNumber, set.FromRegister, set.ToRegister, set.Delta,
				uint64(set.FromMeasuredAt), uint64(set.ToMeasuredAt), set.UnitPrice,
				set.RemainderBefore, set.RemainderAfter, set.Height, set.ReleaseHeight,
				set.Gross.Hi, set.Gross.Lo, set.Fee.Hi, set.Fee.Lo, set.Net.Hi, set.Net.Lo,
			} {
				w.AddUint64(v)
			}
			w.AddUint8(set.Decimals)
			w.AddUint32(set.FeeBps)
			addBool(w, set.Rehearsal)
		})
	}
}
