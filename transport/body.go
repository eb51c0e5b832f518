package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// mostAhead is how much room a body gets because its caller says that it is so long.
// What is longer, or is said not to be, gets more as it comes.
const mostAhead = 1 << 18

// readBody reads at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), mostAhead)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return nil, tooLarge(fmt.Sprintf("the body is longer than %d bytes", limit))
	}
	if err != nil {
		return nil, problem(fsm.MalformedPayload, fsm.Field{Name: "detail", Value: "the body could not be read to its end"})
	}
	return body.Bytes(), nil
}

func tooLarge(detail string) *api.Problem {
	p := problem(fsm.MalformedPayload, fsm.Field{Name: "detail", Value: detail})
	p.Status = http.StatusRequestEntityTooLarge
	return p
}

func writeJSON(w http.ResponseWriter, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // the caller may be gone
	return nil
}

// content documents a body of one type.
func (d *Door) content(mediaType string, body any) map[string]*huma.MediaType {
	t := reflect.TypeOf(body)
	return map[string]*huma.MediaType{mediaType: {Schema: d.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())}}
}

// responses documents a good answer beside the problem that every route can give.
func (d *Door) responses(status int, description string, content map[string]*huma.MediaType) map[string]*huma.Response {
	return map[string]*huma.Response{
		decimal(uint64(status)): {Description: description, Content: content},
		"default":               {Description: "a problem", Content: d.content(api.ProblemContentType, api.Problem{})},
	}
}
