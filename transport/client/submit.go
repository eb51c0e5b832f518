package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Outcome is what became of a command.
type Outcome = api.Outcome

// Submit sends a command until its outcome is known or ctx ends. A replicated
// refusal gives both the outcome and a *Refused.
func (c *Client) Submit(ctx context.Context, e envelope.Envelope) (Outcome, error) {
	r := request{method: http.MethodPost, path: "/v1/commands", body: e.JSON(), contentType: "application/json"}
	open := false // whether an attempt whose fate is not known was made
	var last error
	for round := 0; ; round++ {
		var outcome Outcome
		var verdict error
		won, all := c.ask(ctx, r, func(t tried) bool {
			open = open || t.open
			outcome, verdict = c.judge(ctx, t.answer, e.Identity(), open)
			if errors.Is(verdict, errAgain) {
				open = open || t.answer.problem == nil || t.answer.problem.Unknown()
				last = verdict
				return false
			}
			return true
		})
		if won != nil {
			return outcome, verdict
		}
		var asked time.Duration
		for _, t := range all {
			asked = max(asked, t.answer.retryAfter)
			if t.err != nil {
				open, last = open || t.sent, t.err
			}
		}
		if !pause(ctx, round, asked) {
			return Outcome{}, ended(open, last)
		}
	}
}

// errAgain marks what the same bytes may still change: it never leaves the package.
var errAgain = errors.New("try again")

// judge says what an answer means. A door's refusal after an attempt whose fate
// is open does not settle it: the first attempt may have been logged in between.
func (c *Client) judge(ctx context.Context, a answer, id envelope.Identity, open bool) (Outcome, error) {
	if a.problem == nil {
		var outcome Outcome
		if err := json.Unmarshal(a.body, &outcome); err != nil {
			return Outcome{}, fmt.Errorf("%w: reading an outcome: %w", errAgain, err)
		}
		if err := about(outcome, id); err != nil {
			return Outcome{}, fmt.Errorf("%w: %w", errAgain, err)
		}
		if !outcome.Accepted {
			return outcome, refusedOutcome(outcome)
		}
		return outcome, nil
	}
	p := a.problem
	if p.Outcome != nil && about(*p.Outcome, id) == nil {
		return *p.Outcome, refused(p)
	}
	if p.Code == codeUnavailable || p.Code == codeRateLimited {
		return Outcome{}, fmt.Errorf("%w: %w", errAgain, p)
	}
	if open {
		outcome, err := c.Outcome(ctx, id)
		if err == nil || outcome.ID != "" {
			return outcome, err
		}
		if !IsCode(err, codeNotFound) {
			return Outcome{}, fmt.Errorf("%w: %w, and whether it was logged before: %w", errAgain, p, err)
		}
	}
	return Outcome{}, refused(p)
}

// about says why an outcome is not that of a command.
func about(o Outcome, id envelope.Identity) error {
	if o.ID != id.String() {
		return fmt.Errorf("the answer about command %s is about %.64q", id, o.ID)
	}
	return nil
}

// The codes that say nothing about the command itself, and the one that says that
// nobody has logged it.
const (
	codeUnavailable = "Unavailable"
	codeRateLimited = "RateLimited"
	codeNotFound    = "NotFound"
)

func ended(sent bool, last error) error {
	if sent {
		return fmt.Errorf("%w: %w", ErrUnknown, last)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, last)
}

// Result is what became of one command of a batch.
type Result struct {
	Outcome Outcome
	Err     error
}

// MaxBatch is how many commands go into one request.
const MaxBatch = 1024

// maxBatchBytes keeps a request below the node's limit of 4 MiB.
const maxBatchBytes = 4<<20 - 64<<10

// SubmitBatch sends many commands, in the order given, and returns one result
// for each in that order. What stays unknown or finds no node is sent again,
// the same bytes, until ctx ends.
func (c *Client) SubmitBatch(ctx context.Context, envelopes []envelope.Envelope) []Result {
	results := make([]Result, len(envelopes))
	b := batch{lines: make([][]byte, len(envelopes)), ids: make([]envelope.Identity, len(envelopes)), results: results}
	open := make([]int, len(envelopes))
	for i, e := range envelopes {
		b.lines[i], b.ids[i], open[i] = e.JSON(), e.Identity(), i
		results[i].Err = ErrUnavailable
	}
	for round := 0; len(open) > 0; round++ {
		if open = c.sendBatch(ctx, b, open); len(open) == 0 {
			break
		}
		if !pause(ctx, round, 0) {
			break
		}
	}
	return results
}

