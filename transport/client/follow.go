package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
)

// Event is one thing that happened in a cluster; see /v1/events.
type Event = api.Event

// EventFilter says which events are wanted; an empty field takes everything.
// Checkpoints are about no market, meter or provider, and pass these filters.
type EventFilter struct {
	Kinds                   []string // of api.EventKinds
	Market, Meter, Provider string
}

func (f EventFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"kind": strings.Join(f.Kinds, ","), "market": f.Market, "meter": f.Meter, "provider": f.Provider,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// FromNow is where to follow from to hear only of what is to come.
const FromNow = ^uint64(0)

// eventSilence is how long a stream may be silent: nodes let 10 s pass at most.
const eventSilence = 25 * time.Second

// Follow yields what the journal holds behind the leaf after, and what becomes final,
// without end and without a gap: if a node ends the stream, is silent or dies, the
// next one goes on behind the last event. Keep the Leaf of the last event that was
// dealt with; from there another call goes on. No event comes twice in one call.
//
// The sequence ends with an error: a *Refused if a node refuses to tell, or that of
// ctx.
func (c *Client) Follow(ctx context.Context, f EventFilter, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s := follower{client: c, filter: f, yield: yield}
		if after != FromNow {
			s.last = strconv.FormatUint(after, 10)
		}
		err := s.run(ctx)
		if !errors.Is(err, errLeft) {
			yield(Event{}, err)
		}
	}
}

// follower is one sequence of events out of many streams.
type follower struct {
	client *Client
	filter EventFilter
	yield  func(Event, error) bool

	last  string     // id of the last block; "" until there is one
	final api.Uint64 // size of the last checkpoint
	heard bool       // whether the stream under way has told anything
}

// errLeft says that the caller wants no more.
var errLeft = errors.New("the caller has left")

func (s *follower) run(ctx context.Context) error {
	nodes := s.client.order()
	for round, at := 0, 0; ; at++ {
		node := nodes[at%len(nodes)]
		s.heard = false
		err := s.stream(ctx, node)
		var refusal *Refused
		switch {
		case errors.Is(err, errLeft):
			return err
		case errors.As(err, &refusal) && refusal.Status < 500 && refusal.Code != codeRateLimited:
			return err
		case errors.Is(err, errSameNode):
			at--
		}
		if s.heard {
			round = 0
			s.client.answered(node)
		}
		// Going round, every node is asked before there is a pause.
		if round++; round%len(nodes) == 0 || s.heard {
			if !pause(ctx, round/len(nodes), 0) {
				return fmt.Errorf("following events: %w", errors.Join(context.Cause(ctx), err))
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("following events: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}

// stream follows one node until it has no more to say.
func (s *follower) stream(ctx context.Context, node *endpoint) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(eventSilence, func() { cancel(errors.New("the node is silent")) })
	defer silence.Stop()
	response, err := s.client.open(ctx, node, "/v1/events?"+s.query())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	blocks := newEventReader(response.Body)
	for {
		b, err := blocks.next(func() { silence.Reset(eventSilence) })
		if err != nil {
			return fmt.Errorf("%s: %w", node.base, errors.Join(err, context.Cause(ctx)))
		}
		if err := s.take(b); err != nil {
			return err
		}
	}
}

// query asks for what comes behind the last block.
func (s *follower) query() string {
	query := s.filter.query()
	if s.last != "" {
		query.Set("after", s.last)
	}
	return query.Encode()
}

// take yields one block's event, if it has one that is news.
func (s *follower) take(b block) error {
	if b.data != "" {
		var e Event
		if err := json.Unmarshal([]byte(b.data), &e); err != nil {
			return fmt.Errorf("reading an event: %w", err)
		}
		switch {
		case e.Kind == api.EventEnd && e.Reason == api.EndToken:
			return errSameNode
		case e.Kind == api.EventEnd:
			return fmt.Errorf("the node ended the stream: %s", e.Reason)
		case e.Checkpoint != nil && e.Checkpoint.Size <= s.final:
			return nil // another node is not as far, or says it again
		case e.Checkpoint != nil:
			s.final = e.Checkpoint.Size
		}
		s.heard = true
		if !s.yield(e, nil) {
			return errLeft
		}
	}
	if b.id != "" {
		s.last = b.id
	}
	return nil
}
