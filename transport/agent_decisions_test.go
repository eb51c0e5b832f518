package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// through is a client of somebody whose requests to a node go by a server that may
// do something with each first; it answers itself when that says so.
func (c *threeNodes) through(who string, node int, first func(w http.ResponseWriter, r *http.Request) (answered bool)) *client.Client {
	c.t.Helper()
	target, err := url.Parse(c.Nodes[node].URL)
	if err != nil {
		c.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	proxy.FlushInterval = -1
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !first(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	c.t.Cleanup(server.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	cl, err := client.Dial(client.Config{URLs: []string{server.URL}, CA: authorities, Cluster: c.Genesis.ClusterID(), Key: c.Key(who)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(cl.Close)
	return cl
}

// attester runs an agent of oracle-a that accepts steps up to a limit, until it is
// stopped.
func (r runner) attester(cl *client.Client, most api.Uint64, decisions *agent.Decisions) (stop func()) {
	r.t.Helper()
	a, err := agent.New(agent.Config{
		Client: cl, Key: r.c.Key("oracle-a"), Cluster: r.c.Genesis.Cluster, Decisions: decisions,
		Policy: agent.Policy{Rules: []agent.Rule{{Market: energy, Meter: "*", MaxRegister: &most}}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.c.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
		if decisions != nil {
			if err := decisions.Close(); err != nil {
				r.t.Error(err)
			}
		}
	}
}

// An agent is killed after it sent a vote whose outcome it does not know. When it
// is started again, the vote still shows nowhere, and its policy is another one by
// now; then the first vote comes through, and after it what the agent says now. With
// a decision log that is the same; without one it is an equivocation.
func TestKilledAgentContradictsNothing(t *testing.T) {
	c := start(t, nil)
	c.World()
	r := runner{t, c}
	for i, tt := range []struct {
		name string
		log  bool
		want string
	}{{"with a decision log", true, "0"}, {"without", false, "1"}} {
		nonce := uint64(i + 1)
		if _, err := c.Client("").Submit(c.Context(), c.Reading(nonce, 5000, base.Add(time.Duration(nonce)*time.Minute))); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "decisions")
		open := func() *agent.Decisions {
			if !tt.log {
				return nil
			}
			d, err := agent.OpenDecisions(path, agent.LogOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		// The first vote gets as far as a node that keeps it.
		kept := make(chan []byte, 16)
		stop := r.attester(c.through("oracle-a", 0, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			if body, err := io.ReadAll(r.Body); err == nil {
				kept <- body
			}
			<-r.Context().Done()
			return true
		}), 1000, open())
		first := <-kept
		stop()

		// It comes through just before the next one.
		outcomes := make(chan api.Outcome, 16)
		stop = r.attester(c.through("oracle-a", 1, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return true
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			for _, text := range [][]byte{first, body} {
				e, err := envelope.Parse(text)
				if err != nil {
					t.Error(err)
					return true
				}
				if o, err := c.Client("").Submit(c.Context(), e); err == nil {
					outcomes <- o
				}
			}
			return false
		}), 1_000_000, open())
		if o := <-outcomes; o.Result["counted"] != "1" {
			t.Errorf("%s: the first vote: %+v", tt.name, o)
		}
		// The first again, which is answered from the index, and what was signed anew.
		var last api.Outcome
		for last = <-outcomes; last.Result["counted"] == "1"; {
			last = <-outcomes
		}
		stop()
		if got := last.Result["equivocations"]; got != tt.want {
			t.Errorf("%s: %s equivocations, want %s: %+v", tt.name, got, tt.want, last)
		}
	}
}
