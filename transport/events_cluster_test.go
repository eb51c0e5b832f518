package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport"
	"github.com/tallyvault/tallyvault/transport/api"
)

// told is one block of a stream of events: an event, or an id alone.
type told struct {
	ID, Event string
	Data      api.Event
}

func (e told) String() string { return e.ID + " " + e.Event }

// ear reads a stream by the book, not by the client's parser.
type ear struct {
	t        *testing.T
	url      string
	answers  *answers // holds each event's data to the document, if there
	response *http.Response
	lines    *bufio.Reader
	hangUp   context.CancelFunc
}

// listenTo opens a stream; lastID may be "".
func (s *story) listenTo(t *testing.T, url, token, lastID string) *ear {
	t.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	response, err := s.web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return &ear{t: t, url: url, answers: s.answers, response: response, lines: bufio.NewReader(response.Body), hangUp: cancel}
}

// next is the next block; false at the end of the stream.
func (e *ear) next() (told, bool) {
	block, err := e.tryNext()
	if err != nil && !errors.Is(err, io.EOF) {
		e.t.Fatalf("reading a stream: %v", err)
	}
	return block, err == nil
}

func (e *ear) tryNext() (told, error) {
	var block told
	for {
		line, err := e.lines.ReadString('\n')
		if err != nil {
			return told{}, err // what is not whole does not count
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "":
			return block, nil
		case "id":
			block.ID = value
		case "event":
			block.Event = value
		case "data":
			if err := json.Unmarshal([]byte(value), &block.Data); err != nil {
				e.t.Fatalf("%v: %s", err, value)
			}
			if e.answers != nil {
				e.answers.check(e.t, http.MethodGet, e.url, e.response, []byte(value))
			}
		case "retry":
		default:
			e.t.Fatalf("a line of a stream: %q", line)
		}
	}
}

// until reads events until one is the last that is wanted.
func (e *ear) until(what string, last func(told) bool) []told {
	e.t.Helper()
	if e.response.StatusCode != 200 || e.response.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(e.response.Body)
		e.t.Fatalf("%d %v %s", e.response.StatusCode, e.response.Header, text)
	}
	var events []told
	for {
		block, ok := e.next()
		if !ok {
			e.t.Fatalf("the stream ended before %s; heard %v", what, events)
		}
		if block.Event == "" {
			continue
		}
		if c := block.Data.Checkpoint; c != nil && c.Size > block.Data.Leaf+1 {
			e.t.Errorf("a checkpoint of %d leaves is told behind leaf %d", c.Size, block.Data.Leaf)
		}
		events = append(events, block)
		if last(block) {
			e.hangUp()
			return events
		}
	}
}

