package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

// TestThreeNodes tells one story of a cluster from its doors. The parts build on
// each other and run in order.
func TestThreeNodes(t *testing.T) {
	c := start(t, nil)
	c.World()
	s := &story{threeNodes: c, web: insecure(t)}
	_, document := s.do(t, http.MethodGet, c.Nodes[0].URL+"/openapi.json", "", nil)
	s.answers = answersOf(t, document)
	t.Run("any node takes a reading", s.anyNode)
	t.Run("resending changes nothing", s.resend)
	t.Run("refusals", s.refusals)
	t.Run("batch", s.batch)
	t.Run("attestation and settlement", s.settle)
	t.Run("treasury", s.treasury)
	t.Run("lists", s.lists)
	t.Run("evidence", s.evidence)
	t.Run("journal", s.journal)
	t.Run("who may read", s.access)
	t.Run("freshness", s.freshness)
	t.Run("long-poll", s.longPoll)
	t.Run("status", s.status)
	t.Run("events", s.events)
	t.Run("who may hear events", s.eventAccess)
	t.Run("metrics", s.metrics)
	t.Run("documents", s.documents)
	t.Run("what is documented", s.documented)
}

type story struct {
	*threeNodes
	web     *http.Client
	answers *answers
	nonce   uint64
	first   api.Outcome // of the first reading
	sent    envelope.Envelope
}

// insecure looks at answers as curl -k does; the client's own checks are tested
// where the client is.
func insecure(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// base is some moment some hours ago, to which readings are relative.
var base = time.Now().Add(-10 * time.Hour).Truncate(time.Second)

func (s *story) next() uint64 {
	s.nonce++
	return s.nonce
}

func (s *story) do(t *testing.T, method, url, token string, body []byte) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if s.answers != nil {
		s.answers.check(t, method, url, response, text)
	}
	return response, text
}

