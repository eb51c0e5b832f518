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
// key. Two states behave alike for ever exactly when their rows are equal.
// Every row is a slice of its own.
//
// What other tables imply is left out and worked out again by Load: how many
// readings a meter has pending, how many an electorate tallies, and the index
// of moments.
func (s *State) Image(emit func(row []byte)) {
	for _, table := range [...]func(*State, func([]byte)){
		imageMarkets, imageScheduled, imageWeights, imageElectorates,
		imageProviders, imageMeters, imageIdentities, imageReadings, imageSettlements,
	} {
		table(s, emit)
	}
}

// row builds one row and emits it.
func row(emit func([]byte), tag uint8, fields func(b *cryptobyte.Builder)) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 256))
	b.AddUint8(tag)
	fields(b)
	emit(b.BytesOrPanic())
}

// each builds a row for every entry of a market's table.
func each[V any](m *btree.Map[uint64, V], emit func([]byte), tag uint8, market string, fields func(b *cryptobyte.Builder, v V)) {
	m.Scan(func(number uint64, v V) bool {
		row(emit, tag, func(b *cryptobyte.Builder) {
			addString(b, market)
			b.AddUint64(number)
			fields(b, v)
		})
		return true
	})
}

func imageMarkets(s *State, emit func([]byte)) {
	for _, b := range s.books {
		row(emit, tagMarket, func(w *cryptobyte.Builder) {
			addString(w, b.row.ID)
			addMarket(w, b.row)
			w.AddUint64(b.newest)
			w.AddUint64(b.lastNumber)
			w.AddUint64(b.lastSettlement)
		})
	}
}

func imageScheduled(s *State, emit func([]byte)) {
	for _, b := range s.books {
		for _, next := range b.scheduled {
			row(emit, tagScheduled, func(w *cryptobyte.Builder) {
				addString(w, b.row.ID)
				w.AddUint64(next.epoch)
				addMarket(w, next.row)
			})
		}
	}
}

func imageWeights(s *State, emit func([]byte)) {
	for _, b := range s.books {
		for _, m := range b.weights {
			row(emit, tagWeight, func(w *cryptobyte.Builder) {
				addString(w, b.row.ID)
				addString(w, m.Oracle)
				w.AddUint64(m.Weight)
			})
		}
	}
}

func imageElectorates(s *State, emit func([]byte)) {
	for _, b := range s.books {
		each(b.electorates, emit, tagElectorate, b.row.ID, func(w *cryptobyte.Builder, e electorateRow) {
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

func imageProviders(s *State, emit func([]byte)) {
	s.providers.Scan(func(id string, p Provider) bool {
		row(emit, tagProvider, func(w *cryptobyte.Builder) {
			addString(w, id)
			addBool(w, p.Active)
		})
		return true
	})
}

func imageMeters(s *State, emit func([]byte)) {
	s.meters.Scan(func(_ string, r meterRow) bool {
		row(emit, tagMeter, func(w *cryptobyte.Builder) {
			for _, id := range [...]string{r.spec.id, r.spec.market, r.spec.provider, r.spec.payer} {
				addString(w, id)
			}
			w.AddUint64(r.spec.capacity)
			w.AddUint64(uint64(r.spec.intervalMs))
			w.AddUint8(r.spec.decimals)
			addBool(w, r.hasBase)
			w.AddUint64(r.baseRegister)
			w.AddUint64(uint64(r.baseMeasuredAt))
			w.AddUint64(r.remainder)
		})
		return true
	})
}

func imageIdentities(s *State, emit func([]byte)) {
	for _, b := range s.books {
		b.identities.each(b.lastNumber, func(first uint64, run []Identity) {
			row(emit, tagIdentities, func(w *cryptobyte.Builder) {
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

func imageReadings(s *State, emit func([]byte)) {
	for _, b := range s.books {
		each(b.live, emit, tagReading, b.row.ID, func(w *cryptobyte.Builder, r liveRow) {
			w.AddBytes(r.sub.identity[:])
			addString(w, r.sub.meter.id)
			w.AddUint64(r.sub.register)
			w.AddUint64(uint64(r.sub.measuredAt))
			w.AddUint64(uint64(r.sub.issuedAt))
			w.AddUint64(uint64(r.sub.acceptedAt))
			w.AddUint64(r.sub.acceptedHeight)
			w.AddUint64(r.sub.expires)
			w.AddUint64(r.sub.electorate)
			addString(w, r.sub.quality.ClockSync)
			addString(w, r.sub.quality.MeterStatus)
			w.AddUint64(r.accept)
			w.AddUint64(r.reject)
			addBool(w, r.decided)
			addTestimony(w, r.said)
		})
	}
}

func imageSettlements(s *State, emit func([]byte)) {
	for _, b := range s.books {
		each(b.settlements, emit, tagSettlement, b.row.ID, func(w *cryptobyte.Builder, set *Settlement) {
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
