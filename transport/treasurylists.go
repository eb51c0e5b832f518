package transport

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

func (d *Door) treasuryRoutes() {
	d.treasuryCommandRoutes()
	tag := []string{"treasury"}
	read(d, huma.Operation{
		OperationID: "disbursements", Path: disbursementsPath, Tags: tag, Summary: "Disbursements, the newest proposal first",
	}, disbursements)
	read(d, huma.Operation{
		OperationID: "disbursement", Path: disbursementsPath + "/{id}", Tags: tag, Summary: "One disbursement: where it stands, what it waits for, and who can act",
	}, disbursement)
	read(d, huma.Operation{
		OperationID: "treasury-timeline", Path: "/v1/treasury/timeline", Tags: tag, Summary: "The whole story of a disbursement, receipt for receipt",
	}, d.timeline)
	read(d, huma.Operation{
		OperationID: "treasury-balance", Path: "/v1/treasury/balance", Tags: tag, Summary: "The treasury's money",
	}, treasuryBalance)
	read(d, huma.Operation{
		OperationID: "treasury-history", Path: "/v1/treasury/history", Tags: tag, Summary: "What each epoch moved, the newest first",
	}, treasuryHistory)
	read(d, huma.Operation{
		OperationID: "treasury-summary", Path: "/v1/treasury/summary", Tags: tag, Summary: "Counts, balance and the executor's health",
	}, treasurySummary)
	read(d, huma.Operation{
		OperationID: "treasury-rules", Path: "/v1/treasury/rules", Tags: tag, Summary: "The committee's rules and houses as they are now",
	}, treasuryRules)
	read(d, huma.Operation{
		OperationID: "withdrawals", Path: "/v1/treasury/withdrawals", Tags: tag, Summary: "Withdrawals by id",
		Description: "One that its owner took back before anybody sent it is in the receipts only.",
	}, withdrawals)
	d.exportRoute()
}

