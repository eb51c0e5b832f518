package oracle

import (
	"errors"
	"fmt"
	"math/bits"

	"lukechampine.com/uint128"
)

func loadReading(s *State, r *reader) error {
	market, sub := r.id(), &submission{number: r.u64(), identity: r.identity()}
	meterID := r.id()
	sub.register, sub.measuredAt, sub.issuedAt = r.u64(), r.i64(), r.i64()
	sub.acceptedAt, sub.acceptedHeight, sub.expires, sub.electorate = r.i64(), r.u64(), r.u64(), r.u64()
	sub.quality = Quality{r.string(), r.string()}
	row := liveRow{sub: sub, accept: r.u64(), reject: r.u64(), decided: r.bool(), said: r.testimony()}
	b, err := s.inBook(r, market, sub.number, "")
	if err != nil {
		return err
	}
	meter, ok := s.meters.Get(meterID)
	if !ok || meter.spec.market != market {
		return fmt.Errorf("meter %s is not of the market", meterID)
	}
	if err := b.checkSubmission(sub, meter); err != nil {
		return err
	}
	if err := b.checkVotes(row); err != nil {
		return err
	}
	moment := momentKey(meterID, sub.measuredAt)
	if _, taken := s.waiting.Get(moment); taken {
		return errors.New("its moment is taken")
	}
	sub.meter = meter.spec
	b.live.Set(sub.number, row)
	s.waiting.Set(moment, sub.number)
	meter.pending++
	s.meters.Set(meterID, meter)
	b.engage(sub.electorate)
	return nil
}

// checkSubmission says whether a reading could have been taken in as it is.
func (b *book) checkSubmission(sub *submission, meter meterRow) error {
	if sub.number < 1 || sub.number > b.lastNumber {
		return fmt.Errorf("number %d is not between 1 and %d", sub.number, b.lastNumber)
	}
	if b.inWindow(sub.number) {
		run := b.identities.run(sub.number, sub.number, b.lastNumber)
		if run == nil || run[0] != sub.identity {
			return fmt.Errorf("number %d has another identity", sub.number)
		}
	}
	if sub.measuredAt < 0 || sub.measuredAt > maxUnixMs || meter.hasBase && sub.measuredAt <= meter.baseMeasuredAt {
		return fmt.Errorf("measured at %d is out of range", sub.measuredAt)
	}
	if sub.expires <= sub.acceptedHeight || sub.expires-sub.acceptedHeight > maxBlocks {
		return fmt.Errorf("accepted at height %d, it expires at %d", sub.acceptedHeight, sub.expires)
	}
	if !validQualityWord(sub.quality.ClockSync) || !validQualityWord(sub.quality.MeterStatus) {
		return errors.New("quality is malformed")
	}
	return nil
}

// checkVotes says whether a reading's votes could have been counted and have
// had the consequence they must have.
func (b *book) checkVotes(row liveRow) error {
	e, ok := b.electorates.Get(row.sub.electorate)
	if !ok || e.Total == 0 {
		return fmt.Errorf("electorate %d is not kept", row.sub.electorate)
	}
	voted := row.accept | row.reject
	if bits.Len64(voted) > len(e.Members) || row.accept&row.reject != 0 {
		return errors.New("votes are not those of its electorate")
	}
	if row.decided != (e.weigh(row.accept) >= e.Required) || e.Total-e.weigh(row.reject) < e.Required {
		return errors.New("votes and state disagree")
	}
	if row.said == nil {
		return nil
	}
	if row.said.equivocal&^voted != 0 {
		return errors.New("somebody equivocated who has not voted")
	}
	var seen uint64
	for _, v := range row.said.values {
		if v.Member >= MaxOracles || voted&^seen&(1<<v.Member) == 0 {
			return errors.New("an observed value is nobody's")
		}
		seen |= 1 << v.Member
	}
	return nil
}

func loadSettlement(s *State, r *reader) error {
	set := r.settlement()
	b, err := s.inBook(r, set.Market, set.Number, "")
	if err != nil {
		return err
	}
	if set.Number < 1 || set.Number > b.lastSettlement {
		return fmt.Errorf("number %d is not between 1 and %d", set.Number, b.lastSettlement)
	}
	if set.FromNumber < 1 || set.FromNumber > set.ToNumber || set.ToNumber > b.lastNumber {
		return fmt.Errorf("numbers %d to %d are not between 1 and %d", set.FromNumber, set.ToNumber, b.lastNumber)
	}
	if meter, ok := s.meters.Get(set.Meter); !ok || meter.spec.market != set.Market {
		return fmt.Errorf("meter %s is not of the market", set.Meter)
	}
	if err := set.check(); err != nil {
		return err
	}
	b.settlements.Set(set.Number, set)
	return nil
}

// settlement reads what imageSettlements wrote.
func (r *reader) settlement() *Settlement {
	set := &Settlement{Market: r.id(), Number: r.u64(), Meter: r.id(), Provider: r.id(), Payer: r.id(), Asset: r.string()}
	for range r.u16() {
		if r.err != nil {
			break
		}
		set.Readings = append(set.Readings, r.identity())
	}
	set.FromNumber, set.ToNumber = r.u64(), r.u64()
	set.FromRegister, set.ToRegister, set.Delta = r.u64(), r.u64(), r.u64()
	set.FromMeasuredAt, set.ToMeasuredAt = r.i64(), r.i64()
	set.UnitPrice, set.RemainderBefore, set.RemainderAfter = r.u64(), r.u64(), r.u64()
	set.Height, set.ReleaseHeight = r.u64(), r.u64()
	set.Gross, set.Fee, set.Net = r.amount(), r.amount(), r.amount()
	set.Decimals, set.FeeBps, set.Rehearsal = r.u8(), r.u32(), r.bool()
	return set
}

func (r *reader) amount() Amount {
	hi, lo := r.u64(), r.u64()
	return uint128.New(lo, hi)
}

// check works the money out again.
func (set *Settlement) check() error {
	if !validAsset(set.Asset) || set.Decimals > MaxDecimals || set.FeeBps > wholeBps || len(set.Readings) == 0 {
		return errors.New("a term is out of range")
	}
	if set.RemainderBefore >= powersOfTen[set.Decimals] || set.FromRegister > set.ToRegister || set.Delta != set.ToRegister-set.FromRegister {
		return errors.New("its registers do not add up")
	}
	whole, rest := gross(set.Delta, set.UnitPrice, set.RemainderBefore, set.Decimals)
	if whole != set.Gross || rest != set.RemainderAfter || fee(whole, set.FeeBps) != set.Fee || set.Gross.Sub(set.Fee) != set.Net {
		return errors.New("its money does not add up")
	}
	return nil
}
