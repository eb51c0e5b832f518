package treasury

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// The tables of the book's image, in the order in which they are emitted.
const (
	tagScalars = iota + 0x10
	tagRoll
	tagDisbursement
	tagVote
	tagErrand
	tagSpent
	tagWithdrawal
	tagReference
	tagFlow
)

// Image emits the whole book as rows: by table, within a table by key. Two books
// behave alike for ever exactly when their rows are equal. A row is only valid during
// the call. Indexes, timers and sums are left out and worked out again by Load.
func (b *Book) Image(emit func(row []byte)) {
	scratch := make([]byte, 0, 1<<10)
	c := &coder{w: new(cryptobyte.Builder)}
	row := func(tag uint8, fill func(c *coder)) bool {
		*c.w = *cryptobyte.NewBuilder(scratch[:0])
		c.w.AddUint8(tag)
		fill(c)
		scratch = c.w.BytesOrPanic()
		emit(scratch)
		return true
	}
	row(tagScalars, func(c *coder) { c.scalars(b) })
	b.rolls.Scan(func(_ uint64, r *roll) bool {
		return row(tagRoll, func(c *coder) { c.u64(&r.number); c.houses(&r.houses) })
	})
	b.rows.Scan(func(_ uint64, d *Disbursement) bool {
		return row(tagDisbursement, func(c *coder) { c.disbursement(d) })
	})
	b.votes.Scan(func(key string, approve bool) bool {
		return row(tagVote, func(c *coder) { c.text(&key); c.flag(&approve) })
	})
	b.errands.Scan(func(key string, e errand) bool {
		return row(tagErrand, func(c *coder) { c.text(&key); c.id(&e.id); c.u64(&e.cursor) })
	})
	b.spent.destinations.Scan(func(to AccountID, used Amount) bool {
		return row(tagSpent, func(c *coder) { c.text((*string)(&to)); c.amount(&used) })
	})
	b.withdrawals.Scan(func(_ string, w *Withdrawal) bool {
		return row(tagWithdrawal, func(c *coder) { c.withdrawal(w) })
	})
	b.references.Scan(func(reference string, id ID) bool {
		return row(tagReference, func(c *coder) { c.text(&reference); c.id(&id) })
	})
	b.history.Scan(func(_ uint64, f Flow) bool {
		return row(tagFlow, func(c *coder) { c.flow(&f) })
	})
}

func (c *coder) houses(list *[]House) {
	each(c, list, MaxHouses, func(h *House) {
		c.text(&h.Name)
		each(c, &h.Members, MaxMembers, func(m *Member) { c.text(&m.Principal); c.u64(&m.Weight) })
	})
}

func (c *coder) flow(f *Flow) {
	c.u64(&f.Epoch)
	c.amount(&f.Accrued, &f.Executed, &f.Compensated)
	c.u64(&f.Executions)
	c.amount(&f.Current)
}

// RestoredBook is a book that waits for the rows of an image.
func RestoredBook() *Book { return emptyBook() }

// Load takes one row that Image emitted, in the order it emitted them, into a book
// that began empty. A row that Image could not have emitted is an error. Whether the
// rows agree with each other is for Consistent to say after the last.
func (b *Book) Load(row []byte) error {
	if len(row) == 0 {
		return errors.New("treasury row is empty")
	}
	c := &coder{r: cryptobyte.String(row[1:])}
	order, err := b.load(row[0], c)
	if err == nil {
		err = c.end()
	}
	if err == nil && string(row[:1])+order <= b.loaded {
		err = errors.New("it does not follow the row before")
	}
	if err != nil {
		return fmt.Errorf("loading a treasury row of tag 0x%02x: %w", row[0], err)
	}
	b.loaded = string(row[:1]) + order
	return nil
}

// load stores a row and returns what it is in order of.
func (b *Book) load(tag byte, c *coder) (order string, err error) {
	var key string
	switch tag {
	case tagScalars:
		c.scalars(b)
		if b.params.EpochBlocks == 0 {
			return "", errors.New("an epoch has no blocks")
		}
		return "", nil
	case tagRoll:
		return b.loadRoll(c)
	case tagDisbursement:
		return b.loadDisbursement(c)
	case tagVote:
		var approve bool
		c.text(&key)
		c.flag(&approve)
		b.votes.Set(key, approve)
	case tagErrand:
		var e errand
		c.text(&key)
		c.id(&e.id)
		c.u64(&e.cursor)
		b.errands.Set(key, e)
	case tagSpent:
		var used Amount
		c.text(&key)
		c.amount(&used)
		b.spent.destinations.Set(AccountID(key), used)
	case tagWithdrawal:
		return b.loadWithdrawal(c)
	case tagReference:
		var id ID
		c.text(&key)
		c.id(&id)
		b.references.Set(key, id)
	case tagFlow:
		var f Flow
		c.flow(&f)
		b.history.Set(f.Epoch, f)
		key = tail("", f.Epoch)
	default:
		return "", errors.New("the tag is unknown")
	}
	return key, nil
}

func (b *Book) loadRoll(c *coder) (string, error) {
	var r roll
	c.u64(&r.number)
	c.houses(&r.houses)
	if c.err != nil {
		return "", c.err
	}
	for i, h := range r.houses {
		if refused := h.Validate(); refused != nil {
			return "", refused
		}
		if len(h.Members) == 0 || i > 0 && h.Name <= r.houses[i-1].Name {
			return "", fmt.Errorf("house %s could not stand there", h.Name)
		}
	}
	b.rolls.Set(r.number, &r)
	return tail("", r.number), nil
}

func (b *Book) loadDisbursement(c *coder) (string, error) {
	var d Disbursement
	c.disbursement(&d)
	if c.err != nil {
		return "", c.err
	}
	if d.Status < Draft || d.Status > Expired {
		return "", fmt.Errorf("status %d is unknown", d.Status)
	}
	if refused := d.Body.validate(); refused != nil {
		return "", refused
	}
	if _, twice := b.Get(d.ID); twice || d.Sequence == 0 || d.Sequence > b.sequence {
		return "", fmt.Errorf("disbursement %s is there twice, or has sequence %d of %d", d.ID, d.Sequence, b.sequence)
	}
	if b.params.EpochBlocks == 0 {
		return "", errors.New("it comes before the scalars")
	}
	if d.Reserved && d.Status != Queued && d.Status != Timelocked {
		return "", fmt.Errorf("disbursement %s is %s and has a reservation", d.ID, d.Status)
	}
	b.put(&d)
	return tail("", d.Sequence), nil
}

func (b *Book) loadWithdrawal(c *coder) (string, error) {
	var w Withdrawal
	c.withdrawal(&w)
	if c.err != nil {
		return "", c.err
	}
	if w.State < Requested || w.State > Recalled || !w.Account.destination() || w.Amount.IsZero() || w.Amount.Cmp(maxMoney) > 0 {
		return "", fmt.Errorf("withdrawal %s is none", w.ID)
	}
	if w.State == Recalled && w.Payouts == 0 {
		return "", fmt.Errorf("withdrawal %s was recalled before it was sent, and is there", w.ID)
	}
	if w.Sequence == 0 || w.Sequence > b.withdrawn {
		return "", fmt.Errorf("withdrawal %s has sequence %d of %d", w.ID, w.Sequence, b.withdrawn)
	}
	if !fits(b.leaving, w.Amount) {
		return "", errors.New("more is leaving than there can be")
	}
	b.putWithdrawal(&w)
	return string(w.ID[:]), nil
}
