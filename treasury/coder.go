package treasury

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"lukechampine.com/uint128"
)

// coder writes rows when it has a builder, and reads them otherwise. Every row is
// described once, so that what is written is what is read. Writing stores nothing in
// the values: images are written of copies that share rows with the live book.
type coder struct {
	w   *cryptobyte.Builder
	r   cryptobyte.String
	err error
}

var errShort = errors.New("row is cut short")

func (c *coder) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *coder) need(ok bool) {
	if !ok {
		c.fail(errShort)
	}
}

func (c *coder) u8(v *uint8) {
	if c.w != nil {
		c.w.AddUint8(*v)
		return
	}
	c.need(c.r.ReadUint8(v))
}

func (c *coder) u32(v *uint32) {
	if c.w != nil {
		c.w.AddUint32(*v)
		return
	}
	c.need(c.r.ReadUint32(v))
}

func (c *coder) u64(vs ...*uint64) {
	for _, v := range vs {
		if c.w != nil {
			c.w.AddUint64(*v)
		} else {
			c.need(c.r.ReadUint64(v))
		}
	}
}

func (c *coder) i64(v *int64) {
	n := uint64(*v)
	c.u64(&n)
	if c.w == nil {
		*v = int64(n)
	}
}

func (c *coder) flag(v *bool) {
	var n uint8
	if *v {
		n = 1
	}
	c.u8(&n)
	if n > 1 {
		c.fail(fmt.Errorf("%d is neither true nor false", n))
	}
	if c.w == nil {
		*v = n == 1
	}
}

func (c *coder) amount(vs ...*Amount) {
	for _, v := range vs {
		hi, lo := v.Hi, v.Lo
		c.u64(&hi, &lo)
		if c.w == nil {
			*v = uint128.New(lo, hi)
		}
	}
}

func (c *coder) bytes32(v *[32]byte) {
	if c.w != nil {
		c.w.AddBytes(v[:])
		return
	}
	c.need(c.r.CopyBytes(v[:]))
}

// text stands behind two bytes of length.
func (c *coder) text(v *string) {
	if c.w != nil {
		c.w.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(*v)) })
		return
	}
	var raw cryptobyte.String
	c.need(c.r.ReadUint16LengthPrefixed(&raw))
	*v = string(raw)
}

// each goes over a list behind two bytes of count; nil and empty are the same.
func each[T any](c *coder, list *[]T, most int, one func(*T)) {
	n := uint32(len(*list))
	if c.w != nil {
		c.w.AddUint16(uint16(n))
		for i := range *list {
			one(&(*list)[i])
		}
		return
	}
	var count uint16
	c.need(c.r.ReadUint16(&count))
	if int(count) > most {
		c.fail(fmt.Errorf("list of %d, more than %d", count, most))
		return
	}
	for range count {
		if c.err != nil {
			return
		}
		var v T
		one(&v)
		*list = append(*list, v)
	}
}

func (c *coder) end() error {
	if c.err == nil && !c.r.Empty() {
		c.err = fmt.Errorf("row has %d bytes too many", len(c.r))
	}
	return c.err
}

func (c *coder) id(v *ID) { c.bytes32((*[32]byte)(v)) }

func (c *coder) moment(vs ...*Moment) {
	for _, v := range vs {
		c.i64(&v.At)
		c.u64(&v.Height)
	}
}

func (c *coder) terms(t *Terms) {
	each(c, &t.Quorum, MaxFloors, func(f *Floor) { c.text(&f.House); c.u32(&f.Ppm) })
	c.u64(&t.VoteEpochs, &t.TimelockEpochs, &t.RollbackEpochs)
}

func (c *coder) body(b *Body) {
	c.text(&b.Title)
	c.text(&b.Summary)
	c.text((*string)(&b.Destination))
	c.text(&b.Payee)
	c.amount(&b.Amount)
	c.text(&b.Memo)
	each(c, &b.Deps, MaxDeps, c.id)
	c.u64(&b.ScheduledEpoch)
	each(c, &b.Expected, MaxExpected, func(e *Expected) { c.text(&e.Account); c.amount(&e.Amount) })
	c.terms(&b.Terms)
}

func (c *coder) failure(f *Failure) {
	c.text((*string)(&f.Code))
	if f.Code == "" {
		return
	}
	c.text(&f.Detail)
	c.text(&f.Subject)
	c.u32(&f.Attempts)
	c.i64(&f.First)
	c.i64(&f.Last)
	c.u64(&f.Next)
}

func (c *coder) disbursement(d *Disbursement) {
	c.u64(&d.Sequence)
	c.id(&d.ID)
	c.text(&d.Proposer)
	c.body(&d.Body)
	c.bytes32(&d.Content)
	c.u8((*uint8)(&d.Status))
	c.u64(&d.Steps)
	c.terms(&d.Effective)
	each(c, &d.Tallies, MaxFloors, func(t *Tally) {
		c.text(&t.House)
		c.u32(&t.Ppm)
		c.u64(&t.Total, &t.Approve, &t.Reject)
	})
	c.u64(&d.roll)
	c.flag(&d.Reserved)
	each(c, &d.Confirmed, 2, c.text)
	c.moment(&d.Proposed, &d.Opened, &d.Queued, &d.Timelocked, &d.Executed, &d.Ended)
	c.u64(&d.Due, &d.Executable, &d.Grace, &d.Window)
	c.failure(&d.Failure)
	c.text(&d.Ending)
}

func (c *coder) withdrawal(w *Withdrawal) {
	c.id(&w.ID)
	c.u64(&w.Sequence)
	c.text((*string)(&w.Account))
	c.amount(&w.Amount)
	c.text(&w.Payee)
	c.u8((*uint8)(&w.State))
	c.text(&w.Reference)
	c.u32(&w.Payouts)
	c.u64(&w.Steps)
	c.moment(&w.Requested, &w.Changed)
}

func (c *coder) params(p *Params) {
	c.u64(&p.EpochBlocks, &p.GraceEpochs)
	c.amount(&p.EpochCap, &p.DestinationCap, &p.FourEyesAbove)
	each(c, &p.Brackets, MaxBrackets, func(b *Bracket) { c.amount(&b.From); c.terms(&b.Terms) })
}

// scalars are what is in the book once.
func (c *coder) scalars(b *Book) {
	c.params(&b.params)
	c.flag(&b.paused.treasury)
	c.flag(&b.paused.all)
	f := &b.facts
	c.u64(&b.height, &b.sequence, &b.withdrawn)
	c.amount(&f.accrued, &f.executed, &f.compensated)
	c.u64(&f.warnedSince, &f.stalledSince, &f.overdueEpoch)
	c.moment(&f.lastTick, &f.lastSuccess)
	c.failure(&f.lastError)
	c.id(&f.lastFailed)
	c.u64(&f.matured, &f.lags, &f.lagTotal, &f.lagMax)
	c.flag(&b.sweep.active)
	c.flag(&b.sweep.again)
	c.text(&b.sweep.cursor)
	c.u64(&b.spent.epoch)
	c.amount(&b.spent.total)
}
