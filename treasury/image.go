package treasury

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"lukechampine.com/uint128"
)

// tagAccount begins every row of the account table.
const tagAccount = 0x01

// Image emits the whole ledger as rows, in order of account id. Two ledgers
// are equal exactly when their rows are. A row is only valid during the call.
func (l *Ledger) Image(emit func(row []byte)) {
	scratch := make([]byte, 0, 256)
	l.accounts.Scan(func(_ AccountID, a Account) bool {
		b := *cryptobyte.NewBuilder(scratch[:0])
		b.AddUint8(tagAccount)
		addString(&b, string(a.ID))
		addString(&b, a.Asset)
		addAmount(&b, a.Debits)
		addAmount(&b, a.Credits)
		scratch = b.BytesOrPanic()
		emit(scratch)
		return true
	})
}

// Load takes one row that Image emitted, in the order it emitted them, into a
// ledger that began empty. A row that Image could not have emitted there is an
// error and changes nothing. Whether the sums of all rows agree is for
// Conserved to say after the last.
func (l *Ledger) Load(row []byte) error {
	s := cryptobyte.String(row)
	var tag uint8
	var id, asset string
	var a Account
	if !s.ReadUint8(&tag) {
		return errors.New("ledger row is empty")
	}
	if tag != tagAccount {
		return fmt.Errorf("ledger row has the unknown tag 0x%02x", tag)
	}
	if !readString(&s, &id) || !readString(&s, &asset) || !readAmount(&s, &a.Debits) || !readAmount(&s, &a.Credits) {
		return errors.New("account row is cut short")
	}
	if !s.Empty() {
		return fmt.Errorf("account row has %d bytes too many", len(s))
	}
	a.ID, a.Asset = AccountID(id), asset
	if err := a.sound(a.ID); err != nil {
		return fmt.Errorf("loading an account row: %w", err)
	}
	if last, _, ok := l.accounts.Max(); ok && a.ID <= last {
		return fmt.Errorf("account row %s does not follow %s", a.ID, last)
	}
	if l.accounts.Len() >= MaxAccounts {
		return fmt.Errorf("more than %d account rows", MaxAccounts)
	}
	l.accounts.Set(a.ID, a)
	return nil
}

func addString(b *cryptobyte.Builder, s string) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
}

func addAmount(b *cryptobyte.Builder, v Amount) {
	b.AddUint64(v.Hi)
	b.AddUint64(v.Lo)
}

func readString(s *cryptobyte.String, out *string) bool {
	var raw cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&raw) {
		return false
	}
	*out = string(raw)
	return true
}

func readAmount(s *cryptobyte.String, out *Amount) bool {
	var hi, lo uint64
	if !s.ReadUint64(&hi) || !s.ReadUint64(&lo) {
		return false
	}
	*out = uint128.New(lo, hi)
	return true
}