// batch is what is sent, with what has come of it.
type batch struct {
	lines   [][]byte
	ids     []envelope.Identity
	results []Result
}

// sendBatch sends the open lines in as many requests as it takes and returns those
// that are still open. The first request that no node takes ends the round: what
// follows it must not come before it.
func (c *Client) sendBatch(ctx context.Context, b batch, open []int) []int {
	var left []int
	for len(open) > 0 {
		body, n := cutBatch(b.lines, open)
		r := request{method: http.MethodPost, path: "/v1/commands:batch", body: body, contentType: "application/x-ndjson"}
		won, all := c.ask(ctx, r, func(t tried) bool { return t.answer.problem == nil })
		for _, t := range all {
			err, sent := t.err, t.sent
			if err == nil && t.answer.problem != nil {
				err, sent = t.answer.problem, t.answer.problem.Unknown()
			}
			for _, i := range open[:n] {
				if err != nil {
					unsettled(&b.results[i], sent, err)
				}
			}
		}
		if won == nil {
			return append(left, open...)
		}
		left = append(left, c.readBatch(ctx, b, *won, open[:n])...)
		open = open[n:]
	}
	return left
}

// unsettled keeps the graver of two findings: once unknown, always unknown.
func unsettled(r *Result, sent bool, err error) {
	r.Err = ended(sent || errors.Is(r.Err, ErrUnknown), err)
}

func cutBatch(lines [][]byte, open []int) ([]byte, int) {
	var body bytes.Buffer
	n := 0
	for _, i := range open {
		if n == MaxBatch || (n > 0 && body.Len()+len(lines[i]) >= maxBatchBytes) {
			break
		}
		body.Write(lines[i])
		body.WriteByte('\n')
		n++
	}
	return body.Bytes(), n
}

// readBatch takes the lines of an answer. A line that is missing, because the
// connection or the node ended, stays open as unknown. A door's refusal settles
// only what no other attempt can have brought in.
func (c *Client) readBatch(ctx context.Context, b batch, won tried, open []int) []int {
	body, results := won.answer.body, b.results
	var left []int
	for n, i := range open {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		var got api.BatchLine
		err := json.Unmarshal(line, &got)
		if err == nil && got.Line != n+1 {
			err = fmt.Errorf("line %d of the answer is about line %d", n+1, got.Line)
		}
		if err == nil && got.Outcome != nil {
			err = about(*got.Outcome, b.ids[i])
		}
		switch {
		case err != nil:
			unsettled(&results[i], true, fmt.Errorf("reading a batch's answer: %w", err))
			left = append(left, i)
		case got.Outcome != nil && got.Outcome.Accepted:
			results[i] = Result{Outcome: *got.Outcome}
		case got.Outcome != nil:
			c.hear(&api.Problem{Code: got.Outcome.Code, Fields: got.Outcome.Fields, Logged: true})
			results[i] = Result{Outcome: *got.Outcome, Err: refusedOutcome(*got.Outcome)}
		case got.Problem == nil:
			unsettled(&results[i], true, errors.New("a line of the answer is empty"))
			left = append(left, i)
		case got.Problem.Code == codeUnavailable || got.Problem.Code == codeRateLimited:
			unsettled(&results[i], got.Problem.Unknown(), got.Problem)
			left = append(left, i)
		default:
			c.hear(got.Problem)
			if !won.open && !errors.Is(results[i].Err, ErrUnknown) {
				results[i].Err = refused(got.Problem)
			} else if !c.settleLine(ctx, &results[i], b.ids[i], got.Problem) {
				left = append(left, i)
			}
		}
	}
	return left
}

// settleLine takes a door's refusal of a command that another attempt may have brought
// in; false if nobody can say whether it has.
func (c *Client) settleLine(ctx context.Context, r *Result, id envelope.Identity, p *api.Problem) bool {
	outcome, err := c.Outcome(ctx, id)
	switch {
	case err == nil || outcome.ID != "":
		*r = Result{outcome, err}
	case IsCode(err, codeNotFound):
		r.Err = refused(p)
	default:
		unsettled(r, true, err)
		return false
	}
	return true
}
