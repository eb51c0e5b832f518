package transport

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// line is one line of a batch: a command, or what was wrong with it.
type line struct {
	number  int
	command *fsm.Command
	problem *api.Problem
}

func (d *Door) submitBatch(w http.ResponseWriter, r *http.Request) error {
	body, release, err := d.readBody(w, r, maxBatchBytes)
	if err != nil {
		return err
	}
	defer release()
	lines, err := d.split(body)
	if err != nil {
		return err
	}
	var commands []*fsm.Command
	for _, l := range lines {
		if l.command != nil {
			d.count(l.command)
			commands = append(commands, l.command)
		}
	}
	left, err := d.admit(r, commands)
	if err != nil {
		return err
	}
	for name, values := range left.headers() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	d.stream(r.Context(), w, lines)
	return nil
}

// split parses the lines of a batch; empty ones are refused like any other text
// that is no envelope, so that line numbers mean the same to both sides.
func (d *Door) split(body []byte) ([]line, error) {
	var lines []line
	scanner := bufio.NewScanner(bytes.NewReader(body))
	scanner.Buffer(nil, maxBatchBytes)
	for scanner.Scan() {
		if len(lines) == maxBatchLines {
			return nil, tooLarge(fmt.Sprintf("more than %d lines", maxBatchLines))
		}
		l := line{number: len(lines) + 1}
		var refusal *fsm.Refusal
		if l.command, refusal = d.parse(scanner.Bytes()); refusal != nil {
			d.metrics.refusals.WithLabelValues(string(refusal.Code)).Inc()
			l.command, l.problem = nil, problemFrom(refusal)
		}
		lines = append(lines, l)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("reading the lines of a batch: %w", err)
	}
	if len(lines) == 0 {
		return nil, problem(fsm.MalformedPayload, fsm.Field{Name: "detail", Value: "the batch is empty"})
	}
	return lines, nil
}

// batchPart is how many commands of a batch go to the leader at once: few enough
// that the first answers are on their way while the last are decided.
const batchPart = 256

// stream submits the commands in order, part by part, and writes each part's
// answers as soon as they are known.
func (d *Door) stream(ctx context.Context, w http.ResponseWriter, lines []line) {
	control := http.NewResponseController(w)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for len(lines) > 0 {
		part := lines[:min(batchPart, len(lines))]
		lines = lines[len(part):]
		for _, answered := range d.submitPart(ctx, part) {
			if encoder.Encode(answered) != nil {
				return // the caller is gone, and the status is sent already
			}
		}
		if control.Flush() != nil {
			return
		}
	}
}

// submitPart answers some lines. What fails for all of them is said on each.
func (d *Door) submitPart(ctx context.Context, part []line) []api.BatchLine {
	var commands []*fsm.Command
	for _, l := range part {
		if l.command != nil {
			commands = append(commands, l.command)
		}
	}
	var answers []cluster.Answer
	var failed error
	if len(commands) > 0 {
		answers, failed = d.config.Node.Submit(ctx, commands)
	}
	out := make([]api.BatchLine, 0, len(part))
	for _, l := range part {
		answered := api.BatchLine{Line: l.number, Problem: l.problem}
		if l.command != nil {
			err := failed
			var outcome api.Outcome
			if err == nil {
				outcome, err = d.settle(answers[0])
				answers = answers[1:]
			}
			answered.Outcome, answered.Problem = d.lineOf(outcome, err)
		}
		out = append(out, answered)
	}
	return out
}

// lineOf says an outcome as an outcome even if it is a refusal, since the line
// has no status that would have to differ.
func (d *Door) lineOf(outcome api.Outcome, err error) (*api.Outcome, *api.Problem) {
	if err == nil {
		return &outcome, nil
	}
	p, _ := d.explain(err)
	if p.Outcome != nil {
		return p.Outcome, nil
	}
	return nil, p
}
