package transport

import (
	"context"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

// outcomeInput asks for an outcome.
type outcomeInput struct {
	ID       string `path:"id" pattern:"^[0-9a-f]{64}$" doc:"identity of the command: SHA-256 of its PAE"`
	MinIndex uint64 `query:"min_index" doc:"wait until this entry is applied here: what is not found then was not logged up to it"`
	Wait     string `query:"wait" enum:"final" doc:"final: wait up to 30 s until it is logged and under a cosigned checkpoint"`
}

// outcome is found by identity. A node that knows nothing of it asks the leader
// how far it must have come to be sure, so that what another node has just
// answered is found here too.
func (d *Door) outcome(ctx context.Context, in *outcomeInput) (api.Outcome, error) {
	id, err := envelope.ParseIdentity(in.ID)
	if err != nil {
		return api.Outcome{}, malformed("id", err)
	}
	wait, number := d.waiting(in.Wait != ""), uint64(0) // the entry that a look without a find had applied
	o, _, err := d.config.Node.Outcome(id)
	if err == nil && o == nil {
		if _, err = d.state(ctx, Freshness{Consistency: "default", MinIndex: in.MinIndex}); err == nil {
			o, _, err = d.config.Node.Outcome(id)
		}
	}
	for err == nil && (o == nil || outcomeEnd(o) > d.config.Node.FinalSize()) && wait.more(ctx) {
		if o != nil {
			wait.final(ctx, outcomeEnd(o))
		} else {
			wait.applied(ctx, number+1)
		}
		number = d.config.Node.View().Number()
		o, _, err = d.config.Node.Outcome(id)
	}
	if err != nil {
		return api.Outcome{}, err
	}
	if o == nil {
		return api.Outcome{}, missing("outcome", in.ID)
	}
	return outcomeOf(o, d.config.Node.FinalSize()), nil
}

// outcomeEnd is the size of the smallest journal that holds all of an outcome.
func outcomeEnd(o *fsm.Outcome) uint64 {
	end := o.Leaf
	for _, leaf := range o.Receipts {
		end = max(end, leaf)
	}
	return end + 1
}

// outcomeOf words an outcome. It is final once its command and all its receipts
// are under the published checkpoint.
func outcomeOf(o *fsm.Outcome, finalSize uint64) api.Outcome {
	last := o.Leaf
	for _, leaf := range o.Receipts {
		last = max(last, leaf)
	}
	out := api.Outcome{
		ID: o.ID.String(), Command: o.Type.String(), Accepted: o.Refusal == nil,
		Entry: api.Uint64(o.Entry), Height: api.Uint64(o.Height), At: o.At, Leaf: api.Uint64(o.Leaf),
		Receipts: api.Uint64s(o.Receipts), Final: last < finalSize,
	}
	if o.Refusal == nil {
		out.Result = fieldsOf(&fsm.Refusal{Fields: o.Result})
		return out
	}
	out.Code, out.Cause, out.Recovery = string(o.Refusal.Code), o.Refusal.Code.Cause(), o.Refusal.Code.Recovery()
	out.Fields = fieldsOf(o.Refusal)
	return out
}