func (s *story) token(t *testing.T, who string) string {
	t.Helper()
	token, err := api.SignToken(s.Key(who), s.Genesis.ClusterID(), time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// get reads as ada from the first node.
func (s *story) get(t *testing.T, path string, query url.Values, out any) {
	t.Helper()
	if err := s.Client("ada", 0).Get(s.Context(), path, query, out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	// Once more without the client, for the document's sake.
	if response, text := s.do(t, http.MethodGet, s.Nodes[0].URL+path+"?"+query.Encode(), s.token(t, "ada"), nil); response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s %s", path, response.Status, text)
	}
}

func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var out T
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

func (s *story) anyNode(t *testing.T) {
	for i := range s.Nodes {
		e := s.Reading(s.next(), 1000+uint64(i)*100, base.Add(time.Duration(i)*30*time.Minute))
		response, text := s.do(t, "POST", s.Nodes[i].URL+"/v1/commands", "", e.JSON())
		o := decode[api.Outcome](t, text)
		if response.StatusCode != 200 || !o.Accepted || o.ID != e.Identity().String() || o.Command != "submit_reading" || o.Result["number"] != fmt.Sprint(i+1) {
			t.Fatalf("node %d: %d %s", i, response.StatusCode, text)
		}
		if response.Header.Get("RateLimit-Remaining") == "" {
			t.Errorf("headers %v", response.Header)
		}
		if i == 0 {
			s.first, s.sent = o, e
		}
	}
}

func (s *story) resend(t *testing.T) {
	for i := range s.Nodes {
		o, err := s.Client("", i).Submit(s.Context(), s.sent)
		if err != nil || o.Leaf != s.first.Leaf || o.Entry != s.first.Entry {
			t.Errorf("node %d: %+v, %v", i, o, err)
		}
		o, err = s.Client("", i).Await(s.Context(), s.sent.Identity())
		if err != nil || !o.Final || o.Leaf != s.first.Leaf {
			t.Errorf("node %d: %+v, %v", i, o, err)
		}
	}
	_, text := s.do(t, "GET", s.Nodes[0].URL+"/v1/commands/"+strings.Repeat("ab", 32), "", nil)
	if p := decode[api.Problem](t, text); p.Code != "NotFound" || p.Fields["kind"] != "outcome" {
		t.Errorf("an outcome of nothing: %s", text)
	}
}

// refusals at the door consume nothing, refusals in the log do.
func (s *story) refusals(t *testing.T) {
	at := base.Add(2 * time.Hour)
	reading := func(change func(*fsm.SubmitReading), lane string, nonce uint64, who string, now time.Time) envelope.Envelope {
		cmd := &fsm.SubmitReading{
			Market: energy, Meter: meterA, Register: 2000, MeasuredAt: at.UnixMilli(),
			Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
		}
		if change != nil {
			change(cmd)
		}
		e, err := s.Signer(who).Build(cmd, lane, nonce, now, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	lane, now := "m/"+meterA, time.Now()
	forged := reading(nil, lane, s.nonce+1, "sunny", now)
	forged.Signatures[0].Sig[10] ^= 1
	foreign := s.Signer("sunny")
	foreign.Cluster[0] ^= 1
	elsewhere, err := foreign.Build(&fsm.SubmitReading{Market: energy, Meter: meterA}, lane, s.nonce+1, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	otherEra := s.Signer("sunny")
	otherEra.Era = "1-" + strings.Repeat("0", 64)
	later, err := otherEra.Build(&fsm.SubmitReading{Market: energy, Meter: meterA}, lane, s.nonce+1, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	stranger := reading(nil, lane, s.nonce+1, "sunny", now)
	stranger.Signatures[0].KeyID[0] ^= 1
	tests := []struct {
		name   string
		e      envelope.Envelope
		code   string
		status int
		logged bool
		field  string
	}{
		{"forged", forged, "SignatureInvalid", 403, false, "key"},
		{"unknown key", stranger, "UnknownKey", 403, false, "key"},
		{"another cluster", elsewhere, "WrongCluster", 409, false, "cluster"},
		{"another era", later, "WrongEra", 409, false, "era"},
		{"expired", reading(nil, lane, s.nonce+1, "sunny", now.Add(-2*time.Hour)), "Expired", 422, false, "now"},
		{"replayed nonce", reading(func(r *fsm.SubmitReading) { r.Register++ }, lane, s.nonce, "sunny", now), "NonceReplay", 409, false, "last_nonce"},
		{"unknown meter's lane", reading(func(r *fsm.SubmitReading) { r.Meter = "none" }, "m/none", 1, "sunny", now), "NotFound", 404, false, "id"},
		{"another provider's lane", reading(nil, lane, 1, "windy", now), "MeterMismatch", 422, false, "reason"},
		{"another provider's meter", reading(nil, "0", 1, "windy", now), "MeterMismatch", 422, true, "reason"},
		{"skewed clock", reading(nil, "1", 1, "sunny", now.Add(20*time.Minute)), "TimestampSkew", 422, true, "now"},
		{"no right", reading(func(r *fsm.SubmitReading) { r.Register = 2001 }, "0", 1, "ada", now), "Unauthorized", 403, true, "scope"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			response, text := s.do(t, "POST", s.Nodes[i%3].URL+"/v1/commands", "", tt.e.JSON())
			p := decode[api.Problem](t, text)
			if response.StatusCode != tt.status || p.Code != tt.code || p.Logged != tt.logged || p.Fields[tt.field] == "" {
				t.Fatalf("%d %s", response.StatusCode, text)
			}
			if (p.Outcome != nil) != tt.logged {
				t.Errorf("outcome %+v", p.Outcome)
			}
			if !tt.logged {
				return
			}
			if p.Outcome.Accepted || p.Outcome.Code != tt.code || p.Outcome.Cause == "" || p.Outcome.Recovery == "" {
				t.Errorf("outcome %+v", p.Outcome)
			}
			o, err := s.Client("").Outcome(s.Context(), tt.e.Identity())
			if err == nil || o.Code != tt.code {
				t.Errorf("asked again: %+v, %v", o, err)
			}
		})
	}
	next, err := s.Client("sunny").NextNonce(s.Context(), s.Signer("sunny").KeyID(), lane)
	if err != nil || next != s.nonce+1 {
		t.Errorf("the next nonce is %d, want %d: %v", next, s.nonce+1, err)
	}
}

func (s *story) batch(t *testing.T) {
	good := s.Reading(s.next(), 1300, base.Add(90*time.Minute))
	forged := s.Reading(s.nonce+1, 1400, base.Add(2*time.Hour))
	forged.Signatures[0].Sig[0] ^= 1
	// Logged and refused: the register's time is taken.
	taken := s.Reading(s.next(), 1300, base.Add(90*time.Minute))
	body := bytes.Join([][]byte{good.JSON(), []byte("nonsense"), forged.JSON(), taken.JSON(), s.sent.JSON()}, []byte("\n"))
	response, text := s.do(t, "POST", s.Nodes[1].URL+"/v1/commands:batch", "", body)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if response.StatusCode != 200 || len(lines) != 5 {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	for i, want := range []string{"", "MalformedPayload", "SignatureInvalid", "SettlementConflict", ""} {
		got := decode[api.BatchLine](t, []byte(lines[i]))
		code, logged := "", got.Outcome != nil
		if got.Problem != nil {
			code = got.Problem.Code
		} else if got.Outcome != nil {
			code = got.Outcome.Code
		}
		if got.Line != i+1 || code != want || logged == (i == 1 || i == 2) {
			t.Errorf("line %d: %s, want %q", i+1, lines[i], want)
		}
	}
	if got := decode[api.BatchLine](t, []byte(lines[4])); got.Outcome == nil || got.Outcome.Leaf != s.first.Leaf {
		t.Errorf("resent in a batch: %s", lines[4])
	}
}

func (s *story) status(t *testing.T) {
	leaders := 0
	for i := range s.Nodes {
		var status api.Status
		if err := s.Client("ada", i).Get(s.Context(), "/v1/status", nil, &status); err != nil {
			t.Fatal(err)
		}
		if status.Node != s.Nodes[i].Name || status.Leader == "" || !status.Ready || len(status.Alarms) != 0 || status.Cluster != s.Genesis.ClusterID() || status.FinalSize == 0 {
			t.Errorf("status %+v", status)
		}
		if status.Role == "leader" {
			leaders++
		}
	}
	if leaders != 1 {
		t.Errorf("%d leaders", leaders)
	}
	// Nodes that have applied the same entry have the same digest.
	s.Until("equal digests at one index", func() bool {
		seen := map[api.Uint64]string{}
		for i := range s.Nodes {
			d, err := s.Client("ada", i).Digest(s.Context())
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := seen[d.Index]; ok && other != d.Digest {
				t.Fatalf("digests differ at entry %d", d.Index)
			}
			seen[d.Index] = d.Digest
		}
		return len(seen) == 1
	})
	var nodes api.Nodes
	s.get(t, "/v1/nodes", nil, &nodes)
	if len(nodes.Nodes) != 3 || nodes.Cosigners != 2 || !nodes.Nodes[0].This || len(nodes.Nodes[0].Pins) == 0 || len(nodes.Nodes[1].Pins) != 0 {
		t.Errorf("nodes %+v", nodes)
	}
}

func (s *story) metrics(t *testing.T) {
	families, err := s.Nodes[0].Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range families {
		found[f.GetName()] = true
		if f.GetName() != "energy_rpc_total" {
			continue
		}
		for _, m := range f.Metric {
			text := fmt.Sprint(m.Label)
			if strings.Contains(text, "submit_reading") && !strings.Contains(text, energy) {
				t.Errorf("a reading is counted without its market: %s", text)
			}
		}
	}
	for _, name := range []string{"tallyvault_http_requests_total", "tallyvault_http_request_seconds", "energy_rpc_total", "tallyvault_door_refusals_total"} {
		if !found[name] {
			t.Errorf("no metric %s", name)
		}
	}
}

// freshness: what was answered by one node is seen at another at once.
func (s *story) freshness(t *testing.T) {
	o := s.Threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1}, Reference: "freshness"})
	for i := range s.Nodes {
		for _, query := range []url.Values{
			{"consistency": {"linearizable"}},
			{"consistency": {"default"}},
			{},
			{"consistency": {"stale"}, "min_index": {fmt.Sprint(o.Entry)}},
		} {
			var accounts api.Accounts
			if err := s.Client("ada", i).Get(s.Context(), "/v1/accounts", query, &accounts); err != nil {
				t.Fatal(err)
			}
			if accounts.Index < o.Entry {
				t.Errorf("node %d, %v: index %d, want at least %d", i, query, accounts.Index, o.Entry)
			}
		}
	}
	response, _ := s.do(t, "GET", s.Nodes[0].URL+"/v1/accounts", s.token(t, "ada"), nil)
	if response.Header.Get("Tallyvault-Index") == "" {
		t.Errorf("headers %v", response.Header)
	}
	// An index that is far off is waited for only as long as the caller likes.
	ctx, cancel := context.WithTimeout(s.Context(), 300*time.Millisecond)
	defer cancel()
	var accounts api.Accounts
	if err := s.Client("ada", 0).Get(ctx, "/v1/accounts", url.Values{"consistency": {"stale"}, "min_index": {"999999999"}}, &accounts); err == nil {
		t.Error("an index nobody has was answered")
	}
}

// longPoll answers soon after a reading came in, not after the whole wait.
func (s *story) longPoll(t *testing.T) {
	var before api.Readings
	s.get(t, "/v1/readings", url.Values{"market": {energy}, "limit": {"1"}}, &before)
	type result struct {
		page api.Readings
		err  error
		took time.Duration
	}
	answered := make(chan result, 1)
	begun := time.Now()
	client := s.Client("ada", 2)
	go func() {
		var r result
		r.err = client.Get(s.Context(), "/v1/readings", url.Values{
			"market": {energy}, "after": {fmt.Sprint(before.Last)}, "wait": {"25"}, "consistency": {"stale"},
		}, &r.page)
		r.took = time.Since(begun)
		answered <- r
	}()
	e := s.Reading(s.next(), 5000, base.Add(8*time.Hour))
	if _, err := s.Client("").Submit(s.Context(), e); err != nil {
		t.Fatal(err)
	}
	r := <-answered
	if r.err != nil || len(r.page.Readings) != 1 || r.page.Readings[0].Identity != e.Identity().String() {
		t.Fatalf("page %+v, %v", r.page, r.err)
	}
	if r.took > 20*time.Second {
		t.Errorf("answered after %s", r.took)
	}
	// Without a reading, an empty page comes after the wait.
	var empty api.Readings
	s.get(t, "/v1/readings", url.Values{"market": {energy}, "after": {fmt.Sprint(r.page.Last)}, "wait": {"1"}}, &empty)
	if len(empty.Readings) != 0 || empty.Last != r.page.Last {
		t.Errorf("page %+v", empty)
	}
}