// events: every node tells the same from the beginning, from anywhere on, and
// filtered.
func (s *story) events(t *testing.T) {
	var status api.Status
	s.get(t, "/v1/status", nil, &status)
	end := status.FinalSize
	// Everything below a size that is final now, and whatever comes with the walk.
	all := func(node int, query, lastID string) []told {
		t.Helper()
		e := s.listenTo(t, s.Nodes[node].URL+"/v1/events"+query, s.token(t, "ada"), lastID)
		events := e.until("the checkpoint", func(e told) bool { return e.Event == "checkpoint" && e.Data.Checkpoint.Size >= end })
		return slices.DeleteFunc(events, func(e told) bool { return e.Data.Leaf >= end || e.Event == "checkpoint" })
	}
	first := all(0, "?after=0", "")
	kinds := map[string]int{}
	last := api.Uint64(0)
	for _, e := range first {
		kinds[e.Event]++
		if e.ID != fmt.Sprint(uint64(e.Data.Leaf)) || e.Event != e.Data.Kind || e.Data.Leaf <= last {
			t.Fatalf("after leaf %d: %s", last, e)
		}
		last = e.Data.Leaf
	}
	// 4 readings, and one of the long-poll; 3 readings and one attempt were refused.
	if kinds["reading_accepted"] < 4 || kinds["settlement"] != 3 || kinds["reading_closed"] != 1 || kinds["release"] < 1 || kinds["outcome"] < 4 || kinds["threshold"] < 2 || kinds["cut"] == 0 {
		t.Fatalf("kinds %v", kinds)
	}
	for node, query := range map[int]string{1: "?after=0", 2: "?after=0"} {
		if other := all(node, query, ""); fmt.Sprint(other) != fmt.Sprint(first) {
			t.Errorf("node %d tells\n%v\nand node 0\n%v", node, other, first)
		}
	}
	for _, from := range []int{0, len(first) / 2, len(first) - 1} {
		if rest := all(from%3, "?after=0", first[from].ID); fmt.Sprint(rest) != fmt.Sprint(first[from+1:]) {
			t.Errorf("behind %s there is\n%v\nwant\n%v", first[from], rest, first[from+1:])
		}
	}
	for query, wanted := range map[string]func(api.Event) bool{
		"&kind=settlement,release,checkpoint":            func(e api.Event) bool { return e.Kind == "settlement" || e.Kind == "release" },
		"&meter=" + meterA:                               func(e api.Event) bool { return e.Meter == meterA || e.Kind == "release" },
		"&meter=" + meterB:                               func(e api.Event) bool { return e.Meter == meterB },
		"&market=" + energy + "&kind=outcome,checkpoint": func(e api.Event) bool { return e.Kind == "outcome" && e.Market == energy },
		"&market=none":                                   func(api.Event) bool { return false },
		"&provider=sunny": func(e api.Event) bool {
			return slices.Contains(e.Signers, "sunny") || e.Meter == meterA && e.Receipt != nil || e.Kind == "release"
		},
	} {
		want := slices.DeleteFunc(slices.Clone(first), func(e told) bool { return !wanted(e.Data) })
		if got := all(1, "?after=0"+query, ""); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s gives\n%v\nwant\n%v", query, got, want)
		}
	}
	s.eventsSay(t, first)
}

// eventsSay compares what events say with what the other routes do.
func (s *story) eventsSay(t *testing.T, events []told) {
	seen := map[string]bool{}
	for _, e := range events {
		seen[e.Event] = true
		switch {
		case e.Data.Receipt != nil:
			var receipt api.OneReceipt
			s.get(t, "/v1/receipts/"+e.ID, nil, &receipt)
			if string(receipt.Body) != string(e.Data.Receipt) {
				t.Errorf("%s: %s, and the receipt is %s", e, e.Data.Receipt, receipt.Body)
			}
		case e.Data.Outcome != nil:
			var outcome api.Outcome
			s.get(t, "/v1/commands/"+e.Data.Outcome.ID, nil, &outcome)
			outcome.Final = e.Data.Outcome.Final
			if fmt.Sprint(outcome) != fmt.Sprint(*e.Data.Outcome) || e.Data.Outcome.Leaf != e.Data.Leaf || len(e.Data.Signers) == 0 {
				t.Errorf("%s: %+v, and the outcome is %+v", e, e.Data.Outcome, outcome)
			}
		default:
			t.Errorf("%s says nothing", e)
		}
		if r := e.Data.Reading; r != nil && fmt.Sprint(uint64(r.Number)) != e.Data.Outcome.Result["number"] {
			t.Errorf("%s: %+v, %+v", e, r, e.Data.Outcome)
		}
	}
	if !seen["reading_accepted"] || !seen["outcome"] {
		t.Errorf("seen %v", slices.Sorted(maps.Keys(seen)))
	}
}

// eventAccess: receipts are public, what tells of commands is not; nonsense is
// refused before a stream begins.
func (s *story) eventAccess(t *testing.T) {
	u := s.Nodes[2].URL + "/v1/events"
	public := s.listenTo(t, u+"?after=0", "", "").until("a checkpoint", func(e told) bool { return e.Event == "checkpoint" })
	if len(public) < 3 {
		t.Errorf("public events %v", public)
	}
	for _, e := range public {
		if e.Data.Outcome != nil || e.Data.Reading != nil {
			t.Errorf("%s is public", e)
		}
	}
	for query, status := range map[string]int{
		"?kind=outcome":                      401,
		"?kind=all":                          400,
		"?after=-1":                          400,
		"?after=01":                          400,
		"?after=99999999999999999999":        400,
		"?since=3":                           400,
		"?after=1&after=2":                   400,
		"?market=" + strings.Repeat("m", 65): 400,
	} {
		response, text := s.do(t, "GET", u+query, "", nil)
		if p := decode[api.Problem](t, text); response.StatusCode != status || p.Code == "" {
			t.Errorf("%s: %d %s", query, response.StatusCode, text)
		}
	}
	if response, text := s.do(t, "GET", u, "nonsense", nil); response.StatusCode != 401 {
		t.Errorf("a bad token: %d %s", response.StatusCode, text)
	}
	// Without a position the stream begins now, with what is final.
	now := s.listenTo(t, u, "", "").until("a checkpoint", func(e told) bool { return e.Event == "checkpoint" })
	if len(now) != 1 {
		t.Errorf("a stream from now on tells of the past: %v", now)
	}
}

