package transport_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/transport"
	"github.com/tallyvault/tallyvault/transport/api"
)

// What bounds the time in which a request comes in ends no stream and no long-poll of
// one that came in whole, and ends one that never does: it must not keep its place.
func TestTimeToComeInIsBounded(t *testing.T) {
	c := start(t, nil)
	// A request has 400 ms to come in.
	h := c.another(t, transport.Config{PublicReads: true, ReadHeaderTimeout: 100 * time.Millisecond}, func(d *transport.Door) {
		d.HurryEvents(20*time.Millisecond, time.Minute, time.Minute)
	})
	open := func() float64 { return h.gauge(t, "tallyvault_event_streams") }
	for _, http2 := range []bool{true, false} {
		web := insecure(t)
		if !http2 {
			web.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			web.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
		s := &story{threeNodes: c, web: web}
		e := s.listenTo(t, h.events(), "", "")
		for begun := time.Now(); time.Since(begun) < 900*time.Millisecond; {
			if _, ok := e.next(); !ok {
				t.Fatalf("HTTP/2 %v: the stream ended after %s", http2, time.Since(begun))
			}
		}
		e.hangUp()
		begun := time.Now()
		response, text := s.do(t, "GET", h.url+"/v1/readings?market=energy&wait=1", "", nil)
		if took := time.Since(begun); response.StatusCode != 200 || (response.ProtoMajor == 2) != http2 || took < time.Second {
			t.Errorf("%s after %s: %d %s", response.Proto, took, response.StatusCode, text)
		}
	}
	c.Until("the streams to be over", func() bool { return open() == 0 })
	conn, err := tls.Dial("tcp", strings.TrimPrefix(h.url, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	c.Until("the stream to begin", func() bool { return open() == 1 })
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a stream whose request never came in keeps its place: %v", err)
	}
	if err == nil && !strings.HasPrefix(line, "HTTP/1.1 200") {
		t.Errorf("answered %q", line)
	}
}

// A reader who is ahead of a node goes on there once the node has come as far.
func TestStreamFromTheFuture(t *testing.T) {
	c := start(t, nil)
	c.World()
	s := &story{threeNodes: c, web: insecure(t)}
	h := hurried(t, c, transport.Limits{}, time.Minute, time.Minute)
	var status api.Status
	s.get(t, "/v1/status", nil, &status)
	e := s.listenTo(t, h.events()+"?kind=reading_accepted,outcome", s.token(t, "ada"), fmt.Sprint(uint64(status.TreeSize)+3))
	for n := range uint64(4) {
		reading := c.Reading(n+1, n+1, base.Add(time.Duration(n)*time.Minute))
		if _, err := c.Client("").Submit(c.Context(), reading); err != nil {
			t.Fatal(err)
		}
	}
	events := e.until("an event", func(e told) bool { return e.Event != "" })
	if last := events[len(events)-1]; last.Data.Outcome == nil {
		t.Errorf("it was told %v", events)
	}
	e.hangUp()
}
