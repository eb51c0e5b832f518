package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// eventTimes are the times of a stream of events.
type eventTimes struct {
	heartbeat time.Duration // the longest silence
	stall     time.Duration // how long a reader may leave what is written unread
	behind    time.Duration // how long a reader waits for a node to come as far as he is
}

var usualTimes = eventTimes{heartbeat: 10 * time.Second, stall: 20 * time.Second, behind: maxWait}

const eventsDescription = `Server-sent events of what the journal holds, in its order, and of what becomes final.
The id of an event is the number of the journal leaf that it tells of: it is the same on every node and after every restart, ` +
	`so a reader goes on at any node with Last-Event-ID (or after=) where another left him. Without either, the stream begins now; after=0 is the beginning.

An event checkpoint says that everything below its size is final. It comes after all events below its size and once at the ` +
	`beginning of a stream, passes the filters of market, meter and provider, and bears the id of the last leaf passed.
Silence lasts 10 seconds at most: then an id alone tells how far the stream has come, which is no event, as the standard says.
The last event is end, with a reason, unless the reader is too slow: one who leaves what is sent unread for 20 seconds is cut off, ` +
	`and goes on behind the last event that is complete.

Without a token there are receipts and checkpoints only: what tells of commands takes one. A stream ends when its token does.`

func (d *Door) eventRoutes() {
	parameter := func(name, in, doc string) *huma.Param {
		return &huma.Param{Name: name, In: in, Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	d.raw(huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: "/v1/events", Tags: []string{"events"},
		Summary: "What happens, as server-sent events", Description: eventsDescription,
		Security: some,
		Parameters: []*huma.Param{
			parameter("after", "query", "only what comes behind this journal leaf"),
			parameter("kind", "query", "only these kinds, with commas between them"),
			parameter("market", "query", "only what is about this market"),
			parameter("meter", "query", "only what is about this meter"),
			parameter("provider", "query", "only what is about this provider's readings and money, or signed by it"),
			parameter("Last-Event-ID", "header", "the id of the last event seen; it wins over after"),
		},
		Responses: d.responses(http.StatusOK, "events, each with its Event as data", d.content("text/event-stream", api.Event{})),
	}, d.events)
}

// events begins a stream. Whatever can be refused is refused before the first byte.
func (d *Door) events(w http.ResponseWriter, r *http.Request) error {
	query, err := onlyQuery(r, "after", "kind", "market", "meter", "provider")
	if err != nil {
		return err
	}
	s := &stream{door: d, out: w, control: http.NewResponseController(w)}
	if s.filter, err = parseEventFilter(query); err != nil {
		return err
	}
	if err := s.admit(r); err != nil {
		return err
	}
	if s.last, err = d.eventPosition(query["after"], r.Header.Get("Last-Event-ID")); err != nil {
		return err
	}
	leave, err := d.streams.enter(addressOf(r.RemoteAddr), d.config.Limits.Streams, d.config.Limits.StreamsPerAddress)
	if err != nil {
		return err
	}
	defer leave()
	d.metrics.streams.Inc()
	defer d.metrics.streams.Dec()
	s.run(r.Context())
	return nil
}

// eventPosition is the last leaf that the reader does not want any more.
func (d *Door) eventPosition(after, lastID string) (uint64, error) {
	name, text := "Last-Event-ID", lastID
	if text == "" {
		name, text = "after", after
	}
	if text == "" {
		return max(d.config.Node.View().TreeSize(), 1) - 1, nil
	}
	leaf, err := strconv.ParseUint(text, 10, 63)
	if err != nil || decimal(leaf) != text {
		return 0, malformed(name, errors.New("want the number of a journal leaf"))
	}
	return leaf, nil
}

// streams counts the streams of a kind that are open.
type streams struct {
	kind string // in the plural

	mu        sync.Mutex
	total     int
	byAddress map[netip.Prefix]int
}

// enter takes a place, which leave gives back.
func (s *streams) enter(address netip.Prefix, inAll, ofEach int) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= inAll || s.byAddress[address] >= ofEach {
		p := problem(fsm.RateLimited, fsm.Field{Name: "address", Value: address.String()},
			fsm.Field{Name: "limit", Value: fmt.Sprintf("%d %s of one address, %d in all", ofEach, s.kind, inAll)})
		return nil, huma.ErrorWithHeaders(p, retryAfter(time.Second))
	}
	s.total++
	s.byAddress[address]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total--
		if s.byAddress[address]--; s.byAddress[address] == 0 {
			delete(s.byAddress, address)
		}
	}, nil
}

// A stream tells one reader what the journal holds. It has no queue: it reads the
// journal at the reader's own pace, so that a slow one costs a place and no memory.
type stream struct {
	door    *Door
	out     http.ResponseWriter
	control *http.ResponseController
	filter  eventFilter
	reader  Reader        // the zero Reader for public reads, and for who sees receipts only
	scan    *cluster.Scan // nil until there is something to tell
	last    uint64        // the last leaf passed
	final   uint64        // size of the checkpoint told last

	pending bytes.Buffer
	written time.Time // when something was written last
}

