package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

// ask sends one request straight to a door.
func ask(d *Door, method, target, body string) (*httptest.ResponseRecorder, api.Problem) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	var p api.Problem
	_ = json.Unmarshal(w.Body.Bytes(), &p) // an answer without a problem leaves it empty
	return w, p
}

// Whatever is wrong with a request before any state is asked has one shape.
func TestBadRequestsAreProblems(t *testing.T) {
	d := closedDoor(t, Limits{})
	long := strings.Repeat("x", envelope.MaxJSON+1)
	tests := []struct {
		name, method, target, body string
		status                     int
		code                       string
	}{
		{"no route", "GET", "/v1/nothing", "", 404, "NotFound"},
		{"no such method", "DELETE", "/v1/markets", "", 404, "NotFound"},
		{"root", "GET", "/", "", 404, "NotFound"},
		{"unknown parameter", "GET", "/v1/markets?sort=up", "", 422, "MalformedPayload"},
		{"limit too large", "GET", "/v1/markets?limit=1001", "", 422, "MalformedPayload"},
		{"limit zero", "GET", "/v1/markets?limit=0", "", 422, "MalformedPayload"},
		{"limit no number", "GET", "/v1/markets?limit=ten", "", 422, "MalformedPayload"},
		{"cursor too long", "GET", "/v1/markets?after=" + strings.Repeat("a", 161), "", 422, "MalformedPayload"},
		{"consistency", "GET", "/v1/markets?consistency=strong", "", 422, "MalformedPayload"},
		{"min_index negative", "GET", "/v1/markets?min_index=-1", "", 422, "MalformedPayload"},
		{"no market", "GET", "/v1/readings", "", 422, "MalformedPayload"},
		{"wait too long", "GET", "/v1/readings?market=energy&wait=31", "", 422, "MalformedPayload"},
		{"number zero", "GET", "/v1/readings/energy/0", "", 422, "MalformedPayload"},
		{"number with sign", "GET", "/v1/readings/energy/+7", "", 422, "MalformedPayload"},
		{"identity short", "GET", "/v1/commands/abcd", "", 422, "MalformedPayload"},
		{"identity upper case", "GET", "/v1/commands/" + strings.Repeat("A", 64), "", 422, "MalformedPayload"},
		{"wait for anything", "GET", "/v1/commands/" + strings.Repeat("a", 64) + "?wait=long", "", 422, "MalformedPayload"},
		{"key id", "GET", "/v1/lanes?key=xyz", "", 422, "MalformedPayload"},
		{"leaf", "GET", "/v1/receipts/abc", "", 400, "MalformedPayload"},
		{"leaf with zeros", "GET", "/v1/receipts/007", "", 400, "MalformedPayload"},
		{"leaf too large", "GET", "/v1/receipts/99999999999999999999.tlog-proof", "", 400, "MalformedPayload"},
		{"leaf query", "GET", "/v1/receipts/7?until=final", "", 400, "MalformedPayload"},
		{"policy query twice", "GET", "/v1/policy?format=text&format=json", "", 400, "MalformedPayload"},
		{"tile level", "GET", "/tile/6/000", "", 400, "MalformedPayload"},
		{"tile spelling", "GET", "/tile/0/0", "", 400, "MalformedPayload"},
		{"tile of data", "GET", "/tile/data/000", "", 400, "MalformedPayload"},
		{"empty command", "POST", "/v1/commands", "", 400, "MalformedPayload"},
		{"no JSON", "POST", "/v1/commands", "hello", 400, "MalformedPayload"},
		{"too large", "POST", "/v1/commands", long, 413, "MalformedPayload"},
		{"no command", "POST", "/v1/commands", `{"payloadType":"x","payload":"","signatures":[]}`, 400, "MalformedPayload"},
		{"empty batch", "POST", "/v1/commands:batch", "", 400, "MalformedPayload"},
		{"batch of too many", "POST", "/v1/commands:batch", strings.Repeat("{}\n", maxBatchLines+1), 413, "MalformedPayload"},
		{"batch too large", "POST", "/v1/commands:batch", strings.Repeat("x", maxBatchBytes+1), 413, "MalformedPayload"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, p := ask(d, tt.method, tt.target, tt.body)
			if w.Code != tt.status || p.Status != tt.status || p.Code != tt.code {
				t.Fatalf("%d %s: %s, want %d %s", w.Code, p.Code, w.Body, tt.status, tt.code)
			}
			if got := w.Header().Get("Content-Type"); got != api.ProblemContentType {
				t.Errorf("content type %q", got)
			}
			if p.Type == "" || p.Title != p.Code || p.Detail == "" || p.Cause == "" || p.Recovery == "" || p.Runbook == "" || p.Logged {
				t.Errorf("problem %+v", p)
			}
		})
	}
}

