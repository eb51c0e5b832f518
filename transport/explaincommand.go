package transport

import (
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

// explainCommand tells the outcome of a command, and of one that brought forth an
// object goes on with that.
func (d *Door) explainCommand(s state, name string) (api.Explanation, error) {
	id, err := envelope.ParseIdentity(name)
	if err != nil {
		return api.Explanation{}, malformed("id", err)
	}
	o, _, err := d.config.Node.Outcome(id)
	if err != nil {
		return api.Explanation{}, err
	}
	if o == nil || o.Leaf >= s.TreeSize() {
		return api.Explanation{}, problem(fsm.NotFound, fsm.Field{Name: "kind", Value: api.KindCommand}, fsm.Field{Name: "id", Value: name},
			fsm.Field{Name: "reason", Value: "no command of this identity was logged so far: if it was refused at the door or its outcome is not known, sending the same bytes again is safe"})
	}
	shown := outcomeOf(o, s.finalSize)
	out := api.Explanation{Status: "accepted", Outcome: &shown}
	about := fmt.Sprintf("Command %s, logged at height %d,", shown.Command, o.Height)
	if !shown.Accepted {
		out.Status = "refused"
		out.Sentence = fmt.Sprintf("%s was refused with %s: %s %s", about, shown.Code, detailOf(o.Refusal), strings.TrimSuffix(shown.Recovery, "."))
		d.awaitFinality(s, &out, outcomeEnd(o)-1)
		out.Runbook = runbookOf(o.Refusal.Code)
		return out, nil
	}
	out.Sentence = about + " was accepted"
	if o.Type == fsm.TypeSubmitReading {
		reading := shown.Result["market"] + "/" + shown.Result["number"]
		inner, err := d.explainReading(s, reading)
		if err != nil {
			return out, err
		}
		out.Waits, out.Reading, out.Runbook = inner.Waits, inner.Reading, inner.Runbook
		out.Related = append([]string{api.KindReading + "/" + reading}, inner.Related...)
		out.Sentence += ". " + inner.Sentence
		return out, nil
	}
	if id := shown.Result["disbursement"]; id != "" {
		inner, err := d.explainDisbursement(s, id)
		if err != nil {
			return out, err
		}
		out.Waits, out.Disbursement, out.Runbook = inner.Waits, inner.Disbursement, inner.Runbook
		out.Related = append([]string{api.KindDisbursement + "/" + id}, inner.Related...)
		out.Sentence += ". " + inner.Sentence
		return out, nil
	}
	if o.Type == fsm.TypeAttest {
		out.Sentence += fmt.Sprintf(": %s of its votes counted, %s came late, %s repeated what was said, %s contradicted it, %s were by no member of the electorate",
			shown.Result["counted"], shown.Result["late"], shown.Result["repeated"], shown.Result["equivocations"], shown.Result["not_in_electorate"])
	}
	d.awaitFinality(s, &out, outcomeEnd(o)-1)
	return out, nil
}
