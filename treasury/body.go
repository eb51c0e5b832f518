package treasury

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
)

// Limits of what a disbursement says.
const (
	MaxTitle    = 200
	MaxSummary  = 2_000
	MaxMemo     = 8_192
	MaxPayee    = 512
	MaxDeps     = 100
	MaxExpected = 64
	maxExpected = 128 // bytes of one name
	// maxAhead bounds how far ahead an epoch may be scheduled.
	maxAhead = 1_000_000
)

// ID names a disbursement: the identity of the command that proposed it. A
// withdrawal is named by the identity of its own command.
type ID [32]byte

// String is the id in hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Expected is one receipt that the recipient will show for the money.
type Expected struct {
	Account string
	Amount  Amount
}

// Body is what people vote about.
type Body struct {
	Title       string
	Summary     string
	Destination AccountID
	// Payee says, for a payee account, where the money goes in the world outside.
	Payee  string
	Amount Amount
	Memo   string
	Deps   []ID // in any order, none twice
	// ScheduledEpoch is the first epoch in which it may be executed; 0 is at once.
	ScheduledEpoch uint64
	Expected       []Expected
	// Terms may be stricter than the bracket's; what is left out is the bracket's.
	Terms
}

// contentPrefix parts this hash from all others.
const contentPrefix = "tallyvault disbursement v1\n"

// Content is the hash that votes name. See the package documentation for the
// bytes that are hashed.
func (b Body) Content() [32]byte {
	w := coder{w: cryptobyte.NewBuilder([]byte(contentPrefix))}
	w.body(&b)
	return sha256.Sum256(w.w.BytesOrPanic())
}

// validate asks all that can be asked of a body by itself.
func (b Body) validate() *Refusal {
	for _, f := range [...]struct {
		name        string
		value       string
		least, most int
	}{
		{"title", b.Title, 1, MaxTitle},
		{"summary", b.Summary, 0, MaxSummary},
		{"memo", b.Memo, 0, MaxMemo},
		{"payee", b.Payee, 0, MaxPayee},
	} {
		if len(f.value) < f.least || len(f.value) > f.most || !utf8.ValidString(f.value) {
			return malformed(f.name, ReasonOutOfRange)
		}
	}
	if !b.Destination.destination() {
		return refuse(InvalidTarget, Field{"reason", ReasonMalformedAccount}, Field{"account", string(b.Destination)})
	}
	if b.Destination.IsPayee() != (b.Payee != "") {
		return malformed("payee", ReasonPayee)
	}
	if b.Amount.IsZero() || b.Amount.Cmp(maxMoney) > 0 {
		return refuse(InvalidTarget, Field{"reason", ReasonAmount}, Field{"account", string(b.Destination)})
	}
	if r := b.validateDeps(); r != nil {
		return r
	}
	if r := b.validateExpected(); r != nil {
		return r
	}
	return b.Terms.validate("terms")
}

func (b Body) validateDeps() *Refusal {
	if len(b.Deps) > MaxDeps {
		return full(LimitDeps, MaxDeps)
	}
	seen := make(map[ID]bool, len(b.Deps))
	for _, dep := range b.Deps {
		if seen[dep] {
			return malformed("deps", ReasonTwice)
		}
		seen[dep] = true
	}
	return nil
}

func (b Body) validateExpected() *Refusal {
	if len(b.Expected) > MaxExpected {
		return full(LimitExpected, MaxExpected)
	}
	var sum Amount
	for _, e := range b.Expected {
		if e.Account == "" || len(e.Account) > maxExpected || !utf8.ValidString(e.Account) || e.Amount.IsZero() {
			return malformed("expected_receipts", ReasonOutOfRange)
		}
		if !fits(sum, e.Amount) {
			return malformed("expected_receipts", ReasonOutOfRange)
		}
		sum = sum.Add(e.Amount)
	}
	if len(b.Expected) > 0 && sum != b.Amount {
		return refuse(MalformedPayload, Field{"field", "expected_receipts"}, Field{"reason", ReasonSum}, Field{"sum", sum.String()})
	}
	return nil
}
