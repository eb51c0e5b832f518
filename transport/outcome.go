package transport

import (
	"context"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

// outcomeInput asks for an outcome.
type outcomeInput struct {
	ID   string `path:"id" pattern:"^[0-9a-f]{64}$" doc:"identity of the command: SHA-256 of its PAE"`
	Wait string `query:"wait" enum:"final" doc:"final: wait up to 30 s until it is logged and under a cosigned checkpoint"`
}

// outcome is found by identity, here or not at all: every node keeps them all.
func (d *Door) outcome(ctx context.Context, in *outcomeInput) (api.Outcome, error) {
	id, err := envelope.ParseIdentity(in.ID)
	if err != nil {
		return api.Outcome{}, problem(fsm.MalformedPayload, fsm.Field{Name: "detail", Value: err.Error()})
	}
	wait := d.waiting(in.Wait != "")
	for {
		number := d.config.Node.View().Number()
		o, final, found, err := d.config.Node.Outcome(id)
		if err != nil {
			return api.Outcome{}, err
		}
		if found && final || !wait.more(ctx) {
			if !found {
				return api.Outcome{}, problem(fsm.NotFound, fsm.Field{Name: "kind", Value: "outcome"}, fsm.Field{Name: "id", Value: in.ID})
			}
			return outcomeOf(o, d.config.Node.FinalSize()), nil
		}
		if found {
			wait.final(ctx, outcomeEnd(o))
		} else {
			wait.applied(ctx, number+1)
		}
	}
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