// admit asks for a token where one is needed.
func (s *stream) admit(r *http.Request) error {
	if !s.door.config.PublicReads && r.Header.Get("Authorization") == "" {
		narrow, asked := s.filter.narrowed()
		if !asked {
			s.filter = narrow
			return nil
		}
	}
	var err error
	s.reader, err = s.door.readerOfRequest(r)
	return err
}

// run writes events until the reader leaves or something ends the stream.
func (s *stream) run(ctx context.Context) {
	header := s.out.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // proxies must not wait for more
	// The deadline of the request's body stays: the library waits for a body that was
	// announced before it writes, and must not do so for ever. Nothing else is bound by it.
	s.pending.WriteString("retry: 1000\n")
	s.mark()
	reason, err := "", s.flush()
	for begun := time.Now(); err == nil && reason == ""; {
		reason, err = s.step(ctx, begun)
	}
	if reason != "" {
		s.write(&api.Event{Kind: api.EventEnd, Leaf: api.Uint64(s.last), Reason: reason})
		err = s.flush()
	}
	s.door.metrics.streamEnded(reason, err)
}

// step tells what there is, or waits for more. It gives the reason for which the
// stream ends in order, or the error after which nothing can be written.
func (s *stream) step(ctx context.Context, begun time.Time) (reason string, err error) {
	d := s.door
	// The channels come before the looks, so that no change is missed.
	moved := d.config.Node.Changed()
	published, publication := d.config.Node.Published()
	if reason := s.over(); reason != "" {
		return reason, nil
	}
	size := d.config.Node.Scannable()
	if size <= s.last && time.Since(begun) > d.times.behind {
		return api.EndBehind, nil
	}
	told, err := s.tell(ctx, size)
	if ctx.Err() != nil {
		return "", ctx.Err() // the reader has left: nobody needs the rest
	}
	if err != nil {
		d.config.Logger.Error("reading the journal for a stream of events failed", "leaf", s.last+1, "err", err)
		return api.EndFailed, nil
	}
	if published.Size > s.final && published.Size <= s.last+1 && s.last < size {
		s.final = published.Size
		if s.filter.wants(api.EventCheckpoint) {
			s.write(checkpointEvent(s.last, published))
		}
	}
	if s.pending.Len() == 0 && time.Since(s.written) >= d.times.heartbeat {
		s.mark()
	}
	if err := s.flush(); err != nil || told {
		return "", err
	}
	timer := time.NewTimer(d.times.heartbeat - min(time.Since(s.written), d.times.heartbeat))
	defer timer.Stop()
	select {
	case <-moved:
	case <-publication:
	case <-timer.C:
	case <-d.stop:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return "", nil
}

// over says why a stream ends that could go on.
func (s *stream) over() string {
	select {
	case <-s.door.stop:
		return api.EndShutdown
	default:
	}
	if s.reader.until.IsZero() {
		return ""
	}
	v := s.door.config.Node.View()
	key, ok := v.Key(s.reader.key)
	switch {
	case !ok || !key.LiveAt(v.Height()) || !key.Has(fsm.ScopeRead):
		return api.EndKey
	case s.door.config.Node.Time().After(s.reader.until.Add(clockSlack)):
		return api.EndToken
	}
	return ""
}

// tell puts what is below size behind what is pending, as much as is written at a
// time, and reports whether it got any further. It waits for its turn: streams that
// catch up take half the processors together, however many there are and however
// little passes their filters.
func (s *stream) tell(ctx context.Context, size uint64) (bool, error) {
	from := s.last + 1
	if size <= from {
		return false, nil
	}
	select {
	case s.door.turns <- struct{}{}:
		defer func() { <-s.door.turns }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if s.scan == nil {
		// Not before the leaf is there: a scan finds its place among the outcomes once.
		var err error
		if s.scan, err = s.door.config.Node.Scan(from); err != nil {
			return false, err
		}
	}
	err := s.scan.To(min(size, from+maxScanned), func(leaf cluster.Scanned) (bool, error) {
		e, err := s.door.event(s.filter, leaf)
		if err != nil {
			return false, err
		}
		if e != nil {
			s.write(e)
		}
		return s.pending.Len() < maxEventBytes, nil
	})
	s.last = s.scan.Next() - 1
	return true, err
}

func (s *stream) write(e *api.Event) {
	data, err := json.Marshal(e)
	if err != nil {
		panic("transport: an event cannot fail to encode: " + err.Error())
	}
	fmt.Fprintf(&s.pending, "id: %d\nevent: %s\ndata: %s\n\n", e.Leaf, e.Kind, data)
}

// mark tells how far the stream has come. An id without data is no event.
func (s *stream) mark() { fmt.Fprintf(&s.pending, "id: %d\n\n", s.last) }

// flush writes what is pending, and fails when the reader does not take it.
func (s *stream) flush() error {
	if s.pending.Len() == 0 {
		return nil
	}
	err := s.control.SetWriteDeadline(time.Now().Add(s.door.times.stall))
	if err == nil {
		_, err = s.pending.WriteTo(s.out)
	}
	if err == nil {
		err = s.control.Flush()
	}
	if err == nil {
		// HTTP/2 ends a stream when the deadline passes, whether or not something is
		// being written.
		err = s.control.SetWriteDeadline(time.Time{})
	}
	s.written = time.Now()
	return err
}
