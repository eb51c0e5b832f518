package fsm

import (
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
	"golang.org/x/mod/sumdb/tlog"
)

func (a *apply) submitReading(c *Command, key *Key, b *SubmitReading) ([]Field, *Refusal) {
	if refusal := checkBodyLane(b.Lane, b.Meter); refusal != nil {
		return nil, refusal
	}
	if refusal := a.s.checkDebt(key.Principal, b.Meter); refusal != nil {
		return nil, refusal
	}
	reading := oracle.SubmitReading{
		Market: b.Market, Meter: b.Meter, Register: b.Register, MeasuredAt: b.MeasuredAt, IssuedAt: b.IssuedAt,
		Quality: oracle.Quality(b.Quality), Supersedes: (*oracle.Identity)(b.Supersedes),
	}
	n, effects, refusal := a.s.oracle.Submit(oracleClock(a.s), key.Principal, reading, oracle.Identity(c.id))
	if refusal != nil {
		return nil, fromOracle(refusal)
	}
	a.handle(effects)
	return []Field{{"market", b.Market}, number("number", n)}, nil
}

func (a *apply) attest(key *Key, b *Attest) ([]Field, *Refusal) {
	attestation := oracle.Attestation{Market: b.Market, Rejects: b.Rejects}
	for _, r := range b.Ranges {
		attestation.Ranges = append(attestation.Ranges, oracle.Range(r))
	}
	for _, v := range b.Values {
		attestation.Values = append(attestation.Values, oracle.Value(v))
	}
	r, effects, refusal := a.s.oracle.Attest(oracleClock(a.s), key.Principal, attestation)
	if refusal != nil {
		return nil, fromOracle(refusal)
	}
	a.handle(effects)
	return []Field{
		number("counted", uint64(r.Counted)), number("late", uint64(r.Late)), number("repeated", uint64(r.Repeated)),
		number("equivocations", uint64(r.Equivocations)), number("not_in_electorate", uint64(r.NotInElectorate)),
	}, nil
}

// handle sees to the oracle floor's effects in order: due items, money,
// receipts.
func (a *apply) handle(effects []oracle.Effect) {
	for _, effect := range effects {
		switch f := effect.(type) {
		case oracle.DueExpire:
			a.s.scheduleExpiry(f.Height, f.Market, f.Number)
		case oracle.DueClose:
			a.s.schedule(f.Height, dueItem{kind: dueClose, id: f.Meter})
		case oracle.DueRelease:
			a.s.schedule(f.Height, dueItem{kind: dueRelease, id: f.Market, number: f.Settlement})
		case oracle.Closed:
			a.closed(f)
		case oracle.Settled:
			a.doneWith(f.Reading)
			a.settled(f.Settlement)
		case oracle.Released:
			a.released(f.Settlement)
		case oracle.Equivocated:
			a.receipt(KindEvidence, &EvidenceReceipt{
				ReceiptHead: a.head(KindEvidence), Market: f.Market, Oracle: f.Oracle, Number: f.Number, First: f.First, Second: f.Second,
			})
		default:
			panic(fmt.Sprintf("fsm: no rule for effect %T", effect))
		}
	}
}

// doneWith takes the expiry of a closed reading out of the queue.
func (a *apply) doneWith(r oracle.Reading) {
	a.s.due.Delete(expiryKey(r.ExpiresHeight, r.Market, r.Number))
}

func (a *apply) closed(f oracle.Closed) {
	r := f.Reading
	a.doneWith(r)
	a.receipt(KindReading, &ReadingReceipt{
		ReceiptHead: a.head(KindReading), Market: r.Market, Number: r.Number, Identity: Identity(r.Identity), Meter: r.Meter,
		Register: r.Register, MeasuredAt: r.MeasuredAt,
		Status: string(f.Status), Reason: string(f.Reason), Required: f.Required, Actual: f.Actual,
	})
}

// settled moves a new settlement's money into held accounts, or queues it
// behind the payer's earlier ones.
func (a *apply) settled(set oracle.Settlement) {
	switch {
	case set.Rehearsal:
		a.settlementReceipt(set, StatusRehearsal)
	case set.Gross.IsZero():
		a.settlementReceipt(set, StatusHeld)
	case a.s.hasReceivables(set.Payer) || a.s.ledger.Check(holdLegs(set)) != nil:
		a.s.owe(set)
		a.settlementReceipt(set, StatusReceivable)
	default:
		a.hold(set)
	}
}

// hold pays a settlement from its payer into held accounts.
func (a *apply) hold(set oracle.Settlement) {
	a.post(holdLegs(set))
	effects := a.s.oracle.Funded(set.Market, set.Number, oracleClock(a.s))
	held, _ := a.s.oracle.Settlement(set.Market, set.Number)
	a.settlementReceipt(held, StatusHeld)
	a.handle(effects)
}

// holdLegs are the transfers of a settlement; legs of nothing are left out.
func holdLegs(set oracle.Settlement) []treasury.Leg {
	return nonZero(
		treasury.Leg{From: treasury.Payer(set.Payer), To: treasury.ProviderHeld(set.Provider), Amount: set.Net},
		treasury.Leg{From: treasury.Payer(set.Payer), To: treasury.TreasuryHeld, Amount: set.Fee},
	)
}

func nonZero(legs ...treasury.Leg) []treasury.Leg {
	kept := legs[:0]
	for _, l := range legs {
		if !l.Amount.IsZero() {
			kept = append(kept, l)
		}
	}
	return kept
}

func (a *apply) settlementReceipt(set oracle.Settlement, status string) {
	hashes := make([]tlog.Hash, len(set.Readings))
	for i, id := range set.Readings {
		hashes[i] = tlog.RecordHash(id[:])
	}
	a.receipt(KindSettlement, &SettlementReceipt{
		ReceiptHead: a.head(KindSettlement), Market: set.Market, Settlement: set.Number, Status: status,
		Meter: set.Meter, Provider: set.Provider, Payer: set.Payer,
		Readings:     CitedReadings{Count: uint64(len(hashes)), From: set.FromNumber, To: set.ToNumber, Root: proof.RootOf(hashes)},
		FromRegister: set.FromRegister, ToRegister: set.ToRegister, Delta: set.Delta, Decimals: set.Decimals,
		FromMeasuredAt: set.FromMeasuredAt, ToMeasuredAt: set.ToMeasuredAt, Asset: set.Asset, UnitPrice: set.UnitPrice,
		RemainderBefore: set.RemainderBefore, RemainderAfter: set.RemainderAfter,
		Gross: set.Gross, FeeBps: set.FeeBps, Fee: set.Fee, Net: set.Net, ReleaseHeight: set.ReleaseHeight,
	})
}

// released makes a settlement's held amounts available.
func (a *apply) released(set oracle.Settlement) {
	if !set.Rehearsal {
		legs := nonZero(
			treasury.Leg{From: treasury.ProviderHeld(set.Provider), To: treasury.Provider(set.Provider), Amount: set.Net},
			treasury.Leg{From: treasury.TreasuryHeld, To: treasury.Treasury, Amount: set.Fee},
		)
		if len(legs) > 0 {
			a.post(legs)
		}
	}
	a.receipt(KindRelease, &ReleaseReceipt{
		ReceiptHead: a.head(KindRelease), Market: set.Market, Settlement: set.Number, Provider: set.Provider,
		Asset: set.Asset, Net: set.Net, Fee: set.Fee, Rehearsal: set.Rehearsal,
	})
}
