package api

// Statement is what a provider earned and where that is. Its totals are those of the
// ledger's accounts: credited = released + held, and what was released is available
// or paid out. Lines are the settlements that are not released yet; what is released
// stands in the ledger and in receipts alone.
type Statement struct {
	Page
	Provider string            `json:"provider"`
	Active   bool              `json:"active"`
	Asset    string            `json:"asset"`
	Height   Uint64            `json:"height" doc:"replicated height now; windows count it"`
	Now      int64             `json:"now" doc:"replicated time now, unix ms"`
	Totals   StatementTotals   `json:"totals"`
	Accounts []Account         `json:"accounts" doc:"the provider's ledger accounts, from which the totals are"`
	Markets  []StatementMarket `json:"markets" doc:"the same per market, of what is not released; by id"`
	Lines    []Settlement      `json:"lines" doc:"settlements that are not released, by market and number, from after= on"`
}

// StatementTotals are amounts in minor units.
type StatementTotals struct {
	Credited   string `json:"credited" doc:"all that was ever settled and paid for: the credits of provider/ID/held"`
	Released   string `json:"released" doc:"what is past its dispute window: the debits of that account"`
	Held       string `json:"held" doc:"what is inside its dispute window: its balance"`
	Receivable string `json:"receivable" doc:"what is settled and not paid for yet, so in no account"`
	Available  string `json:"available" doc:"the balance of provider/ID"`
	PaidOut    string `json:"paid_out" doc:"the debits of that account"`
}

// StatementMarket is the part of one market.
type StatementMarket struct {
	Market      string         `json:"market"`
	Held        string         `json:"held"`
	Receivable  string         `json:"receivable"`
	Settlements Uint64         `json:"settlements" doc:"that are held or receivable"`
	Rehearsals  Uint64         `json:"rehearsals" doc:"settlements that move no money"`
	NextRelease *Uint64        `json:"next_release,omitempty" doc:"height at which the next of the held settlements is released"`
	Due         []StatementDue `json:"due" doc:"held amounts by the day on which they become available"`
}

// StatementDue is what becomes available on one day.
type StatementDue struct {
	Date        string `json:"date" doc:"the day in UTC, if the cluster runs until then; windows count heights" example:"2026-11-30"`
	FromHeight  Uint64 `json:"from_height" doc:"of the first release on that day"`
	UntilHeight Uint64 `json:"until_height" doc:"of the last one"`
	At          int64  `json:"at" doc:"about when that is, unix ms"`
	Amount      string `json:"amount"`
	Settlements Uint64 `json:"settlements"`
}
