package transport

import (
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

func (d *Door) explainReading(s state, name string) (api.Explanation, error) {
	market, number, err := numberedName(s, name)
	if err != nil {
		return api.Explanation{}, err
	}
	if r, live := s.Oracle().Reading(market, number); live {
		return explainLive(s, r), nil
	}
	closed, err := d.closedReading(s, market, number)
	if err != nil {
		return api.Explanation{}, err
	}
	out := api.Explanation{
		Status: closed.Status, Reading: &closed, Related: []string{api.KindMeter + "/" + closed.Meter},
		Sentence: fmt.Sprintf("Reading %s of %s is %s", name, closed.Meter, closedWords(closed)),
	}
	switch b := bodyOf(closed.Receipt).(type) {
	case *fsm.SettlementReceipt:
		settlement := api.KindSettlement + "/" + fsm.NumberKey(b.Market, b.Settlement)
		out.Related = append(out.Related, settlement)
		out.Sentence += fmt.Sprintf(" by %s: %s %s gross, %s of it fee", settlement, group(b.Gross.String()), b.Asset, group(b.Fee.String()))
	case *fsm.ReadingReceipt:
		if b.Status == string(oracle.QuorumFailed) {
			out.Sentence += fmt.Sprintf(": %d of the weight %d that it needed had accepted it in time", b.Actual, b.Required)
		}
	}
	d.awaitFinality(s, &out, uint64(closed.Receipt.Leaf))
	return out, nil
}

// bodyOf reads the body of a receipt that was read before.
func bodyOf(r *api.Receipt) any {
	_, body, err := fsm.ParseReceipt(r.Body)
	if err != nil {
		panic("transport: a receipt that was read cannot be read")
	}
	return body
}

// closedWords says how a reading closed.
func closedWords(r api.Reading) string {
	switch oracle.Status(r.Status) {
	case oracle.Baseline:
		return "its meter's baseline: it credits nothing, the next one counts from here"
	case oracle.Superseded:
		return "superseded by a later one of the same moment"
	case oracle.QuorumFailed:
		return "closed by QuorumFailed and credits nothing; its meter's base is as before, so the next reading covers its time too"
	case oracle.Rejected:
		return "rejected (" + rejectedFor[oracle.Reason(r.Reason)] + ") and credits nothing; its meter's base is as before"
	}
	return r.Status
}

var rejectedFor = map[oracle.Reason]string{
	oracle.Outvoted:     "outvoted by its oracles",
	oracle.Decreasing:   "its register is below the meter's base",
	oracle.OverCapacity: "more than the meter can count in that time",
	oracle.Deviation:    "too far from what oracles observed themselves",
}

// explainLive says what a reading waits for that is not closed yet.
func explainLive(s state, r oracle.Reading) api.Explanation {
	shown := liveReading(s, r)
	name := fsm.NumberKey(r.Market, r.Number)
	out := api.Explanation{
		Status: r.State.String(), Reading: &shown,
		Related: []string{api.KindTally + "/" + name, api.KindMeter + "/" + r.Meter, api.KindCommand + "/" + r.Identity.String()},
	}
	var parts []string
	if r.State == oracle.ReadingPending {
		w := quorumWait(s, r)
		out.Waits, parts = append(out.Waits, w), append(parts, w.Sentence)
	}
	if w, behind := earlierWait(s, r); behind {
		out.Waits, out.Related = append(out.Waits, w), append(out.Related, w.Object)
		parts = append(parts, w.Sentence)
	} else if r.State == oracle.ReadingAccepted {
		// Its meter is being closed in portions, by due items.
		parts = append(parts, "is closed by the next entry")
	}
	if r.State == oracle.ReadingAccepted {
		parts[0] = "has its quorum and " + parts[0]
	}
	out.Sentence = fmt.Sprintf("Reading %s of %s %s", name, r.Meter, strings.Join(parts, "; then it "))
	return out
}

// quorumWait is the wait of a reading for votes.
func quorumWait(s state, r oracle.Reading) api.Wait {
	sheet := sheetOf(s, r)
	var who, missing []string
	for _, m := range sheet.Members {
		if m.Vote != voteMissing {
			continue
		}
		text := m.Oracle
		if m.Silent == "" {
			who = append(who, genesis.RoleOracle+"/"+m.Oracle)
		} else {
			text += " (" + m.Silent + ")"
		}
		missing = append(missing, text)
	}
	accept, required := uint64(sheet.Accept), uint64(sheet.Required)
	w := api.Wait{
		For: api.WaitQuorum, Who: who, Do: "attest to it", Unit: "weight",
		Need: decimal(required), Have: decimal(accept), Short: decimal(required - min(required, accept)),
	}
	w = s.until(w, r.ExpiresHeight, "QuorumFailed: it closes and credits nothing; the meter's base stays as it is")
	w.Sentence = fmt.Sprintf("waits for weight %s ppm of electorate %d: accepted %s", group(decimal(uint64(sheet.ThresholdPpm))), r.Electorate, group(ppm(accept, uint64(sheet.Total))))
	if sheet.Reject > 0 {
		w.Sentence += ", rejected " + group(ppm(uint64(sheet.Reject), uint64(sheet.Total)))
	}
	if len(missing) > 0 {
		w.Sentence += ", missing " + strings.Join(missing, ", ")
	}
	w.Sentence += fmt.Sprintf("; expires %s, QuorumFailed then", s.inBlocks(r.ExpiresHeight))
	return w
}

// ppm is a share in parts per million, rounded down; a total of 0 has none. Weights
// are bounded so that the product fits.
func ppm(part, total uint64) string {
	if total == 0 {
		return "0"
	}
	return decimal(part * 1_000_000 / total)
}

// earlierWait is the wait of a reading behind those of its meter that were measured
// before it.
func earlierWait(s state, r oracle.Reading) (w api.Wait, behind bool) {
	var first oracle.Reading
	n := uint64(0)
	s.Oracle().PendingOfMeter(r.Meter, func(other oracle.Reading) bool {
		if other.Number == r.Number {
			return false
		}
		if n == 0 {
			first = other
		}
		n++
		return true
	})
	if n == 0 {
		return w, false
	}
	key := fsm.NumberKey(first.Market, first.Number)
	w = api.Wait{For: api.WaitEarlier, Object: api.KindReading + "/" + key, Unit: "readings", Need: "0", Have: decimal(n), Short: decimal(n)}
	w.Sentence = fmt.Sprintf("waits behind %s of its meter, since these close in the order of measuring: first reading %s, which ", several(n, "earlier open reading"), key)
	if first.State == oracle.ReadingAccepted {
		w.Sentence += "is closed by the next entry"
		return w, true
	}
	q := quorumWait(s, first)
	w.Who, w.Do = q.Who, "attest to reading "+key
	w = s.until(w, first.ExpiresHeight, "reading "+key+" closes and makes way")
	w.Sentence += q.Sentence
	return w, true
}

func (d *Door) explainTally(s state, name string) (api.Explanation, error) {
	market, number, err := numberedName(s, name)
	if err != nil {
		return api.Explanation{}, err
	}
	reading := api.KindReading + "/" + name
	r, live := s.Oracle().Reading(market, number)
	if !live {
		out, err := d.explainReading(s, name)
		if err != nil {
			return out, err
		}
		out.Related = append([]string{reading}, out.Related...)
		out.Sentence = "The tally of reading " + name + " is over. " + out.Sentence
		return out, nil
	}
	sheet := sheetOf(s, r)
	out := api.Explanation{Status: "open", Tally: &sheet, Related: []string{reading}}
	if r.State == oracle.ReadingAccepted {
		out.Status = "closed"
		out.Sentence = fmt.Sprintf("The tally of reading %s reached its quorum: weight %d of %d accepted it, %d were needed", name, sheet.Accept, sheet.Total, sheet.Required)
		return out, nil
	}
	w := quorumWait(s, r)
	out.Waits = []api.Wait{w}
	out.Sentence = fmt.Sprintf("The tally of reading %s %s", name, w.Sentence)
	return out, nil
}

const voteMissing = "missing"

// sheetOf lists the electorate of a live reading with everybody's vote.
func sheetOf(s state, r oracle.Reading) api.TallySheet {
	accept, reject, total, required := s.Oracle().Tally(r)
	e, _ := s.Oracle().Electorate(r.Market, r.Electorate) // kept as long as a reading is live
	sheet := api.TallySheet{
		Electorate: api.Uint64(e.Number), ThresholdPpm: e.ThresholdPpm, Members: []api.TallyRow{},
		Accept: api.Uint64(accept), Reject: api.Uint64(reject), Missing: api.Uint64(total - accept - reject),
		Total: api.Uint64(total), Required: api.Uint64(required),
	}
	for i, m := range e.Members {
		row := api.TallyRow{Oracle: m.Oracle, Weight: api.Uint64(m.Weight), Vote: voteMissing}
		switch bit := uint64(1) << i; {
		case r.Accept&bit != 0:
			row.Vote = "accept"
		case r.Reject&bit != 0:
			row.Vote = "reject"
		}
		row.Twice = r.Equivocal&(1<<i) != 0
		if row.Vote == voteMissing && s.LiveKeys(m.Oracle, genesis.RoleOracle) == 0 {
			row.Silent = "has no live key"
		}
		for _, v := range r.Values {
			if int(v.Member) == i {
				register := api.Uint64(v.Register)
				row.Observed = &register
			}
		}
		sheet.Members = append(sheet.Members, row)
	}
	return sheet
}
