package transport

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

func (d *Door) explainSettlement(s state, name string) (api.Explanation, error) {
	market, number, err := numberedName(s, name)
	if err != nil {
		return api.Explanation{}, err
	}
	in := numberedInput{Market: market, Number: decimal(number)}
	told, err := d.settlement(s, Reader{}, &in)
	if err != nil {
		return api.Explanation{}, err
	}
	set := told.Settlement
	out := api.Explanation{
		Status: set.Status, Settlement: &set,
		Related: []string{
			api.KindReading + "/" + fsm.NumberKey(market, uint64(set.LastReading)),
			api.KindMeter + "/" + set.Meter, api.KindProvider + "/" + set.Provider,
		},
		Sentence: fmt.Sprintf("Settlement %s of %s, %s %s net to %s and %s fee, ", name, set.Meter, group(set.Net), set.Asset, set.Provider, group(set.Fee)),
	}
	if live, open := s.Oracle().Settlement(market, number); open {
		w, err := d.settlementWait(s, live)
		if err != nil {
			return out, err
		}
		out.Waits, out.Sentence = append(out.Waits, w), out.Sentence+w.Sentence
	} else {
		out.Sentence += "is released: the net is available to " + set.Provider
		if set.Rehearsal {
			out.Sentence = fmt.Sprintf("Settlement %s of %s was a rehearsal and is over: no money moved", name, set.Meter)
		}
	}
	d.awaitFinality(s, &out, uint64(set.Receipts[len(set.Receipts)-1].Leaf))
	return out, nil
}

// settlementWait says what a settlement waits for that is not released.
func (d *Door) settlementWait(s state, set oracle.Settlement) (api.Wait, error) {
	if set.ReleaseHeight > 0 {
		w := s.until(api.Wait{For: api.WaitWindow, Who: []string{}}, set.ReleaseHeight, "its amounts become available, with a receipt")
		w.Sentence = fmt.Sprintf("is held until height %d (%s), because the dispute window must end first; nobody has to act", set.ReleaseHeight, s.inBlocks(set.ReleaseHeight))
		if set.Rehearsal {
			w.Then = "it is over, with a receipt; no money moves"
			w.Sentence = fmt.Sprintf("is a rehearsal until height %d (%s): everything runs and no money moves", set.ReleaseHeight, s.inBlocks(set.ReleaseHeight))
		}
		return w, nil
	}
	// What is owed before it is at most all that is open.
	_, settlements := s.Oracle().Open()
	if err := d.walk(s.asker, settlements); err != nil {
		return api.Wait{}, err
	}
	return fundsWait(s, set), nil
}

// fundsWait says how much its payer lacks. Receivables are paid in order, each
// whole, so those before it must be paid first.
func fundsWait(s state, set oracle.Settlement) api.Wait {
	need := new(big.Int) // in no account, so nothing bounds it to 128 bits
	before := uint64(0)
	s.Receivables(set.Payer, func(market string, number uint64) bool {
		other, _ := s.Oracle().Settlement(market, number)
		need.Add(need, other.Gross.Big())
		if market == set.Market && number == set.Number {
			return false
		}
		before++
		return true
	})
	account := treasury.Payer(set.Payer)
	row, _ := s.Ledger().Account(account)
	have, _ := row.Balance()
	short := new(big.Int).Sub(need, have.Big())
	if short.Sign() < 0 {
		short.SetInt64(0)
	}
	w := api.Wait{
		For: api.WaitFunds, Who: adminsOf(s), Unit: set.Asset, Need: need.String(), Have: have.String(), Short: short.String(),
		Do: fmt.Sprintf("book a deposit to %s: %d admins sign it", account, s.Genesis().AdminThreshold),
	}
	if short.Sign() == 0 {
		w.Who, w.Do = []string{}, ""
		w.Sentence = fmt.Sprintf("is receivable: %s has the money by now, and the next entries pay %s", account, several(before+1, "settlement"))
		return w
	}
	w.Sentence = fmt.Sprintf("is receivable because payer %s is unfunded: short by %s %s", set.Payer, group(short.String()), set.Asset)
	if before > 0 {
		w.Sentence += fmt.Sprintf(", %s before it included", several(before, "settlement"))
	}
	w.Sentence += fmt.Sprintf("; a deposit to %s, signed by %d admins, ends that", account, s.Genesis().AdminThreshold)
	return w
}

// maxNamed bounds how many principals an explanation lists.
const maxNamed = 64

// adminsOf lists the admins who can sign now.
func adminsOf(s state) []string {
	admins := []string{}
	s.Principals("", func(p fsm.Principal) bool {
		if p.Role == genesis.RoleAdmin && s.LiveKeys(p.Name, p.Role) > 0 {
			admins = append(admins, p.Role+"/"+p.Name)
		}
		return len(admins) < maxNamed
	})
	return admins
}

