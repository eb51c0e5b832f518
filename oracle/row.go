package oracle

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// addMarket and readMarket are a pair; the id stands in the row's key.
func addMarket(w *cryptobyte.Builder, m Market) {
	addString(w, m.Noun)
	addString(w, m.Unit)
	w.AddUint64(m.UnitPrice)
	addString(w, m.Asset)
	w.AddUint32(m.FeeBps)
	w.AddUint64(uint64(m.SkewMs))
	w.AddUint64(uint64(m.MaxReadingAgeMs))
	w.AddUint32(m.DeviationPpm)
	w.AddUint32(m.QuorumThresholdPpm)
	w.AddUint64(m.ExpiryBlocks)
	w.AddUint64(m.DisputeWindowBlocks)
	w.AddUint32(m.MaxPendingPerMeter)
	w.AddUint32(m.MaxLiveReadings)
	addString(w, m.Mode)
	addString(w, m.Stage)
}

func (r *reader) market(id string) Market {
	m := Market{
		ID: id, Noun: r.string(), Unit: r.string(), UnitPrice: r.u64(), Asset: r.string(), FeeBps: r.u32(),
		SkewMs: r.i64(), MaxReadingAgeMs: r.i64(), DeviationPpm: r.u32(), QuorumThresholdPpm: r.u32(),
		ExpiryBlocks: r.u64(), DisputeWindowBlocks: r.u64(), MaxPendingPerMeter: r.u32(), MaxLiveReadings: r.u32(),
		Mode: r.string(), Stage: r.string(),
	}
	if refused := m.Validate(); refused != nil {
		r.fail(fmt.Errorf("market row: %w", refused))
	}
	return m
}

// addTestimony and testimony are a pair. Nothing said and no testimony are the
// same thing and have one form.
func addTestimony(w *cryptobyte.Builder, t *testimony) {
	if t == nil {
		t = &testimony{}
	}
	w.AddUint64(t.equivocal)
	w.AddUint8(uint8(len(t.values)))
	for _, v := range t.values {
		w.AddUint8(v.Member)
		w.AddUint64(v.Register)
	}
}

func (r *reader) testimony() *testimony {
	t := &testimony{equivocal: r.u64()}
	for range r.u8() {
		t.values = append(t.values, Observed{r.u8(), r.u64()})
	}
	if t.equivocal == 0 && t.values == nil {
		return nil
	}
	return t
}

// members reads the members of an electorate: in order, with weights that can
// be added up.
func (r *reader) members() []Member {
	var out []Member
	var total uint64
	n := r.u8()
	if n > MaxOracles {
		r.fail(fmt.Errorf("%d members are too many", n))
	}
	for range min(n, MaxOracles) {
		m := Member{r.id(), r.u64()}
		if m.Weight == 0 || m.Weight > MaxWeight-total || len(out) > 0 && m.Oracle <= out[len(out)-1].Oracle {
			r.fail(fmt.Errorf("member %s is out of order or its weight out of range", m.Oracle))
			return nil
		}
		total += m.Weight
		out = append(out, m)
	}
	return out
}

func addString(w *cryptobyte.Builder, s string) {
	// A state has very many strings, and none of them is long.
	w.AddUint8(uint8(len(s)))
	w.AddBytes([]byte(s))
}

func addBool(w *cryptobyte.Builder, v bool) {
	if v {
		w.AddUint8(1)
		return
	}
	w.AddUint8(0)
}

// reader takes a row apart. It remembers the first error and reads zeros from
// then on, so that only the end of a row has to be asked for it.
type reader struct {
	rest cryptobyte.String
	tag  uint8
	key  string // where the row stands in the order of rows
	err  error
}

var errShort = errors.New("row is cut short")

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// end returns what went wrong, if anything did or if bytes are left.
func (r *reader) end() error {
	if r.err == nil && !r.rest.Empty() {
		r.err = fmt.Errorf("row has %d bytes too many", len(r.rest))
	}
	return r.err
}

func (r *reader) need(ok bool) {
	if !ok {
		r.fail(errShort)
	}
}

func (r *reader) u8() (v uint8) {
	r.need(r.rest.ReadUint8(&v))
	return v
}

func (r *reader) u16() (v uint16) {
	r.need(r.rest.ReadUint16(&v))
	return v
}

func (r *reader) u32() (v uint32) {
	r.need(r.rest.ReadUint32(&v))
	return v
}

func (r *reader) u64() (v uint64) {
	r.need(r.rest.ReadUint64(&v))
	return v
}

func (r *reader) i64() int64 { return int64(r.u64()) }

func (r *reader) bool() bool {
	v := r.u8()
	if v > 1 {
		r.fail(fmt.Errorf("%d is neither true nor false", v))
	}
	return v == 1
}

func (r *reader) string() string {
	var raw cryptobyte.String
	r.need(r.rest.ReadUint8LengthPrefixed(&raw))
	return string(raw)
}

func (r *reader) id() string {
	s := r.string()
	if !ValidID(s) {
		r.fail(fmt.Errorf("%q is not an id", s))
	}
	return s
}

func (r *reader) identity() (id Identity) {
	r.need(r.rest.CopyBytes(id[:]))
	return id
}
