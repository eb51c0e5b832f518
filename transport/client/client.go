package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Limits of what is read from a node, and of how long it may take.
const (
	maxBody        = 64 << 20
	defaultTimeout = 20 * time.Second
	// defaultPatience is above what a busy cluster takes, and an election is longer
	// anyway.
	defaultPatience = time.Second
	longestWait     = 40 * time.Second // a node's long-poll, with room to answer
	firstPause      = 50 * time.Millisecond
	longestPause    = 2 * time.Second
)

// Config says which cluster to talk to and how.
type Config struct {
	URLs    []string        // of the nodes' APIs; all are used
	Genesis *genesis.Signed // of the cluster: certificates are checked against its node keys
	CA      *x509.CertPool  // instead of Genesis: authorities; nil means the system's
	// Cluster is the cluster's id in hex, for tokens. It follows from Genesis.
	Cluster string
	// Key signs the tokens for reads that are not public; nil reads what is public.
	Key ed25519.PrivateKey
	// Timeout bounds one request to one node. Default 20 s.
	Timeout time.Duration
	// Patience is how long a node that is asked may be silent before the next one is
	// asked beside it. Default 1 s.
	Patience time.Duration
	// Clock tells the time, which nodes then correct; see [Client.Now]. Default
	// time.Now.
	Clock func() time.Time
	// OneRound makes a read end when no node could answer, where it would be tried again
	// until its context ends: for whoever wants to know how a node is doing.
	OneRound bool
}

// Client sends commands to and reads from a cluster. It is safe for concurrent use.
type Client struct {
	config    Config
	endpoints []*endpoint
	last      atomic.Int64 // index of the endpoint that answered last
	ahead     atomic.Int64 // ns that the cluster's time is ahead of the clock

	mu    sync.Mutex
	token string
	until time.Time
}

// Dial makes a client. It connects when the first request is made.
func Dial(c Config) (*Client, error) {
	if len(c.URLs) == 0 {
		return nil, errors.New("no node's URL is given")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Timeout < 0 || c.Patience < 0 {
		return nil, errors.New("timeout and patience must not be negative")
	}
	if c.Genesis != nil {
		c.Cluster = c.Genesis.ClusterID()
	}
	if c.Key != nil && c.Cluster == "" {
		return nil, errors.New("a token needs the cluster's id: give a genesis or a cluster")
	}
	client := &Client{config: c}
	for _, raw := range c.URLs {
		e, err := newEndpoint(raw, c, client.Now)
		if err != nil {
			return nil, err
		}
		client.endpoints = append(client.endpoints, e)
	}
	return client, nil
}

// Close ends idle connections.
func (c *Client) Close() {
	for _, e := range c.endpoints {
		e.client.CloseIdleConnections()
	}
}

// request is what is sent to one node after the other until one can answer.
type request struct {
	method, path string // path with query
	body         []byte
	contentType  string
	timeout      time.Duration
}

// answer is one node's complete answer.
type answer struct {
	status     int
	header     http.Header
	body       []byte
	problem    *api.Problem // set if the answer is one
	retryAfter time.Duration
}

// tried is what came of asking one node.
type tried struct {
	node   *endpoint
	answer answer
	sent   bool
	err    error
	// open says that another node may have got the same request and its answer is
	// not known.
	open bool
}

// ask makes one request to one node after the other until usable accepts an
// answer, the node that answered last first. A node that says nothing for patience,
// because it is paused or cut off, is not waited for: the next one is asked beside
// it, and both are given up when one of them has helped. Only a request that a node
// is to hold back is given its whole time. won is nil if no answer was usable.
func (c *Client) ask(ctx context.Context, r request, usable func(tried) bool) (won *tried, all []tried) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	nodes := c.order()
	answers := make(chan tried, len(nodes))
	next, flying := 0, 0
	begin := func() {
		node := nodes[next]
		next++
		flying++
		go func() {
			a, sent, err := c.attempt(ctx, node, r)
			answers <- tried{node: node, answer: a, sent: sent, err: err}
		}()
	}
	begin()
	patience := max(c.config.Patience, r.timeout)
	impatience := time.NewTicker(patience)
	defer impatience.Stop()
	for flying > 0 {
		select {
		case t := <-answers:
			flying--
			t.open = flying > 0 || slices.ContainsFunc(all, func(before tried) bool { return before.err != nil && before.sent })
			all = append(all, t)
			if t.err == nil && usable(t) {
				c.answered(t.node)
				return &all[len(all)-1], all
			}
			if next < len(nodes) {
				begin()
				impatience.Reset(patience)
			}
		case <-impatience.C:
			if next < len(nodes) {
				begin()
			}
		}
	}
	return nil, all
}

