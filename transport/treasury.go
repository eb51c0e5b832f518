package transport

import (
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// The treasury's commands have names of their own beside /v1/commands, which takes
// them as well: the same envelope, the same handler. A name only makes sure that the
// envelope says what the path says.

const disbursementsPath = "/v1/treasury/disbursements"

func (d *Door) treasuryCommandRoutes() {
	d.treasuryCommand(huma.Operation{
		OperationID: "disbursement-submit", Path: disbursementsPath, Summary: "Propose a disbursement (command propose)",
	}, fsm.TypePropose)
	for _, c := range []struct {
		verb    string
		tag     fsm.Type
		summary string
	}{
		{"amend", fsm.TypeAmend, "Replace the body of a draft"},
		{"open", fsm.TypeOpen, "Begin the vote about a draft"},
		{"vote", fsm.TypeVote, "Vote, once and for ever"},
		{"queue", fsm.TypeQueue, "Try at once to count, to reserve and to start the timelock"},
		{"execute", fsm.TypeExecute, "Try at once to execute, and confirm where four eyes count"},
		{"rollback", fsm.TypeRollback, "Take an executed disbursement back inside its window"},
		{"cancel", fsm.TypeCancel, "End a draft of one's own"},
		{"veto", fsm.TypeVeto, "End a disbursement that is not executed yet"},
	} {
		d.treasuryCommand(huma.Operation{
			OperationID: "disbursement-" + c.verb, Path: disbursementsPath + "/{id}/" + c.verb, Summary: c.summary + " (command " + c.tag.String() + ")",
			Parameters: []*huma.Param{{Name: "id", In: "path", Required: true, Description: "the disbursement, as the payload names it", Schema: &huma.Schema{Type: "string"}}},
		}, c.tag)
	}
}

func (d *Door) treasuryCommand(op huma.Operation, tag fsm.Type) {
	op.Method, op.Tags = http.MethodPost, []string{"treasury"}
	op.RequestBody = &huma.RequestBody{Required: true, Content: d.content("application/json", api.Envelope{})}
	op.Responses = d.responses(http.StatusOK, "the command was accepted", d.content("application/json", api.Outcome{}))
	d.raw(op, func(w http.ResponseWriter, r *http.Request) error {
		return d.submitIf(w, r, func(c *fsm.Command) *fsm.Refusal { return otherThanPath(c, tag, r.PathValue("id")) })
	})
}

// otherThanPath refuses an envelope that is not what the path names.
func otherThanPath(c *fsm.Command, tag fsm.Type, id string) *fsm.Refusal {
	wrong := func(field, want string) *fsm.Refusal {
		return &fsm.Refusal{Code: fsm.MalformedPayload, Fields: []fsm.Field{
			{Name: "field", Value: field}, {Name: "reason", Value: "other_than_path"}, {Name: "want", Value: want},
		}}
	}
	if c.Type != tag {
		return wrong("payloadType", tag.PayloadType())
	}
	if named, ok := disbursementNamed(c); ok && hex.EncodeToString(named[:]) != id {
		return wrong("disbursement", id)
	}
	return nil
}

// disbursementNamed is the disbursement that a command is about, if it names one.
func disbursementNamed(c *fsm.Command) (id [32]byte, ok bool) {
	switch b := c.Body().(type) {
	case *fsm.Amend:
		return b.Disbursement, true
	case *fsm.Open:
		return b.Disbursement, true
	case *fsm.Cancel:
		return b.Disbursement, true
	case *fsm.Vote:
		return b.Disbursement, true
	case *fsm.Queue:
		return b.Disbursement, true
	case *fsm.Execute:
		return b.Disbursement, true
	case *fsm.Veto:
		return b.Disbursement, true
	case *fsm.Rollback:
		return b.Disbursement, true
	}
	return id, false
}
