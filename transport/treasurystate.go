package transport

import (
	"fmt"

	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

func momentOf(m treasury.Moment) *api.Moment {
	if m.At == 0 {
		return nil
	}
	return &api.Moment{At: m.At, Height: api.Uint64(m.Height)}
}

// due says when a treasury height is reached at the earliest.
func (s state) due(height uint64) *api.Due {
	if height == 0 {
		return nil
	}
	out := &api.Due{TreasuryHeight: api.Uint64(height)}
	if now := s.Book().Height(); !s.Book().Paused() {
		out.At = s.Now() + int64(max(height, now)-now)*int64(s.Genesis().BlockMs)
	}
	return out
}

func disbursementOf(s state, d *treasury.Disbursement) api.Disbursement {
	out := api.Disbursement{
		ID: d.ID.String(), Sequence: api.Uint64(d.Sequence), Status: d.Status.String(), Proposer: d.Proposer, Title: d.Body.Title,
		Summary: d.Body.Summary, Destination: string(d.Body.Destination), Payee: d.Body.Payee, Asset: treasury.Asset, Amount: d.Body.Amount.String(),
		Memo: d.Body.Memo, ScheduledEpoch: api.Uint64(d.Body.ScheduledEpoch), Content: treasury.ID(d.Content).String(),
		Reserved: d.Reserved, Confirmed: d.Confirmed, Proposed: momentOf(d.Proposed), Opened: momentOf(d.Opened), Queued: momentOf(d.Queued),
		Timelocked: momentOf(d.Timelocked), Executed: momentOf(d.Executed), Ended: momentOf(d.Ended), Ending: d.Ending, Due: s.due(d.Due),
		Failure: failureOf(s, d.Failure), Next: []string{}, Asked: termsOf(d.Body.Terms),
	}
	for _, dep := range d.Body.Deps {
		out.Deps = append(out.Deps, dep.String())
	}
	for _, e := range d.Body.Expected {
		out.ExpectedReceipts = append(out.ExpectedReceipts, api.ExpectedReceipt{Account: e.Account, Amount: e.Amount.String()})
	}
	if d.Opened.At != 0 {
		terms := termsOf(d.Effective)
		out.Terms = &terms
	}
	for _, t := range d.Tallies {
		out.Tallies = append(out.Tallies, api.HouseTally{
			House: t.House, Ppm: t.Ppm, Weight: api.Uint64(t.Total), Approve: api.Uint64(t.Approve), Reject: api.Uint64(t.Reject), Required: api.Uint64(t.Required()),
		})
	}
	for _, n := range d.Status.Next() {
		out.Next = append(out.Next, n.String())
	}
	if w := s.Book().Waits(d); w.For != "" {
		out.Waits = waitOf(s, d, w)
	}
	return out
}

func termsOf(t treasury.Terms) api.Terms {
	out := api.Terms{
		Quorum: []api.HouseFloor{}, VoteWindowEpochs: api.Uint64(t.VoteEpochs), TimelockEpochs: api.Uint64(t.TimelockEpochs), RollbackWindowEpochs: api.Uint64(t.RollbackEpochs),
	}
	for _, f := range t.Quorum {
		out.Quorum = append(out.Quorum, api.HouseFloor(f))
	}
	return out
}

func failureOf(s state, f treasury.Failure) *api.Failure {
	if f.Code == "" {
		return nil
	}
	remedy := f.Remedy()
	return &api.Failure{
		Code: string(f.Code), Detail: f.Detail, Subject: f.Subject, Cycle: f.Cycle(), Attempts: f.Attempts, First: f.First, Last: f.Last,
		Next: s.due(f.Next), Retries: remedy.Retries, Who: remedy.Who, Recovery: remedy.Recovery,
	}
}

// sentences say what a disbursement waits for; one that fails says so itself.
var sentences = map[string]string{
	treasury.WaitOpening:      "It is a draft: its proposer must open the vote.",
	treasury.WaitVotes:        "The vote is open: members of its houses who have not voted can.",
	treasury.WaitFunds:        "It is decided, and too little money is free: deposit into the treasury.",
	treasury.WaitDependencies: "It is decided and funded, and waits until what it depends on is finalized.",
	treasury.WaitTimelock:     "Its timelock runs: an admin can still veto it.",
	treasury.WaitConfirmation: "Its timelock is over: two admins who did not propose it must each send execute.",
	treasury.WaitWindow:       "It is executed, and can be rolled back by the admin threshold until its window is over.",
	treasury.WaitExecutor:     "It is due, and is done with one of the next ticks.",
	treasury.WaitUnpause:      "The treasury is paused: its windows stand still until the admin threshold unpauses it.",
}

func waitOf(s state, d *treasury.Disbursement, w treasury.Wait) *api.DisbursementWait {
	out := &api.DisbursementWait{For: w.For, Who: w.Who, Until: s.due(w.Until), Sentence: sentences[w.For]}
	for _, id := range w.On {
		out.On = append(out.On, id.String())
	}
	if w.For == treasury.WaitRetry {
		out.Sentence = "It cannot be executed yet: " + d.Failure.Remedy().Recovery
	}
	return out
}

// balanceInput asks for figures of the whole treasury.
type balanceInput struct {
	Freshness
	Credentials
}

func treasuryBalance(s state, _ Reader, _ *balanceInput) (api.TreasuryBalance, error) {
	return api.TreasuryBalance{Facts: s.facts(), TreasuryMoney: moneyOf(s)}, nil
}

func moneyOf(s state) api.TreasuryMoney {
	b := s.Book().Balance()
	return api.TreasuryMoney{
		Asset: treasury.Asset, Initial: b.Initial.String(), Accrued: b.Accrued.String(), Executed: b.Executed.String(),
		Compensated: b.Compensated.String(), Current: b.Current.String(), Reserved: b.Reserved.String(), Free: b.Free.String(),
		Held: b.Held.String(), Leaving: b.Leaving.String(),
	}
}

// historyInput asks for a page of epochs.
type historyInput struct {
	Freshness
	Credentials
	Before uint64 `query:"before" doc:"the next of the page before; absent for the first page"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func treasuryHistory(s state, _ Reader, in *historyInput) (api.TreasuryHistory, error) {
	p, last := s.page(in.Limit), ""
	out := api.TreasuryHistory{Epochs: []api.TreasuryFlow{}}
	s.Book().History(in.Before, func(f treasury.Flow) bool {
		if !p.take(last) {
			return false
		}
		last = decimal(f.Epoch)
		out.Epochs = append(out.Epochs, flowOf(f))
		return true
	})
	out.Page = p.Page
	return out, nil
}

func flowOf(f treasury.Flow) api.TreasuryFlow {
	return api.TreasuryFlow{
		Epoch: api.Uint64(f.Epoch), Accrued: f.Accrued.String(), Executed: f.Executed.String(), Compensated: f.Compensated.String(),
		Executions: api.Uint64(f.Executions), Current: f.Current.String(),
	}
}

func treasurySummary(s state, _ Reader, _ *balanceInput) (api.TreasurySummary, error) {
	book, balance := s.Book(), s.Book().Balance()
	out := api.TreasurySummary{
		Facts: s.facts(), TreasuryHeight: api.Uint64(book.Height()), Paused: append([]string{}, book.PausedScopes()...),
		Current: balance.Current.String(), Free: balance.Free.String(), Executor: executorOf(s),
	}
	for _, status := range treasury.Statuses() {
		n, amount := book.Count(status)
		out.Counts = append(out.Counts, api.StatusCount{Status: status.String(), Count: api.Uint64(n), Amount: amount.String()})
	}
	book.History(0, func(f treasury.Flow) bool {
		flow := flowOf(f)
		out.LastChange = &flow
		return false
	})
	return out, nil
}

func executorOf(s state) api.Executor {
	h := s.Book().Health()
	out := api.Executor{
		Overdue: api.Uint64(h.Overdue), Warning: h.Warning, Stalled: h.Stalled, LastTick: momentOf(h.LastTick), LastSuccess: momentOf(h.LastSuccess),
		Matured: api.Uint64(h.Matured), Executed: api.Uint64(h.Executed), LagMax: api.Uint64(h.LagMax), LagAverage: api.Uint64(h.LagTotal / max(h.Executed, 1)),
	}
	if h.LastError.Code != "" {
		out.LastError, out.LastFailed = fmt.Sprintf("%s %s", h.LastError.Code, h.LastError.Detail), h.LastFailed.String()
	}
	if oldest, any := s.Book().Oldest(); any {
		out.OldestAge = api.Uint64(max(s.Now()-oldest.Queued.At, 0))
	}
	return out
}

func treasuryRules(s state, _ Reader, _ *balanceInput) (api.TreasuryRules, error) {
	p := s.Book().Params()
	limit := func(v treasury.Amount) string {
		if v.IsZero() {
			return ""
		}
		return v.String()
	}
	out := api.TreasuryRules{
		Facts: s.facts(), EpochBlocks: api.Uint64(p.EpochBlocks), GraceEpochs: api.Uint64(p.GraceEpochs), EpochCap: limit(p.EpochCap),
		DestinationCap: limit(p.DestinationCap), FourEyesAbove: limit(p.FourEyesAbove), Brackets: []api.TreasuryBracket{}, Houses: []api.House{},
	}
	for _, b := range p.Brackets {
		out.Brackets = append(out.Brackets, api.TreasuryBracket{FromAmount: b.From.String(), Terms: termsOf(b.Terms)})
	}
	for _, h := range s.Book().Houses() {
		house := api.House{House: h.Name, Members: []api.HouseMember{}}
		for _, m := range h.Members {
			house.Members = append(house.Members, api.HouseMember{Principal: m.Principal, Weight: api.Uint64(m.Weight)})
		}
		out.Houses = append(out.Houses, house)
	}
	return out, nil
}
