package fsm

import (
	"strings"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// MaxMetersPerCommand bounds register_meters, so that it fits its work units.
const MaxMetersPerCommand = 256

// registerMeters registers all the meters, or none of them.
func (a *apply) registerMeters(b *RegisterMeters) ([]Field, *Refusal) {
	if len(b.Meters) == 0 || len(b.Meters) > MaxMetersPerCommand {
		return nil, refuse(LimitExceeded, Field{"limit", "meters_per_command"}, number("max", MaxMetersPerCommand))
	}
	// The floor judges one meter after another, so a copy takes them first.
	trial := a.s.oracle.Copy()
	for _, row := range b.Meters {
		if p, known := a.s.principals.Get(row.Payer); !known || p.Role != genesis.RolePayer {
			return nil, refuse(NotFound, Field{"kind", "payer"}, Field{"id", clip(row.Payer)})
		}
		refusal := trial.AddMeter(oracle.Meter{
			ID: row.Meter, Market: b.Market, Provider: row.Provider, Payer: row.Payer,
			Capacity: row.Capacity, IntervalMs: row.IntervalMs, Decimals: row.Decimals,
		})
		if refusal != nil {
			return nil, fromOracle(refusal)
		}
	}

	a.s.oracle = trial
	return []Field{{"market", b.Market}, number("meters", uint64(len(b.Meters)))}, nil
}

// rebaseMeter starts a meter's register anew. A base in the future would close the
// meter to every reading until then.
func (a *apply) rebaseMeter(b *RebaseMeter) ([]Field, *Refusal) {
	if b.MeasuredAt > a.s.clock.now+maxAheadMs {
		return nil, refuse(TimestampSkew, millis("now", a.s.clock.now), millis("measured_at", b.MeasuredAt))
	}
	if refusal := a.s.oracle.RebaseMeter(b.Meter, b.Register, b.MeasuredAt, b.Reason); refusal != nil {
		return nil, fromOracle(refusal)
	}
	return []Field{{"meter", b.Meter}, number("register", b.Register), {"reason", b.Reason}}, nil
}

func (a *apply) setOracleWeight(b *SetOracleWeight) ([]Field, *Refusal) {
	if p, known := a.s.principals.Get(b.Oracle); !known || p.Role != genesis.RoleOracle {
		return nil, refuse(NotFound, Field{"kind", "oracle"}, Field{"id", clip(b.Oracle)})
	}
	if refusal := a.s.oracle.SetOracleWeight(b.OracleWeight.Market, b.Oracle, b.Weight); refusal != nil {
		return nil, fromOracle(refusal)
	}
	return []Field{{"market", b.OracleWeight.Market}, {"oracle", b.Oracle}, number("weight", b.Weight)}, nil
}

// setMarket adds a market that is new at once, and replaces the row of a known
// one from the activation epoch on.
func (a *apply) setMarket(b *SetMarket) ([]Field, *Refusal) {
	row := b.Market
	facts := []Field{{"market", row.Market}, number("activation_epoch", b.ActivationEpoch)}
	if least := a.s.genesis.LeastDisputeWindow(); row.DisputeWindowBlocks < least {
		return nil, refuse(LimitExceeded, Field{"limit", "dispute_window_blocks"}, number("min", least))
	}
	if old, known := a.s.oracle.Market(row.Market); known {
		if old.Asset != row.Asset {
			return nil, refuse(InvalidTarget, Field{"reason", "asset"}, Field{"asset", old.Asset})
		}
		refusal := a.s.oracle.ScheduleMarket(oracleMarket(row), b.ActivationEpoch, a.s.epoch())
		return facts, fromOracle(refusal)
	}
	if row.Asset != defaultAsset {
		return nil, refuse(InvalidTarget, Field{"reason", "asset"}, Field{"asset", defaultAsset})
	}
	if refusal := a.s.oracle.AddMarket(oracleMarket(row)); refusal != nil {
		return nil, fromOracle(refusal)
	}
	return []Field{{"market", row.Market}, number("activation_epoch", a.s.epoch())}, nil
}

// isHeld tells the accounts that only rules pay into and out of.
func isHeld(id treasury.AccountID) bool { return strings.HasSuffix(string(id), "/held") }

// maxReference bounds the text that names a deposit outside.
const maxReference = 128

// deposit brings money in from outside. A reference counts once for ever, so
// a bank statement entered twice pays in once.
func (a *apply) deposit(b *Deposit) ([]Field, *Refusal) {
	if !genesis.PlainText(b.Reference, maxReference) {
		return nil, refuse(MalformedPayload, Field{"field", "reference"}, Field{"reason", "out_of_range"})
	}
	if _, used := a.s.references.Get(b.Reference); used {
		return nil, refuse(InvalidTransition, Field{"reference", b.Reference}, Field{"current", "deposited"}, Field{"allowed", "none"})
	}
	target := treasury.AccountID(b.Account)
	if target.IsExternal() {
		return nil, refuse(InvalidTarget, Field{"reason", "external"}, Field{"account", clip(b.Account)})
	}
	if isHeld(target) {
		return nil, refuse(InvalidTarget, Field{"reason", "held"}, Field{"account", clip(b.Account)})
	}
	if _, open := a.s.ledger.Account(target); open && !target.Spendable() {
		return nil, refuse(InvalidTarget, Field{"reason", "not_spendable"}, Field{"account", clip(b.Account)})
	}
	legs := []treasury.Leg{{From: treasury.External(b.Asset), To: target, Amount: b.Amount}}
	if refusal := a.s.ledger.Check(legs); refusal != nil {
		return nil, fromTreasury(refusal)
	}

	a.post(legs)
	a.s.references.Set(b.Reference, struct{}{})
	return []Field{{"account", b.Account}, {"asset", b.Asset}, {"amount", b.Amount.String()}, {"reference", b.Reference}}, nil
}

// post moves money, sees to what that asks for, and tells the treasury of what it got.
func (a *apply) post(legs []treasury.Leg) {
	a.s.ledger.Post(legs)
	a.touch(legs)
	for _, l := range legs {
		if l.To == treasury.Treasury {
			a.s.book.Accrue(treasuryClock(a.s), l.Amount)
		}
	}
}
