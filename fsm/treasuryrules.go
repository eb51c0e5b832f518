package fsm

import (
	"strings"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/treasury"
)

// maxReason bounds the one line that says why somebody vetoes, pauses or rolls back.
const maxReason = 256

func treasuryClock(s *state) treasury.Clock {
	return treasury.Clock{Now: s.clock.now, Height: s.clock.height}
}

func checkReason(reason string) *Refusal {
	if !genesis.PlainText(reason, maxReason) {
		return refuse(MalformedPayload, Field{"field", "reason"}, Field{"reason", "out_of_range"})
	}
	return nil
}

// body turns a payload into the treasury's own form. Texts are what people can read
// as it is.
func (b *DisbursementBody) body() (treasury.Body, *Refusal) {
	for _, text := range []struct {
		name  string
		plain bool
	}{
		{"title", genesis.PlainText(b.Title, treasury.MaxTitle)},
		{"summary", genesis.PlainLines(b.Summary, treasury.MaxSummary)},
		{"memo", genesis.PlainLines(b.Memo, treasury.MaxMemo)},
		{"payee", genesis.PlainLines(b.Payee, treasury.MaxPayee)},
	} {
		if !text.plain {
			return treasury.Body{}, refuse(MalformedPayload, Field{"field", text.name}, Field{"reason", "out_of_range"})
		}
	}
	out := treasury.Body{
		Title: b.Title, Summary: b.Summary, Destination: treasury.AccountID(b.Destination), Payee: b.Payee,
		Amount: b.Amount, Memo: b.Memo, ScheduledEpoch: b.ScheduledEpoch,
		Terms: treasury.Terms{
			Quorum: floors(b.Quorum), VoteEpochs: b.VoteWindowEpochs, TimelockEpochs: b.TimelockEpochs, RollbackEpochs: b.RollbackWindowEpochs,
		},
	}
	for _, dep := range b.Deps {
		out.Deps = append(out.Deps, treasury.ID(dep))
	}
	for _, e := range b.ExpectedReceipts {
		if !genesis.PlainText(e.Account, maxReference) {
			return out, refuse(MalformedPayload, Field{"field", "expected_receipts"}, Field{"reason", "out_of_range"})
		}
		out.Expected = append(out.Expected, treasury.Expected(e))
	}
	return out, nil
}

// Content is the hash of the body, which votes name.
func (b *DisbursementBody) Content() ([32]byte, *Refusal) {
	body, refusal := b.body()
	if refusal != nil {
		return [32]byte{}, refusal
	}
	return body.Content(), nil
}

func floors(in []genesis.Floor) (out []treasury.Floor) {
	for _, f := range in {
		out = append(out, treasury.Floor(f))
	}
	return out
}

// treasuryParams turns genesis' form of the rules into the treasury's.
func treasuryParams(t genesis.Treasury, epochBlocks uint64) treasury.Params {
	p := treasury.Params{
		EpochBlocks: epochBlocks, GraceEpochs: t.GraceEpochs,
		EpochCap: t.EpochCap, DestinationCap: t.DestinationCap, FourEyesAbove: t.FourEyesAbove,
	}
	for _, b := range t.Brackets {
		p.Brackets = append(p.Brackets, treasury.Bracket{From: b.FromAmount, Terms: treasury.Terms{
			Quorum: floors(b.Quorum), VoteEpochs: b.VoteWindowEpochs, TimelockEpochs: b.TimelockEpochs, RollbackEpochs: b.RollbackWindowEpochs,
		}})
	}
	return p
}

func treasuryHouse(h genesis.House) treasury.House {
	out := treasury.House{Name: h.House}
	for _, m := range h.Members {
		out.Members = append(out.Members, treasury.Member(m))
	}
	return out
}

func (a *apply) propose(c *Command, key *Key, b *Propose) ([]Field, *Refusal) {
	body, refusal := b.body()
	if refusal != nil {
		return nil, refusal
	}
	return a.took(a.s.book.Propose(treasuryClock(a.s), key.Principal, treasury.ID(c.id), body))
}

func (a *apply) amend(key *Key, b *Amend) ([]Field, *Refusal) {
	body, refusal := b.body()
	if refusal != nil {
		return nil, refusal
	}
	return a.took(a.s.book.Amend(treasuryClock(a.s), key.Principal, b.Disbursement, body))
}

func (a *apply) open(key *Key, b *Open) ([]Field, *Refusal) {
	return a.took(a.s.book.Open(treasuryClock(a.s), key.Principal, b.Disbursement))
}

func (a *apply) cancel(key *Key, b *Cancel) ([]Field, *Refusal) {
	return a.took(a.s.book.Cancel(treasuryClock(a.s), key.Principal, b.Disbursement))
}

func (a *apply) vote(key *Key, b *Vote) ([]Field, *Refusal) {
	if b.Verdict != VerdictApprove && b.Verdict != VerdictReject {
		return nil, refuse(MalformedPayload, Field{"field", "verdict"}, Field{"reason", "unsupported"})
	}
	return a.took(a.s.book.Vote(treasuryClock(a.s), key.Principal, b.Disbursement, b.Content, b.Verdict == VerdictApprove))
}

func (a *apply) queue(b *Queue) ([]Field, *Refusal) {
	effects, refused := a.s.book.Queue(a.s.ledger, treasuryClock(a.s), b.Disbursement)
	return a.tried(b.Disbursement, effects, refused)
}

func (a *apply) executeNow(key *Key, b *Execute) ([]Field, *Refusal) {
	effects, refused := a.s.book.Execute(a.s.ledger, treasuryClock(a.s), key.Principal, b.Disbursement)
	return a.tried(b.Disbursement, effects, refused)
}

