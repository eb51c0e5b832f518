package api

// Settlement is money that went from a payer to a provider for attested units.
type Settlement struct {
	Market         string    `json:"market"`
	Number         Uint64    `json:"number" doc:"dense within the market, from 1"`
	Status         string    `json:"status" doc:"held (inside the dispute window), receivable (waits for the payer's money), rehearsal (no money moves), released"`
	Meter          string    `json:"meter,omitempty"`
	Provider       string    `json:"provider,omitempty"`
	Payer          string    `json:"payer,omitempty"`
	Asset          string    `json:"asset,omitempty"`
	FirstReading   Uint64    `json:"first_reading,omitempty"`
	LastReading    Uint64    `json:"last_reading,omitempty"`
	FromRegister   *Uint64   `json:"from_register,omitempty"`
	ToRegister     *Uint64   `json:"to_register,omitempty"`
	Delta          *Uint64   `json:"delta,omitempty"`
	FromMeasuredAt int64     `json:"from_measured_at,omitempty"`
	ToMeasuredAt   int64     `json:"to_measured_at,omitempty"`
	UnitPrice      *Uint64   `json:"unit_price,omitempty"`
	Gross          string    `json:"gross,omitempty" doc:"minor units; fee is part of it"`
	Fee            string    `json:"fee,omitempty"`
	Net            string    `json:"net,omitempty"`
	Rehearsal      bool      `json:"rehearsal,omitempty"`
	Height         *Uint64   `json:"height,omitempty" doc:"at which it was settled, or its newest settlement receipt was written"`
	ReleaseHeight  *Uint64   `json:"release_height,omitempty" doc:"at which its dispute window ends"`
	Receipts       []Receipt `json:"receipts,omitempty" doc:"the journal leaves about it"`
}

// Settlements is a list of settlements that are not released.
type Settlements struct {
	Page
	Settlements []Settlement `json:"settlements"`
}

// OneSettlement is the answer about a single settlement.
type OneSettlement struct {
	Facts
	Settlement
}

// Account is a ledger account.
type Account struct {
	Account  string `json:"account"`
	Asset    string `json:"asset"`
	Debits   string `json:"debits" doc:"minor units that ever left it"`
	Credits  string `json:"credits" doc:"minor units that ever came in"`
	Balance  string `json:"balance" doc:"credits minus debits; may be negative for external accounts only"`
	External bool   `json:"external,omitempty"`
}

// Accounts is a list of accounts.
type Accounts struct {
	Page
	Accounts []Account `json:"accounts"`
}