// hurried is another door to a node, whose streams have short times.
func hurried(t *testing.T, c *threeNodes, limits transport.Limits, stall, behind time.Duration) *another {
	t.Helper()
	return c.another(t, transport.Config{Limits: limits}, func(d *transport.Door) { d.HurryEvents(20*time.Millisecond, stall, behind) })
}

func (h *another) events() string { return h.url + "/v1/events" }

// ended is how many streams have ended for a reason.
func (h *another) ended(t *testing.T, reason string) float64 {
	t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "tallyvault_event_streams_ended_total" && m.Label[0].GetValue() == reason {
				total += m.Counter.GetValue()
			}
		}
	}
	return total
}

func isEnd(e told) bool { return e.Event == "end" }

// TestEventStreamsEnd: each end has its reason, and its id is where to go on.
func TestEventStreamsEnd(t *testing.T) {
	c := start(t, nil)
	c.World()
	s := &story{threeNodes: c, web: insecure(t)}
	h := hurried(t, c, transport.Limits{StreamsPerAddress: 2}, time.Minute, 200*time.Millisecond)
	url := h.events()

	t.Run("a position that nobody has", func(t *testing.T) {
		events := s.listenTo(t, url, "", "999999999").until("the end", isEnd)
		if len(events) != 1 || events[0].ID != "999999999" || events[0].Data.Reason != "behind" {
			t.Errorf("events %v", events)
		}
	})
	t.Run("silence", func(t *testing.T) {
		e := s.listenTo(t, url+"?market=none&kind=settlement", "", "1")
		begun := uint64(0)
		c.Until("an id that goes on by itself", func() bool {
			block, ok := e.next()
			id, err := strconv.ParseUint(block.ID, 10, 64)
			if !ok || err != nil || block.Event != "" || id < begun {
				t.Fatalf("block %v after %d", block, begun)
			}
			begun = id
			return id >= 4
		})
		e.hangUp()
	})
	t.Run("a token that expires", func(t *testing.T) {
		// It was good for a minute, which ended 28 s ago; clocks may differ by 30.
		token, err := api.SignToken(c.Key("ada"), c.Genesis.ClusterID(), time.Now().Add(-88*time.Second), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		events := s.listenTo(t, url, token, "").until("the end", isEnd)
		if last := events[len(events)-1]; last.Data.Reason != "token_expired" {
			t.Errorf("events %v", events)
		}
	})
	t.Run("a key that is revoked", func(t *testing.T) {
		e := s.listenTo(t, url, s.token(t, "windy"), "")
		c.Threshold(&fsm.RevokePrincipalKey{Key: [16]byte(c.Signer("windy").KeyID())})
		events := e.until("the end", isEnd)
		if last := events[len(events)-1]; last.Data.Reason != "key_ended" || last.ID == "" {
			t.Errorf("events %v", events)
		}
	})
	t.Run("too many, and the end of the node", func(t *testing.T) {
		s.Until("the places of the streams before", func() bool { return h.ended(t, "left") == 1 })
		first, second := s.listenTo(t, url, "", ""), s.listenTo(t, url, "", "")
		response, text := s.do(t, "GET", url, "", nil)
		if p := decode[api.Problem](t, text); response.StatusCode != 429 || p.Code != "RateLimited" || response.Header.Get("Retry-After") == "" {
			t.Errorf("a third stream: %d %s", response.StatusCode, text)
		}
		go h.shut()
		for _, e := range []*ear{first, second} {
			events := e.until("the end", isEnd)
			if last := events[len(events)-1]; last.Data.Reason != "shutdown" {
				t.Errorf("events %v", events)
			}
		}
	})
}

// A reader who does not take what he is sent loses the connection and no event: he
// goes on behind the last one that came whole.
func TestSlowReaderOfEvents(t *testing.T) {
	c := start(t, nil)
	c.World()
	s := &story{threeNodes: c, web: insecure(t)}
	// Much more than buffers hold; most of these readings are refused.
	const commands = 1500
	for begun := 0; begun < commands; begun += 500 {
		var batch []byte
		for range 500 {
			n := s.next()
			batch = append(append(batch, s.Reading(n, n, base.Add(time.Duration(n)*time.Millisecond)).JSON()...), '\n')
		}
		if response, text := s.do(t, "POST", s.Nodes[0].URL+"/v1/commands:batch", "", batch); response.StatusCode != 200 {
			t.Fatalf("%d %.300s", response.StatusCode, text)
		}
	}
	h := hurried(t, c, transport.Limits{}, 300*time.Millisecond, time.Minute)
	token := s.token(t, "ada")
	for _, http2 := range []bool{true, false} {
		small := insecure(t)
		rt := small.Transport.(*http.Transport)
		rt.ForceAttemptHTTP2, rt.ReadBufferSize = http2, 1024
		rt.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
		if !http2 {
			rt.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
		rt.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err == nil {
				err = conn.(*net.TCPConn).SetReadBuffer(4096)
			}
			return conn, err
		}
		slow := &story{threeNodes: c, web: small}
		e := slow.listenTo(t, h.events()+"?after=0", token, "")
		if major := e.response.ProtoMajor; major != map[bool]int{true: 2, false: 1}[http2] {
			t.Fatalf("HTTP/%d", major)
		}
		// Nothing is read until the door has given up.
		before := h.ended(t, "slow")
		s.Until("the door to cut off", func() bool { return h.ended(t, "slow") > before })
		seen := map[string]int{}
		last := ""
		for {
			block, err := e.tryNext()
			if err != nil {
				break
			}
			if block.Data.Outcome != nil {
				seen[block.ID]++
			}
			last = block.ID
		}
		if len(seen) == 0 || len(seen) >= commands {
			t.Fatalf("%d events came to a reader who did not read", len(seen))
		}
		rest := s.listenTo(t, h.events(), token, last).until("the last command", func(e told) bool {
			if e.Data.Outcome != nil {
				seen[e.ID]++
			}
			return len(seen) == commands+2
		})
		for id, times := range seen {
			if times != 1 {
				t.Errorf("event %s came %d times", id, times)
			}
		}
		t.Logf("HTTP/2 %v: %d events before the cut, %d after", http2, len(seen)-len(rest), len(rest))
	}
}

// Streams take turns at looking at leaves. One whose reader leaves while it waits for
// its turn gives up its place.
func TestStreamsTakeTurns(t *testing.T) {
	c := start(t, nil)
	c.World()
	s := &story{threeNodes: c, web: insecure(t)}
	h := hurried(t, c, transport.Limits{}, time.Minute, time.Minute)
	giveBack := sync.OnceFunc(h.door.HoldTurns())
	t.Cleanup(giveBack)
	gone := s.listenTo(t, h.events()+"?after=0", "", "")
	gone.hangUp()
	s.Until("the reader's place", func() bool { return h.ended(t, "left") == 1 })

	e := s.listenTo(t, h.events()+"?after=0", "", "")
	if block, ok := e.next(); !ok || block.ID != "0" {
		t.Fatalf("a stream begins with %v", block)
	}
	var given atomic.Bool
	heard := make(chan bool, 1)
	go func() {
		_, err := e.tryNext()
		heard <- err == nil && given.Load()
	}()
	if _, err := c.Client("").Submit(s.Context(), c.Reading(1, 1, base)); err != nil {
		t.Fatal(err)
	}
	given.Store(true)
	giveBack()
	if !<-heard {
		t.Error("a stream told of leaves out of turn")
	}
}

// gauge is the sum of a metric's values.
func (h *another) gauge(t *testing.T, name string) (total float64) {
	t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name {
				total += m.Gauge.GetValue()
			}
		}
	}
	return total
}
