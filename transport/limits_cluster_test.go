package transport_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/transport"
	"github.com/tallyvault/tallyvault/transport/api"
)

// An address that has used up its signature checks is told when it may go on;
// what needs no check is answered still.
func TestChecksAreBudgeted(t *testing.T) {
	c := start(t, nil)
	c.World()
	s := &story{threeNodes: c, web: insecure(t)}
	u := c.another(t, transport.Config{Limits: transport.Limits{ChecksPerSecond: 0.01, ChecksBurst: 1024}}, nil).url
	forged := c.Reading(1, 1, base)
	forged.Signatures[0].Sig[0] ^= 1
	lines := bytes.Repeat(append(forged.JSON(), '\n'), 1020)
	response, text := s.do(t, "POST", u+"/v1/commands:batch", "", lines)
	if response.StatusCode != 200 || strings.Count(string(text), "SignatureInvalid") == 0 || response.Header.Get("RateLimit-Remaining") != "4" {
		t.Fatalf("%d %v %.200s", response.StatusCode, response.Header, text)
	}
	for range 4 {
		if response, text := s.do(t, "POST", u+"/v1/commands", "", forged.JSON()); response.StatusCode != 403 {
			t.Fatalf("%d %s", response.StatusCode, text)
		}
	}
	for path, body := range map[string][]byte{"/v1/commands": forged.JSON(), "/v1/commands:batch": lines} {
		response, text := s.do(t, "POST", u+path, "", body)
		p := decode[api.Problem](t, text)
		if response.StatusCode != 429 || p.Code != "RateLimited" || p.Logged || response.Header.Get("Retry-After") == "" || response.Header.Get("RateLimit-Limit") != "1024" {
			t.Errorf("%s: %d %v %s", path, response.StatusCode, response.Header, text)
		}
	}
	if response, _ := s.do(t, "GET", u+"/v1/markets", s.token(t, "ada"), nil); response.StatusCode != 429 {
		t.Errorf("a token was checked: %d", response.StatusCode)
	}
	for _, path := range []string{"/v1/nodes", "/v1/genesis"} {
		if response, _ := s.do(t, "GET", u+path, "", nil); response.StatusCode != 200 {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	if response, text := s.do(t, "POST", u+"/v1/commands", "", []byte("{}")); response.StatusCode != 400 {
		t.Errorf("what does not parse was charged: %d %s", response.StatusCode, text)
	}
	// Another door of the same node, and so another address budget, goes on.
	if _, err := c.Client("").Submit(c.Context(), c.Reading(1, 1, base)); err != nil {
		t.Error(err)
	}
}

// With public reads nobody needs a token.
func TestPublicReads(t *testing.T) {
	c := start(t, func(config *transport.Config) {
		config.PublicReads = true
		config.ReadHeaderTimeout = 250 * time.Millisecond
	})
	s := &story{threeNodes: c, web: insecure(t)}
	for _, path := range []string{"/v1/markets", "/v1/accounts", "/v1/status", "/v1/digest"} {
		if response, text := s.do(t, "GET", c.Nodes[1].URL+path, "", nil); response.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
	// A long-poll outlives the time limit for reading a request, here a second,
	// in the old protocol too.
	old := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(old.CloseIdleConnections)
	s.web = &http.Client{Transport: old}
	begun := time.Now()
	response, text := s.do(t, "GET", c.Nodes[1].URL+"/v1/readings?market=energy&wait=2", "", nil)
	if took := time.Since(begun); response.StatusCode != 200 || response.ProtoMajor != 1 || took < 2*time.Second {
		t.Errorf("answered after %s: %d %s", took, response.StatusCode, text)
	}
}

// FuzzRequests sends any path and query to a real node: whatever it is, the
// answer is a document or a problem, and never an internal error.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		"/v1/readings?market=energy&after=18446744073709551615&limit=1000", "/v1/meters?after=%00", "/v1/accounts?after=payer/city",
		"/v1/keys?after=ffffffffffffffffffffffffffffffff", "/v1/lanes?key=00000000000000000000000000000000&lane=m/x",
		"/v1/receipts/18446744073709551615", "/v1/receipts/0.tlog-proof", "/tile/5/000", "/tile/0/x999/999/999.p/1",
		"/v1/readings/energy/18446744073709551616", "/v1/settlements/energy/1", "/v1/policy?format=text", "//v1//nodes", "/v1/commands/%2e%2e",
		"/v1/markets?consistency=stale&min_index=0", "/v1/providers?after=zzzz&limit=1",
		"/v1/explain/energy/1", "/v1/explain/settlement%2Fenergy%2F18446744073709551616", "/v1/explain//", "/v1/explain/disbursement/",
		"/v1/explain/" + strings.Repeat("ab", 32), "/v1/providers/sunny/statement?after=energy/0", "/v1/schemas/..%2fx", "/reference?x=1",
		"/v1/treasury/disbursements?status=draft,,&from_epoch=18446744073709551615", "/v1/treasury/disbursements?since=-9223372036854775808&before=18446744073709551615",
		"/v1/treasury/timeline?disbursement=" + strings.Repeat("00", 32), "/v1/treasury/history?before=0&limit=1000", "/v1/treasury/withdrawals?after=0",
		"/v1/events?kind=none", "/v1/events?after=-1", "/v1/events?market=" + strings.Repeat("x", 65),
	} {
		f.Add(seed)
	}
	c := start(f, func(config *transport.Config) { config.PublicReads = true })
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	f.Cleanup(transport.CloseIdleConnections)
	f.Fuzz(func(t *testing.T, target string) {
		if strings.Contains(target, "wait") || strings.Contains(target, "min_index") {
			t.Skip("waiting is tested elsewhere")
		}
		r, err := http.NewRequest("GET", c.Nodes[0].URL+"/"+strings.TrimPrefix(target, "/"), nil)
		if err != nil {
			t.Skip("no URL")
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Skip("no request")
		}
		defer response.Body.Close()
		problem := response.Header.Get("Content-Type") == api.ProblemContentType
		if response.StatusCode >= 500 || (response.StatusCode == 404 && !problem) {
			t.Errorf("%q: %d", target, response.StatusCode)
		}
	})
}
