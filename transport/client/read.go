package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Get reads a JSON document, e.g. Get(ctx, "/v1/meters", query, &meters). It
// asks one node after the other until one answers or ctx ends; a node's no is a
// *Refused.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	body, err := c.GetBytes(ctx, path, query)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("reading the answer to %s: %w", path, err)
	}
	return nil
}

// GetBytes reads a document as it is.
func (c *Client) GetBytes(ctx context.Context, path string, query url.Values) ([]byte, error) {
	r := request{method: http.MethodGet, path: path}
	if len(query) > 0 {
		r.path += "?" + query.Encode()
	}
	if query.Has("wait") {
		r.timeout = longestWait
	}
	var last error
	for round := 0; ; round++ {
		won, all := c.ask(ctx, r, func(t tried) bool {
			p := t.answer.problem
			return p == nil || t.answer.status < 500 && p.Code != codeRateLimited
		})
		if won != nil && won.answer.problem == nil {
			return won.answer.body, nil
		}
		if won != nil {
			return nil, refused(won.answer.problem)
		}
		var asked time.Duration
		for _, t := range all {
			asked, last = max(asked, t.answer.retryAfter), t.err
			if t.err == nil {
				last = t.answer.problem
			}
		}
		if c.config.OneRound || !pause(ctx, round, asked) {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, last)
		}
	}
}

// Outcome asks what became of a command. A replicated refusal gives both the
// outcome and a *Refused; one that nobody has logged is a *Refused with code
// NotFound and an empty outcome.
func (c *Client) Outcome(ctx context.Context, id envelope.Identity) (Outcome, error) {
	return c.outcome(ctx, id, nil)
}

// OutcomeSince is Outcome by the answering node's state at that entry or later: one
// that is not found was not logged up to it.
func (c *Client) OutcomeSince(ctx context.Context, id envelope.Identity, entry uint64) (Outcome, error) {
	return c.outcome(ctx, id, url.Values{"min_index": {strconv.FormatUint(entry, 10)}})
}

func (c *Client) outcome(ctx context.Context, id envelope.Identity, query url.Values) (Outcome, error) {
	var o Outcome
	if err := c.Get(ctx, "/v1/commands/"+id.String(), query, &o); err != nil {
		return Outcome{}, err
	}
	if err := about(o, id); err != nil {
		return Outcome{}, err
	}
	if !o.Accepted {
		return o, refusedOutcome(o)
	}
	return o, nil
}

// Await waits until the outcome of a command is under a checkpoint that the
// committee cosigned, or ctx ends.
func (c *Client) Await(ctx context.Context, id envelope.Identity) (Outcome, error) {
	for round := 0; ; round++ {
		o, err := c.outcome(ctx, id, url.Values{"wait": {"final"}})
		if o.Final || (err != nil && !IsCode(err, codeNotFound) && o.ID == "") {
			return o, err
		}
		if !pause(ctx, round, 0) {
			return o, fmt.Errorf("waiting for a cosigned checkpoint over %s: %w", id, context.Cause(ctx))
		}
	}
}

// Receipt waits until the receipt at a leaf can be proven, and returns the
// proof file.
func (c *Client) Receipt(ctx context.Context, leaf uint64) ([]byte, error) {
	path := "/v1/receipts/" + strconv.FormatUint(leaf, 10) + ".tlog-proof"
	for round := 0; ; round++ {
		proof, err := c.GetBytes(ctx, path, url.Values{"wait": {"final"}})
		var r *Refused
		if err == nil || !errors.As(err, &r) || r.Code != codeNotFound {
			return proof, err
		}
		if !pause(ctx, round, 0) {
			return nil, fmt.Errorf("waiting for the proof of leaf %d: %w", leaf, err)
		}
	}
}

// Checkpoint is the newest signed checkpoint, a signed note.
func (c *Client) Checkpoint(ctx context.Context) ([]byte, error) {
	return c.GetBytes(ctx, "/checkpoint", nil)
}

// FinalSize is how many leaves of the journal are final by the word of the answering
// node, 0 before the first checkpoint.
func (c *Client) FinalSize(ctx context.Context) (uint64, error) {
	note, err := c.Checkpoint(ctx)
	if IsCode(err, codeNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	checkpoint, err := proof.ReadCheckpoint(note)
	return checkpoint.Size, err
}

// Policy is the policy that judges the newest checkpoint, as text.
func (c *Client) Policy(ctx context.Context) ([]byte, error) {
	return c.GetBytes(ctx, "/v1/policy", url.Values{"format": {"text"}})
}

// Genesis is the signed genesis file as the node holds it.
func (c *Client) Genesis(ctx context.Context) ([]byte, error) {
	return c.GetBytes(ctx, "/v1/genesis", nil)
}

// Explain says what an object is, what it waits for and who can act. An id is the
// identity of a command, KIND/NAME, MARKET/NUMBER for a reading, or a bare name.
func (c *Client) Explain(ctx context.Context, id string) (api.Explanation, error) {
	var e api.Explanation
	path := url.URL{Path: "/v1/explain/" + id}
	err := c.Get(ctx, path.EscapedPath(), nil, &e)
	return e, err
}

// Status is how the answering node is doing.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	var s api.Status
	err := c.Get(ctx, "/v1/status", nil, &s)
	return s, err
}

// Digest is the digest of the answering node's live state.
func (c *Client) Digest(ctx context.Context) (api.Digest, error) {
	var d api.Digest
	err := c.Get(ctx, "/v1/digest", nil, &d)
	return d, err
}

// Lanes lists the last nonce of each lane that a key has used.
func (c *Client) Lanes(ctx context.Context, key envelope.KeyID) ([]api.Lane, error) {
	var lanes []api.Lane
	query := url.Values{"key": {key.String()}, "limit": {"1000"}}
	for {
		var page api.Lanes
		if err := c.Get(ctx, "/v1/lanes", query, &page); err != nil {
			return nil, err
		}
		lanes = append(lanes, page.Lanes...)
		if page.Next == "" {
			return lanes, nil
		}
		query.Set("after", page.Next)
	}
}

// NextNonce is the lowest nonce that a key can use on a lane now.
func (c *Client) NextNonce(ctx context.Context, key envelope.KeyID, lane string) (uint64, error) {
	last, _, err := c.LastNonce(ctx, key, lane)
	return last + 1, err
}

// LastNonce is the last nonce that a key has used on a lane, 0 if none, and the entry
// up to which that is so. It takes everything into account that anybody was told
// before the call.
func (c *Client) LastNonce(ctx context.Context, key envelope.KeyID, lane string) (nonce, entry uint64, err error) {
	var l api.Lanes
	query := url.Values{"key": {key.String()}, "lane": {lane}, "consistency": {"linearizable"}}
	if err := c.Get(ctx, "/v1/lanes", query, &l); err != nil {
		return 0, 0, err
	}
	for _, row := range l.Lanes {
		if row.Lane == lane {
			nonce = uint64(row.LastNonce)
		}
	}
	return nonce, uint64(l.Index), nil
}