func (a *apply) veto(key *Key, b *Veto) ([]Field, *Refusal) {
	if refusal := checkReason(b.Reason); refusal != nil {
		return nil, refusal
	}
	return a.took(a.s.book.Veto(a.s.ledger, treasuryClock(a.s), key.Principal, b.Disbursement, b.Reason))
}

// rollback takes an executed disbursement back.
func (a *apply) rollback(signers []string, b *Rollback) ([]Field, *Refusal) {
	if refusal := checkReason(b.Reason); refusal != nil {
		return nil, refusal
	}
	return a.took(a.s.book.Rollback(a.s.ledger, treasuryClock(a.s), by(signers), b.Disbursement, b.Reason))
}

// by names who acted together.
func by(signers []string) string { return strings.Join(signers, ",") }

func (a *apply) pause(c *Command, key *Key, b *Pause) ([]Field, *Refusal) {
	if refusal := checkReason(b.Reason); refusal != nil {
		return nil, refusal
	}
	if refusal := a.s.book.Pause(b.Scope); refusal != nil {
		return nil, fromTreasury(refusal)
	}
	a.receipt(KindPause, &PauseReceipt{
		ReceiptHead: a.head(KindPause), Identity: c.id, Scope: b.Scope, By: key.Principal, Reason: b.Reason, TreasuryHeight: a.s.book.Height(),
	})
	return []Field{{"scope", b.Scope}, number("treasury_height", a.s.book.Height())}, nil
}

func (a *apply) unpause(b *Unpause) ([]Field, *Refusal) {
	if len(a.s.alarms) > 0 {
		return nil, refuse(Paused, Field{"scope", treasury.ScopeAll}, Field{"alarm", a.s.alarms[0]})
	}
	if refusal := a.s.book.Unpause(b.Scope); refusal != nil {
		return nil, fromTreasury(refusal)
	}
	return []Field{{"scope", b.Scope}, number("treasury_height", a.s.book.Height())}, nil
}

func (a *apply) setHouse(b *SetHouse) ([]Field, *Refusal) {
	who, ok := b.House.Voters(func(principal string) string {
		p, _ := a.s.principals.Get(principal)
		return p.Role
	})
	if !ok {
		return nil, refuse(NotFound, Field{"kind", "voter"}, Field{"id", clip(who)})
	}
	if refusal := a.s.book.SetHouse(treasuryHouse(b.House)); refusal != nil {
		return nil, fromTreasury(refusal)
	}
	return []Field{{"house", b.House.House}, number("members", uint64(len(b.Members)))}, nil
}

func (a *apply) setTreasury(b *SetTreasury) ([]Field, *Refusal) {
	if least := a.s.genesis.LeastTreasuryWindow(); b.Treasury.ShortestWindow() < least {
		return nil, refuse(LimitExceeded, Field{"limit", "treasury_windows"}, number("min", least))
	}
	if refusal := a.s.book.SetParams(treasuryParams(b.Treasury, a.s.genesis.EpochBlocks)); refusal != nil {
		return nil, fromTreasury(refusal)
	}
	return []Field{number("brackets", uint64(len(b.Brackets))), number("grace_epochs", b.GraceEpochs)}, nil
}

// ownAccount is the account whose money a principal may withdraw.
func ownAccount(key *Key) (treasury.AccountID, bool) {
	switch key.Role {
	case genesis.RoleProvider:
		return treasury.Provider(key.Principal), true
	case genesis.RolePayer:
		return treasury.Payer(key.Principal), true
	}
	return "", false
}

// withdraw asks for a provider's or a payer's money to leave. Who owes settlements
// pays them first.
func (a *apply) withdraw(c *Command, key *Key, b *Withdraw) ([]Field, *Refusal) {
	account, owns := ownAccount(key)
	if !owns {
		return nil, refuse(Unauthorized, Field{"key", key.ID.String()}, Field{"role", key.Role}, Field{"scope", scopeWithdraw})
	}
	if !genesis.PlainLines(b.Payee, treasury.MaxPayee) {
		return nil, refuse(MalformedPayload, Field{"field", "payee"}, Field{"reason", "out_of_range"})
	}
	if key.Role == genesis.RolePayer && a.s.hasReceivables(key.Principal) {
		return nil, refuse(InsufficientFunds, Field{"account", string(account)}, Field{"reason", "receivables"})
	}
	return a.took(a.s.book.Withdraw(a.s.ledger, treasuryClock(a.s), key.Principal, treasury.ID(c.id), account, b.Amount, b.Payee))
}

func (a *apply) cancelWithdrawal(key *Key, b *CancelWithdrawal) ([]Field, *Refusal) {
	account, _ := ownAccount(key)
	return a.took(a.s.book.Recall(a.s.ledger, treasuryClock(a.s), key.Principal, b.Withdrawal, account))
}

func (a *apply) payout(signers []string, b *Payout) ([]Field, *Refusal) {
	if !genesis.PlainText(b.Reference, treasury.MaxReference) {
		return nil, refuse(MalformedPayload, Field{"field", "reference"}, Field{"reason", "out_of_range"})
	}
	return a.took(a.s.book.Payout(treasuryClock(a.s), by(signers), b.Withdrawal, b.Reference))
}

func (a *apply) recordPayout(signers []string, b *RecordPayout) ([]Field, *Refusal) {
	results := map[string]treasury.WithdrawalState{"paid": treasury.Paid, "failed": treasury.Failed, "unknown": treasury.Unknown}
	result, known := results[b.Result]
	if !known {
		return nil, refuse(MalformedPayload, Field{"field", "result"}, Field{"reason", "unsupported"})
	}
	return a.took(a.s.book.RecordPayout(a.s.ledger, treasuryClock(a.s), by(signers), b.Withdrawal, clip(b.Reference), result))
}