// Every line of a batch is answered, malformed ones too.
func TestBatchOfMalformedLines(t *testing.T) {
	d := closedDoor(t, Limits{})
	w, _ := ask(d, "POST", "/v1/commands:batch", "hello\n\n{}\n")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), w.Body)
	}
	for i, text := range lines {
		var got api.BatchLine
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if got.Line != i+1 || got.Outcome != nil || got.Problem == nil || got.Problem.Code != "MalformedPayload" {
			t.Errorf("line %d: %s", i+1, text)
		}
	}
}

// A mistake in one request ends that request only, and says nothing of itself.
func TestPanicsAreProblems(t *testing.T) {
	d := closedDoor(t, Limits{}) // without a node, state cannot be asked
	w, p := ask(d, "GET", "/v1/markets", "")
	if w.Code != 500 || p.Code != "Unavailable" || strings.Contains(w.Body.String(), "nil pointer") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// serve runs a door without a node on a socket.
func serve(t *testing.T, d *Door) (address string, stop func()) {
	t.Helper()
	identity, err := newIdentity(identityConfig{
		dir: t.TempDir(), hosts: []string{"localhost", "127.0.0.1"}, cluster: d.config.Genesis.Cluster, node: "node-a",
		nodeKey: d.config.NodeKey, log: d.config.Logger,
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d.identity = identity
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, listener) }()
	var done bool
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the door ended: %v", err)
		}
	}
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

func dialTLS(t *testing.T, address string, protocols ...string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// A caller who sends a head slowly, or never ends it, is cut off.
func TestSlowHeadIsCutOff(t *testing.T) {
	d := closedDoor(t, Limits{})
	d.config.ReadHeaderTimeout = 200 * time.Millisecond
	address, _ := serve(t, d)
	c := dialTLS(t, address)
	if _, err := fmt.Fprint(c, "GET /v1/markets HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := bufio.NewReader(c).ReadString('\n'); err == nil || isTimeout(err) {
		t.Errorf("the connection is open after %s: %v", time.Since(begun), err)
	}
}

// A caller who promises a body and does not send it is cut off too.
func TestSlowBodyIsCutOff(t *testing.T) {
	d := closedDoor(t, Limits{})
	d.config.ReadHeaderTimeout = 100 * time.Millisecond
	address, _ := serve(t, d)
	c := dialTLS(t, address)
	if _, err := fmt.Fprint(c, "POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", response.StatusCode)
	}
}

// A connection that never finishes its handshake is cut off by the same limit.
func TestSilentConnectionIsCutOff(t *testing.T) {
	d := closedDoor(t, Limits{})
	d.config.ReadHeaderTimeout = 200 * time.Millisecond
	address, _ := serve(t, d)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("a silent connection was kept: %v", err)
	}
}

func TestLongHeadIsRefused(t *testing.T) {
	d := closedDoor(t, Limits{})
	address, _ := serve(t, d)
	c := dialTLS(t, address)
	// The library reads up to 4 KiB beyond the limit before it gives up.
	if _, err := fmt.Fprintf(c, "GET /openapi.json HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("a", maxHeaderBytes+8192)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestHTTP2IsOffered(t *testing.T) {
	address, _ := serve(t, closedDoor(t, Limits{}))
	if got := dialTLS(t, address, "h2").ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("protocol %q", got)
	}
}

func TestDoorEndsWithItsContext(t *testing.T) {
	address, stop := serve(t, closedDoor(t, Limits{}))
	dialTLS(t, address) // an open connection does not hold it up
	stop()
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("the door still listens")
	}
}

func TestOps(t *testing.T) {
	d := closedDoor(t, Limits{})
	ready := fmt.Errorf("no leader is known")
	o := Ops{Ready: func() error { return ready }, Gatherer: d.config.Registry.(*prometheus.Registry), Logger: d.config.Logger}
	ask(d, "GET", "/v1/nothing", "")
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		o.mux().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	if w := get("/livez"); w.Code != 200 {
		t.Errorf("livez: %d", w.Code)
	}
	if w := get("/readyz"); w.Code != 503 || !strings.Contains(w.Body.String(), "no leader is known") {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
	ready = nil
	if w := get("/readyz"); w.Code != 200 {
		t.Errorf("readyz: %d", w.Code)
	}
	if w := get("/metrics"); w.Code != 200 || !strings.Contains(w.Body.String(), `tallyvault_http_requests_total{route="other",status="404"} 1`) {
		t.Errorf("metrics: %d %s", w.Code, w.Body)
	}
	if w := get("/debug/pprof/heap"); w.Code != 200 || w.Body.Len() == 0 {
		t.Errorf("heap profile: %d", w.Code)
	}
	if w := get("/debug/pprof/profile?seconds=121"); w.Code != 400 {
		t.Errorf("a profile of two minutes and more: %d", w.Code)
	}
	if w := get("/v1/markets"); w.Code != 404 {
		t.Errorf("the operator's listener serves the API: %d", w.Code)
	}
}
