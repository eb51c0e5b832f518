package agent

import (
	"errors"
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Decision is a line of the decision log: a verdict on a reading and all that
// explains it.
type Decision struct {
	At         int64       `json:"at" doc:"when it was decided, unix ms"`
	Market     string      `json:"market"`
	Number     api.Uint64  `json:"number"`
	Identity   string      `json:"identity"`
	Meter      string      `json:"meter"`
	Register   api.Uint64  `json:"register"`
	MeasuredAt int64       `json:"measured_at"`
	AcceptedAt int64       `json:"accepted_at"`
	Earlier    *api.Base   `json:"earlier,omitempty" doc:"what it was compared with"`
	Vote       Vote        `json:"vote"`
	Reason     Reason      `json:"reason"`
	Rule       int         `json:"rule,omitempty" doc:"number of the rule, from 1"`
	Value      string      `json:"value,omitempty" doc:"what was found"`
	Limit      string      `json:"limit,omitempty"`
	Words      string      `json:"words"`
	Observed   *api.Uint64 `json:"observed,omitempty" doc:"register that was stated with the vote"`
}

func decisionOn(r api.Reading, v Verdict, now int64) Decision {
	d := Decision{
		At: now, Market: r.Market, Number: r.Number, Identity: r.Identity, Meter: r.Meter,
		Register: *r.Register, MeasuredAt: r.MeasuredAt, AcceptedAt: r.AcceptedAt,
		Vote: v.Vote, Reason: v.Reason, Rule: v.Rule, Value: v.Value, Limit: v.Limit, Words: v.Words,
	}
	if v.Earlier != nil {
		d.Earlier = &api.Base{Register: api.Uint64(v.Earlier.Value), MeasuredAt: v.Earlier.MeasuredAt}
	}
	if v.Observed != nil {
		observed := api.Uint64(*v.Observed)
		d.Observed = &observed
	}
	return d
}

// check says why a line cannot be one that this program wrote.
func (d Decision) check() error {
	_, err := envelope.ParseIdentity(d.Identity)
	switch {
	case err != nil:
		return fmt.Errorf("identity: %w", err)
	case d.Number == 0 || d.Market == "" || d.Meter == "":
		return errors.New("it names no reading")
	case d.Vote != Accept && d.Vote != Reject && d.Vote != Abstain:
		return fmt.Errorf("%q is no vote", d.Vote)
	}
	return nil
}

// ballot is the vote that the decision casts.
func (d Decision) ballot() ballot {
	id, _ := envelope.ParseIdentity(d.Identity) // was checked when it was read
	return ballot{uint64(d.Number), oracle.Identity(id), d.Vote, (*uint64)(d.Observed)}
}

// claim is the reading as it was judged.
func (d Decision) claim() Claim {
	c := Claim{Market: d.Market, Meter: d.Meter, Register: Register{uint64(d.Register), d.MeasuredAt}, AcceptedAt: d.AcceptedAt}
	if d.Earlier != nil {
		c.Base = &Register{uint64(d.Earlier.Register), d.Earlier.MeasuredAt}
	}
	return c
}
