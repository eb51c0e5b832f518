package treasury

import (
	"strings"

	"lukechampine.com/uint128"
)

// Amount is a number of minor units of one asset.
type Amount = uint128.Uint128

// AccountID names an account. See the package documentation for its shapes.
type AccountID string

// The fixed accounts and the beginnings and the ending of the others.
const (
	Treasury         AccountID = "treasury"
	TreasuryHeld     AccountID = "treasury/held"
	TreasuryReserved AccountID = "treasury/reserved"
	Leaving          AccountID = "leaving"

	externalPrefix = "external/"
	payerPrefix    = "payer/"
	providerPrefix = "provider/"
	payeePrefix    = "payee/"
	heldSuffix     = "/held"
)

// External is the account that stands for the world outside: what came in of
// the asset was debited to it.
func External(asset string) AccountID { return AccountID(externalPrefix + asset) }

// Payer is the account a principal pays its settlements from.
func Payer(principal string) AccountID { return AccountID(payerPrefix + principal) }

// Provider is the account of what a provider earned and may withdraw.
func Provider(principal string) AccountID { return AccountID(providerPrefix + principal) }

// ProviderHeld is the account of what a provider earned and may not yet touch.
func ProviderHeld(principal string) AccountID {
	return AccountID(providerPrefix + principal + heldSuffix)
}

// Held is the account of what the owner of an account got and may not touch yet.
func (id AccountID) Held() AccountID { return id + heldSuffix }

// IsPayee reports whether the account is that of a payee outside.
func (id AccountID) IsPayee() bool { return strings.HasPrefix(string(id), payeePrefix) }

// Spendable reports whether somebody decides about what the account holds: a
// payer, a provider, or the committee about the treasury. Into and out of all
// others only rules pay.
func (id AccountID) Spendable() bool {
	return id == Treasury || id.owned() && !id.IsPayee() && !strings.HasSuffix(string(id), heldSuffix)
}

// owned reports whether the account belongs to a payer, a provider or a payee.
func (id AccountID) owned() bool {
	s := string(id)
	return strings.HasPrefix(s, payerPrefix) || strings.HasPrefix(s, providerPrefix) || strings.HasPrefix(s, payeePrefix)
}

// destination reports whether a disbursement may name the account.
func (id AccountID) destination() bool {
	return id.owned() && !strings.HasSuffix(string(id), heldSuffix) && id.valid(Asset)
}

// Account is one row of the ledger: everything ever taken out of it and
// everything ever put into it. Both sums only grow.
type Account struct {
	ID              AccountID
	Asset           string
	Debits, Credits Amount
}

// Balance is credits minus debits, as magnitude and sign. Only external
// accounts are ever negative.
func (a Account) Balance() (v Amount, negative bool) {
	if a.Debits.Cmp(a.Credits) > 0 {
		return a.Debits.Sub(a.Credits), true
	}
	return a.Credits.Sub(a.Debits), false
}

// IsExternal reports whether the account stands for the world outside, whose
// balance alone may be negative.
func (id AccountID) IsExternal() bool {
	return strings.HasPrefix(string(id), externalPrefix)
}

// valid reports whether the id has one of the known shapes and, for an external
// account, names the asset it holds.
func (id AccountID) valid(asset string) bool {
	switch id {
	case Treasury, TreasuryHeld, TreasuryReserved, Leaving:
		return true
	}
	s := string(id)
	if rest, ok := strings.CutPrefix(s, externalPrefix); ok {
		return rest == asset
	}
	for _, prefix := range [...]string{payerPrefix, providerPrefix, payeePrefix} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			return ValidID(strings.TrimSuffix(rest, heldSuffix))
		}
	}
	return false
}

// ValidID reports whether s can name a principal: [a-z][a-z0-9._-]{0,63}.
func ValidID(s string) bool {
	return len(s) <= 64 && named(s, func(c byte) bool { return 'a' <= c && c <= 'z' })
}

// ValidAsset reports whether s can name an asset: [A-Za-z][A-Za-z0-9._-]{0,31}.
func ValidAsset(s string) bool {
	return len(s) <= 32 && named(s, func(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' })
}

// named reports whether s begins with a letter and goes on with letters,
// digits, dots, underscores and dashes.
func named(s string, letter func(byte) bool) bool {
	if s == "" || !letter(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		c := s[i]
		if !letter(c) && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
