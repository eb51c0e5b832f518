package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Bounds of sending one request.
const (
	answerWithin  = 20 * time.Second
	decidedWithin = time.Minute
	resendPause   = 50 * time.Millisecond
	maxAnswer     = 16 << 20
	mostIdle      = time.Minute // a node closes a connection that is idle for longer
)

// sender posts ready-made bodies over kept-alive HTTP/1.1 connections, one for
// each client. The project's own client encodes and decodes every command; here
// that would take the processor time that the nodes are to be measured with.
type sender struct {
	links links
	urls  []string
	at    atomic.Int64 // index of the URL that is asked first
}

// newSender fetches each node's pins through a client that trusts the genesis,
// and from then on accepts these keys only.
func newSender(ctx context.Context, s *site, watchers []*client.Client) (*sender, error) {
	var statements []api.Pins
	for i, w := range watchers {
		var nodes api.Nodes
		if err := w.Get(ctx, "/v1/nodes", nil, &nodes); err != nil {
			return nil, fmt.Errorf("asking %s for its pins: %w", s.URLs[i], err)
		}
		for _, n := range nodes.Nodes {
			if len(n.Pins) == 0 {
				continue
			}
			e, err := envelope.Parse(n.Pins)
			if err != nil {
				return nil, err
			}
			pins, err := api.VerifyPins(e, s.Genesis.Cluster, api.KeysOf(s.Genesis), time.Now())
			if err != nil {
				return nil, err
			}
			statements = append(statements, pins)
		}
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // the pin says more than a chain, below
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, pins := range statements {
				if pins.Holds(api.PinOf(state.PeerCertificates[0])) {
					return nil
				}
			}
			return errors.New("the server's TLS key is not pinned")
		},
	}
	return &sender{urls: s.URLs, links: links{config: config}}, nil
}

// verdict is what an answer says of a request's readings.
type verdict struct {
	accepted int
	refused  []string // codes
	open     int      // without an outcome
	why      string   // why the first of those is open
	entry    uint64   // log entry of the last one
	leaf     uint64   // its journal leaf
}

// post sends a request until all of its readings have an outcome: the same bytes,
// since a command takes effect once. It returns why it had to send again, once
// for each time.
func (s *sender) post(ctx context.Context, r request, single bool) (v verdict, resent []string, err error) {
	until := time.Now().Add(decidedWithin)
	for {
		at := s.at.Load()
		v, err = s.once(ctx, s.urls[int(at)%len(s.urls)], r, single)
		if err == nil && v.open == 0 || ctx.Err() != nil {
			return v, resent, ctx.Err()
		}
		if time.Now().After(until) {
			v.open = r.n - v.accepted - len(v.refused)
			return v, resent, err
		}
		resent = append(resent, reasonOf(v, err))
		s.at.CompareAndSwap(at, at+1)
		select {
		case <-ctx.Done():
		case <-time.After(resendPause):
		}
	}
}

// reasonOf puts into few words why a request must be sent again.
func reasonOf(v verdict, err error) string {
	if err == nil {
		return v.why
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "connection: no answer in time"
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return "connection: " + network.Op + ": " + network.Err.Error()
	}
	if within, ok := errors.AsType[*url.Error](err); ok {
		err = within.Err
	}
	return "connection: " + err.Error()
}

func (s *sender) once(ctx context.Context, base string, r request, single bool) (verdict, error) {
	path, kind := "/v1/commands:batch", "application/x-ndjson"
	if single {
		path, kind = "/v1/commands", "application/json"
	}
	status, body, err := s.links.post(ctx, base, path, kind, r.body)
	if err != nil {
		return verdict{}, err
	}
	if single || status != http.StatusOK {
		return judgeWhole(body, status, r.n)
	}
	return judgeLines(body, r.n)
}

// judgeWhole reads the answer to a single command, or a problem with a batch.
func judgeWhole(body []byte, status, n int) (verdict, error) {
	var line api.BatchLine
	var err error
	if status == http.StatusOK {
		err = json.Unmarshal(body, &line.Outcome)
	} else if err = json.Unmarshal(body, &line.Problem); err == nil {
		line.Problem.Status, line.Outcome = status, line.Problem.Outcome
	}
	if err != nil {
		return verdict{}, fmt.Errorf("an answer with status %d is no document: %w", status, err)
	}
	var v verdict
	for range n {
		v.take(line)
	}
	return v, nil
}

// acceptedMark stands in a line exactly if its reading was accepted: quotes
// inside a JSON string are escaped.
var acceptedMark = []byte(`"accepted":true`)

// judgeLines counts the lines of a batch's answer. Only those that matter are
// decoded: what was not accepted, and the last one, which has the highest leaf.
func judgeLines(body []byte, n int) (verdict, error) {
	var v verdict
	lines := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
	if len(lines) != n {
		return v, fmt.Errorf("an answer of %d lines to %d commands", len(lines), n)
	}
	for i, text := range lines {
		if i+1 < n && bytes.Contains(text, acceptedMark) {
			v.accepted++
			continue
		}
		var line api.BatchLine
		if err := json.Unmarshal(text, &line); err != nil {
			return v, fmt.Errorf("a line of an answer is no document: %w", err)
		}
		v.take(line)
	}
	return v, nil
}

func (v *verdict) take(line api.BatchLine) {
	switch {
	case line.Outcome != nil:
		v.entry, v.leaf = max(v.entry, uint64(line.Outcome.Entry)), max(v.leaf, uint64(line.Outcome.Leaf))
		if line.Outcome.Accepted {
			v.accepted++
		} else {
			v.refused = append(v.refused, line.Outcome.Code)
		}
	case line.Problem == nil || line.Problem.Unknown() || undecided[line.Problem.Code]:
		if v.open++; v.why == "" {
			v.why = wordsOf(line.Problem)
		}
	default:
		v.refused = append(v.refused, line.Problem.Code)
	}
}

// wordsOf is a problem's code with its reason, if it gives one.
func wordsOf(p *api.Problem) string {
	if p == nil {
		return "an empty answer"
	}
	words := p.Code
	if words == "" {
		words = http.StatusText(p.Status)
	}
	if reason := p.Fields["reason"]; reason != "" {
		words += ": " + reason
	}
	return words
}

// undecided are the codes that say nothing about the command itself.
var undecided = map[string]bool{"Unavailable": true, "RateLimited": true}
