package transport

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

func (d *Door) moneyRoutes() {
	read(d, huma.Operation{
		OperationID: "settlements", Path: "/v1/settlements", Tags: []string{"money"},
		Summary: "The settlements of a market that are not released yet, by number",
	}, settlements)
	read(d, huma.Operation{
		OperationID: "settlement", Path: "/v1/settlements/{market}/{number}", Tags: []string{"money"},
		Summary: "One settlement with its receipts, released or not",
	}, d.settlement)
	read(d, huma.Operation{
		OperationID: "accounts", Path: "/v1/accounts", Tags: []string{"money"}, Summary: "The ledger's accounts by name",
	}, accounts)
}

// settlementsInput asks for unreleased settlements.
type settlementsInput struct {
	Freshness
	Credentials
	Market string `query:"market" required:"true" maxLength:"64"`
	After  uint64 `query:"after" doc:"only numbers above this one"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func settlements(s state, _ Reader, in *settlementsInput) (api.Settlements, error) {
	p, last := s.page(in.Limit), ""
	out := api.Settlements{Settlements: []api.Settlement{}}
	if _, ok := s.Oracle().Market(in.Market); !ok {
		return out, missing(oracle.KindMarket, in.Market)
	}
	s.Oracle().Settlements(in.Market, in.After, func(set oracle.Settlement) bool {
		if !p.take(last) {
			return false
		}
		last = decimal(set.Number)
		out.Settlements = append(out.Settlements, settlementOf(set))
		return true
	})
	out.Page = p.Page
	return out, nil
}

func settlementOf(set oracle.Settlement) api.Settlement {
	from, to, delta := api.Uint64(set.FromRegister), api.Uint64(set.ToRegister), api.Uint64(set.Delta)
	price, height := api.Uint64(set.UnitPrice), api.Uint64(set.Height)
	out := api.Settlement{
		Market: set.Market, Number: api.Uint64(set.Number), Status: fsm.StatusHeld,
		Meter: set.Meter, Provider: set.Provider, Payer: set.Payer, Asset: set.Asset,
		FirstReading: api.Uint64(set.FromNumber), LastReading: api.Uint64(set.ToNumber),
		FromRegister: &from, ToRegister: &to, Delta: &delta,
		FromMeasuredAt: set.FromMeasuredAt, ToMeasuredAt: set.ToMeasuredAt, UnitPrice: &price,
		Gross: set.Gross.String(), Fee: set.Fee.String(), Net: set.Net.String(), Rehearsal: set.Rehearsal, Height: &height,
	}
	switch {
	case set.Rehearsal:
		out.Status = fsm.StatusRehearsal
	case set.ReleaseHeight == 0:
		out.Status = fsm.StatusReceivable
	default:
		release := api.Uint64(set.ReleaseHeight)
		out.ReleaseHeight = &release
	}
	return out
}

// settlement is told by its receipts, which say the same while it is live and
// after: where its money is, is what the newest one says.
func (d *Door) settlement(s state, _ Reader, in *numberedInput) (api.OneSettlement, error) {
	out := api.OneSettlement{Facts: s.facts()}
	key := fsm.NumberKey(in.Market, in.number())
	receipts, err := d.receiptsAbout(s, fsm.RefSettlement, key)
	if err != nil {
		return out, err
	}
	if len(receipts) == 0 {
		return out, missing("settlement", key)
	}
	for _, r := range receipts {
		switch b := r.body.(type) {
		case *fsm.SettlementReceipt:
			out.Settlement = settlementIn(b, out.Receipts)
		case *fsm.ReleaseReceipt:
			out.Status = "released"
		}
		out.Receipts = append(out.Receipts, r.shown)
	}
	out.Final = receipts[len(receipts)-1].shown.Final
	return out, nil
}

func settlementIn(b *fsm.SettlementReceipt, receipts []api.Receipt) api.Settlement {
	from, to, delta := api.Uint64(b.FromRegister), api.Uint64(b.ToRegister), api.Uint64(b.Delta)
	price, height := api.Uint64(b.UnitPrice), api.Uint64(b.Height)
	out := api.Settlement{
		Market: b.Market, Number: api.Uint64(b.Settlement), Status: b.Status,
		Meter: b.Meter, Provider: b.Provider, Payer: b.Payer, Asset: b.Asset,
		FirstReading: api.Uint64(b.Readings.From), LastReading: api.Uint64(b.Readings.To),
		FromRegister: &from, ToRegister: &to, Delta: &delta,
		FromMeasuredAt: b.FromMeasuredAt, ToMeasuredAt: b.ToMeasuredAt, UnitPrice: &price,
		Gross: b.Gross.String(), Fee: b.Fee.String(), Net: b.Net.String(),
		Rehearsal: b.Status == fsm.StatusRehearsal, Height: &height, Receipts: receipts,
	}
	if b.ReleaseHeight > 0 {
		release := api.Uint64(b.ReleaseHeight)
		out.ReleaseHeight = &release
	}
	return out
}

func accounts(s state, _ Reader, in *ListInput) (api.Accounts, error) {
	p, last := s.page(in.Limit), ""
	out := api.Accounts{Accounts: []api.Account{}}
	s.Ledger().Accounts(treasury.AccountID(in.After), func(a treasury.Account) bool {
		if !p.take(last) {
			return false
		}
		last = string(a.ID)
		out.Accounts = append(out.Accounts, accountOf(a))
		return true
	})
	out.Page = p.Page
	return out, nil
}

func accountOf(a treasury.Account) api.Account {
	balance, negative := a.Balance()
	text := balance.String()
	if negative {
		text = "-" + text
	}
	return api.Account{
		Account: string(a.ID), Asset: a.Asset, Debits: a.Debits.String(), Credits: a.Credits.String(),
		Balance: text, External: a.ID.IsExternal(),
	}
}