// attempt makes one request to one node. sent says whether the node may have
// got it, which is what makes an outcome unknown.
func (c *Client) attempt(ctx context.Context, e *endpoint, r request) (a answer, sent bool, err error) {
	timeout := r.timeout
	if timeout == 0 {
		timeout = c.config.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := e.ensure(ctx); err != nil {
		return answer{}, false, err
	}
	a, sent, err = c.exchange(ctx, e, r)
	if errors.Is(err, errPin) {
		// The node has a new certificate: its node key must vouch for it.
		if err := e.learn(ctx); err != nil {
			return answer{}, false, err
		}
		a, sent, err = c.exchange(ctx, e, r)
	}
	if err == nil && a.problem != nil && c.hear(a.problem) && a.status == http.StatusUnauthorized {
		a, sent, err = c.exchange(ctx, e, r) // the token was of a wrong time
	}
	return a, sent, err
}

func (c *Client) exchange(ctx context.Context, e *endpoint, r request) (answer, bool, error) {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, r.method, e.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, false, err
	}
	if r.contentType != "" {
		request.Header.Set("Content-Type", r.contentType)
	}
	if err := c.authorize(request); err != nil {
		return answer{}, false, err
	}
	response, err := e.client.Do(request)
	if err != nil {
		return answer{}, sent.Load(), err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("it is longer than %d bytes", maxBody)
	}
	if err != nil {
		return answer{}, true, fmt.Errorf("reading the answer of %s: %w", e.base, err)
	}
	a := answer{status: response.StatusCode, header: response.Header, body: body}
	if response.StatusCode >= 400 {
		if a.problem, err = problemIn(response, body); err != nil {
			return answer{}, true, fmt.Errorf("%s: %w", e.base, err)
		}
		if s, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			a.retryAfter = time.Duration(s) * time.Second
		}
	}
	return a, true, nil
}

func problemIn(response *http.Response, body []byte) (*api.Problem, error) {
	var p api.Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Code == "" {
		return nil, fmt.Errorf("answered %s without a problem document", response.Status)
	}
	p.Status = response.StatusCode
	return &p, nil
}

// authorize adds a token, made anew when the last one is near its end.
func (c *Client) authorize(request *http.Request) error {
	if c.config.Key == nil {
		return nil
	}
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Add(time.Minute).After(c.until) {
		token, err := api.SignToken(c.config.Key, c.config.Cluster, now, api.MaxTokenLife)
		if err != nil {
			return err
		}
		c.token, c.until = token, now.Add(api.MaxTokenLife)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	return nil
}

// order lists the endpoints, the one that answered last first.
func (c *Client) order() []*endpoint {
	first := int(c.last.Load()) % len(c.endpoints)
	return append(append([]*endpoint{}, c.endpoints[first:]...), c.endpoints[:first]...)
}

func (c *Client) answered(e *endpoint) {
	for i, other := range c.endpoints {
		if other == e {
			c.last.Store(int64(i))
		}
	}
}

// pause waits before the next round over the nodes, longer each time and at
// least as long as a node asked for. False means that ctx ended.
func pause(ctx context.Context, round int, asked time.Duration) bool {
	wait := min(max(firstPause<<min(round, 10), asked), longestPause)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