// disbursementsInput asks for a page of disbursements.
type disbursementsInput struct {
	Freshness
	Credentials
	Status      string `query:"status" maxLength:"160" doc:"one status, or several divided by commas"`
	Destination string `query:"destination" maxLength:"128" doc:"account"`
	MinAmount   string `query:"min_amount" maxLength:"40" doc:"minor units"`
	MaxAmount   string `query:"max_amount" maxLength:"40" doc:"minor units; 0 bounds nothing"`
	FromEpoch   uint64 `query:"from_epoch" doc:"executed in this epoch or later"`
	ToEpoch     uint64 `query:"to_epoch" doc:"executed in this epoch or earlier; 0 bounds nothing"`
	Since       int64  `query:"since" doc:"proposed at this time or later, unix ms"`
	Until       int64  `query:"until" doc:"proposed before this time, unix ms; 0 bounds nothing"`
	Before      uint64 `query:"before" doc:"the next of the page before; absent for the first page"`
	Limit       int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"most items in the answer; fewer with a next come when little matches"`
}

func (in *disbursementsInput) filter() (treasury.Filter, error) {
	f := treasury.Filter{Destination: treasury.AccountID(in.Destination), Since: in.Since, Until: in.Until, Before: in.Before}
	if in.Status != "" {
		for name := range strings.SplitSeq(in.Status, ",") {
			s, ok := treasury.ParseStatus(name)
			if !ok {
				return f, badQuery("status", name)
			}
			f.Statuses = append(f.Statuses, s)
		}
	}
	for _, a := range []struct {
		name, text string
		into       *treasury.Amount
	}{{"min_amount", in.MinAmount, &f.Least}, {"max_amount", in.MaxAmount, &f.Most}} {
		if a.text == "" {
			continue
		}
		v, err := strict.ParseAmount(a.text)
		if err != nil {
			return f, badQuery(a.name, a.text)
		}
		*a.into = v
	}
	if in.FromEpoch > 0 || in.ToEpoch > 0 {
		f.FromEpoch = &in.FromEpoch
	}
	if in.ToEpoch > 0 {
		f.ToEpoch = &in.ToEpoch
	}
	return f, nil
}

func badQuery(name, value string) error {
	return problem(fsm.MalformedPayload, fsm.Field{Name: "field", Value: name}, fsm.Field{Name: "value", Value: value})
}

func disbursements(s state, _ Reader, in *disbursementsInput) (api.Disbursements, error) {
	out := api.Disbursements{Page: api.Page{Facts: s.facts()}, Disbursements: []api.Disbursement{}}
	f, err := in.filter()
	if err != nil {
		return out, err
	}
	page, next := s.Book().List(f, in.Limit)
	for _, d := range page {
		out.Disbursements = append(out.Disbursements, disbursementOf(s, d))
	}
	if next > 0 {
		out.Next = decimal(next)
	}
	return out, nil
}

// idInput names a disbursement.
type idInput struct {
	Freshness
	Credentials
	ID string `path:"id" maxLength:"64"`
}

// disbursement finds one by its id in hex.
func (s state) disbursement(id string) (*treasury.Disbursement, error) {
	var key treasury.ID
	if envelope.ParseHex(key[:], id) == nil {
		if d, known := s.Book().Get(key); known {
			return d, nil
		}
	}
	return nil, missing(treasury.KindDisbursement, id)
}

// maxDependents bounds how many dependents an answer names.
const maxDependents = 100

func disbursement(s state, _ Reader, in *idInput) (api.OneDisbursement, error) {
	out := api.OneDisbursement{Facts: s.facts()}
	d, err := s.disbursement(in.ID)
	if err != nil {
		return out, err
	}
	out.Disbursement = disbursementOf(s, d)
	out.Ballots = ballotsOf(s, d)
	if at, ok := s.Book().Earliest(treasury.Clock{Now: s.Now(), Height: s.Height()}, d); ok {
		out.Earliest = &api.Dates{Executed: *s.due(at.Executed), Finalized: *s.due(at.Finalized)}
	}
	s.Book().Dependents(d.ID, func(dependent *treasury.Disbursement) bool {
		out.Dependents = append(out.Dependents, dependent.ID.String())
		return len(out.Dependents) < maxDependents
	})
	return out, nil
}

// timelineInput names the disbursement whose story is told.
type timelineInput struct {
	Freshness
	Credentials
	Disbursement string `query:"disbursement" required:"true" maxLength:"64"`
}

func (d *Door) timeline(s state, _ Reader, in *timelineInput) (api.Timeline, error) {
	out := api.Timeline{Facts: s.facts(), Disbursement: in.Disbursement, Events: []api.TreasuryEvent{}}
	if _, err := s.disbursement(in.Disbursement); err != nil {
		return out, err
	}
	for _, kind := range []byte{fsm.RefDisbursement, fsm.RefWithdrawal} {
		receipts, err := d.receiptsAbout(s, kind, in.Disbursement)
		if err != nil {
			return out, err
		}
		for _, r := range receipts {
			out.Events = append(out.Events, api.TreasuryEvent{Receipt: r.shown, Proof: "/v1/receipts/" + decimal(uint64(r.shown.Leaf)) + ".tlog-proof"})
		}
	}
	return out, nil
}

func withdrawals(s state, _ Reader, in *ListInput) (api.Withdrawals, error) {
	p, last := s.page(in.Limit), ""
	out := api.Withdrawals{Withdrawals: []api.Withdrawal{}}
	var after treasury.ID
	if in.After != "" {
		if err := envelope.ParseHex(after[:], in.After); err != nil {
			return out, malformed("after", err)
		}
	}
	s.Book().Withdrawals(after, func(w *treasury.Withdrawal) bool {
		if !p.take(last) {
			return false
		}
		last = w.ID.String()
		out.Withdrawals = append(out.Withdrawals, withdrawalOf(w))
		return true
	})
	out.Page = p.Page
	return out, nil
}

func withdrawalOf(w *treasury.Withdrawal) api.Withdrawal {
	return api.Withdrawal{
		ID: w.ID.String(), State: w.State.String(), Account: string(w.Account), Asset: treasury.Asset, Amount: w.Amount.String(), Payee: w.Payee,
		Reference: w.Reference, Payouts: w.Payouts, Requested: *momentOf(w.Requested), Changed: *momentOf(w.Changed),
	}
}
