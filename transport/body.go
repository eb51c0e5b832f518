package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// mostAhead is how much room a body gets because its caller says that it is so long.
// What is longer, or is said not to be, gets more as it comes.
const mostAhead = 1 << 18

// Bounds of the bodies that a node holds at one time. A body is held until its request
// is answered; many that come slowly would else fill the memory before anything about
// them has been checked.
const (
	heldInAll  = 128 << 20
	heldOfEach = 32 << 20 // of one address
)

// heldBodies counts the bytes of bodies that are held.
type heldBodies struct {
	inAll, ofEach int

	mu        sync.Mutex
	total     int
	byAddress map[netip.Prefix]int
}

// take makes room for n bytes more; false if there is none.
func (b *heldBodies) take(address netip.Prefix, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total+n > b.inAll || b.byAddress[address]+n > b.ofEach {
		return false
	}
	b.total += n
	b.byAddress[address] += n
	return true
}

func (b *heldBodies) release(address netip.Prefix, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total -= n
	if b.byAddress[address] -= n; b.byAddress[address] == 0 {
		delete(b.byAddress, address)
	}
}

// incoming is a body that takes room as it comes.
type incoming struct {
	io.Reader
	bodies  *heldBodies
	address netip.Prefix
	held    int
}

var errNoRoom = errors.New("too many bodies at once")

// Read implements io.Reader.
func (i *incoming) Read(p []byte) (int, error) {
	n, err := i.Reader.Read(p)
	if n > 0 {
		if !i.bodies.take(i.address, n) {
			return 0, errNoRoom
		}
		i.held += n
	}
	return n, err
}

// readBody reads at most limit bytes. They count as held until release is called.
func (d *Door) readBody(w http.ResponseWriter, r *http.Request, limit int64) (text []byte, release func(), err error) {
	in := &incoming{Reader: http.MaxBytesReader(w, r.Body, limit), bodies: &d.held, address: addressOf(r.RemoteAddr)}
	release = func() { in.bodies.release(in.address, in.held) }
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), mostAhead)) + bytes.MinRead)
	_, err = body.ReadFrom(in)
	var tooLong *http.MaxBytesError
	switch {
	case err == nil:
		return body.Bytes(), release, nil
	case errors.As(err, &tooLong):
		err = tooLarge(fmt.Sprintf("the body is longer than %d bytes", limit))
	case errors.Is(err, errNoRoom):
		err = huma.ErrorWithHeaders(problem(fsm.Unavailable, fsm.Field{Name: "reason", Value: err.Error()}), retryAfter(time.Second))
	default:
		err = problem(fsm.MalformedPayload, fsm.Field{Name: "detail", Value: "the body could not be read to its end"})
	}
	release()
	return nil, nil, err
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