func (d *Door) explainProvider(s state, name string) (api.Explanation, error) {
	p, known := s.Oracle().Provider(name)
	if !known {
		return api.Explanation{}, missing(oracle.KindProvider, name)
	}
	statement, err := d.statementOf(s, p, cursor{}, 0)
	if err != nil {
		return api.Explanation{}, err
	}
	out := api.Explanation{Status: "active", Provider: &api.Provider{Provider: p.ID, Active: p.Active}}
	if !p.Active {
		out.Status = "inactive"
	}
	t := statement.Totals
	out.Sentence = fmt.Sprintf("Provider %s is %s; %s %s available, %s held until dispute windows end, %s receivable from unfunded payers (GET /v1/providers/%s/statement has the lines)",
		name, out.Status, group(t.Available), statement.Asset, group(t.Held), group(t.Receivable), name)
	for _, m := range statement.Markets {
		if m.NextRelease != nil {
			w := s.until(api.Wait{For: api.WaitWindow, Who: []string{}, Unit: statement.Asset, Have: m.Held}, uint64(*m.NextRelease), "the first of its held settlements in this market is released")
			w.Sentence = fmt.Sprintf("market %s holds %s of it, the first until height %d (%s)", m.Market, group(m.Held), *m.NextRelease, s.inBlocks(uint64(*m.NextRelease)))
			out.Waits = append(out.Waits, w)
		}
	}
	if s.LiveKeys(name, genesis.RoleProvider) == 0 {
		out.Sentence += "; it has no live key and cannot send readings until the committee registers one"
	}
	return out, nil
}

func (d *Door) explainMeter(s state, name string) (api.Explanation, error) {
	m, known := s.Oracle().Meter(name)
	if !known {
		return api.Explanation{}, missing(oracle.KindMeter, name)
	}
	shown := meterOf(s, m)
	provider := api.KindProvider + "/" + m.Provider
	out := api.Explanation{Status: "idle", Meter: &shown, Related: []string{provider}}
	parts := []string{fmt.Sprintf("Meter %s of provider %s, paid by %s in market %s,", name, m.Provider, m.Payer, m.Market)}
	if !m.HasBase {
		parts = append(parts, "has no baseline yet: its first reading becomes one and credits nothing")
	} else {
		parts = append(parts, fmt.Sprintf("is settled up to register %s", registerText(m.BaseRegister, m.Decimals)+" "+unitOf(s, m.Market)))
	}
	if head, open := headOf(s, m); open {
		out.Status = "open"
		object := api.KindReading + "/" + fsm.NumberKey(head.Market, head.Number)
		out.Related = append(out.Related, object)
		inner := explainLive(s, head)
		for _, w := range inner.Waits {
			w.Object = object
			out.Waits = append(out.Waits, w)
		}
		parts = append(parts, fmt.Sprintf("and has %s: %s", several(uint64(m.Pending), "open reading"), lowered(inner.Sentence)))
		out.Sentence = strings.Join(parts, " ")
		return out, nil
	}
	w := api.Wait{For: api.WaitReading, Who: []string{provider}, Do: "send a reading"}
	w.Sentence = fmt.Sprintf("waits for a reading by %s", m.Provider)
	if m.HasBase {
		if late := s.Now() - m.BaseMeasuredAt - m.IntervalMs; late > 0 {
			out.Status = "overdue"
			w.Sentence += fmt.Sprintf(", expected %s ago", span(time.Duration(late)*time.Millisecond))
		} else {
			w.Sentence += fmt.Sprintf(", expected in %s", span(time.Duration(-late)*time.Millisecond))
		}
	}
	out.Waits = append(out.Waits, w)
	out.Sentence = strings.Join(append(parts, "and "+w.Sentence), " ")
	return out, nil
}

// headOf is the open reading of a meter that was measured first.
func headOf(s state, m oracle.Meter) (head oracle.Reading, open bool) {
	s.Oracle().PendingOfMeter(m.ID, func(r oracle.Reading) bool {
		head, open = r, true
		return false
	})
	return head, open
}

func lowered(sentence string) string { return strings.ToLower(sentence[:1]) + sentence[1:] }

// registerText writes a register in whole units.
func registerText(units uint64, decimals uint8) string {
	digits := decimal(units)
	if decimals == 0 {
		return group(digits)
	}
	if short := int(decimals) + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	point := len(digits) - int(decimals)
	return group(digits[:point]) + "." + digits[point:]
}

func unitOf(s state, market string) string {
	m, _ := s.Oracle().Market(market)
	return m.Unit
}
