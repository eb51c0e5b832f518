package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Bounds of the answers that are read before a node is trusted. A chain has a few
// receipt files for each node that was ever replaced.
const (
	maxNodesBody = 256 << 10
	maxChainBody = 8 << 20
)

// errPin says that a server showed a key that no pin names.
var errPin = errors.New("the server's TLS key is not pinned")

// endpoint is one node's URL with its own connections and pins.
type endpoint struct {
	base    string // without a trailing slash
	client  *http.Client
	genesis *genesis.Signed // nil: certificates are verified by authorities
	now     func() time.Time

	mu   sync.Mutex // held while pins are fetched
	pins map[api.Pin]bool
}

func newEndpoint(raw string, c Config, now func() time.Time) (*endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is not the https URL of a node", raw)
	}
	e := &endpoint{base: strings.TrimSuffix(u.String(), "/"), genesis: c.Genesis, now: now}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.CA}
	if c.Genesis != nil {
		// The chain is not verified because the pin says more; VerifyConnection
		// runs on every handshake, resumed ones included.
		config.InsecureSkipVerify = true
		config.VerifyConnection = e.verify
	}
	e.client = &http.Client{Transport: transportWith(config), CheckRedirect: noRedirect}
	return e, nil
}

func transportWith(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   5 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// noRedirect: a node never redirects, and a token must not follow one.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (e *endpoint) verify(state tls.ConnectionState) error {
	e.mu.Lock()
	known := e.pins
	e.mu.Unlock()
	if !known[api.PinOf(state.PeerCertificates[0])] {
		return errPin
	}
	return nil
}

// ensure fetches the pins of an endpoint that has none yet.
func (e *endpoint) ensure(ctx context.Context) error {
	if e.genesis == nil {
		return nil
	}
	e.mu.Lock()
	have := e.pins != nil
	e.mu.Unlock()
	if have {
		return nil
	}
	return e.learn(ctx)
}

// learn asks the server for the signed pins of its key, over a connection whose
// certificate is not trusted yet, and takes them if they name that very key.
func (e *endpoint) learn(ctx context.Context) error {
	var seen *x509.Certificate
	transport := transportWith(&tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // the answer itself proves the key, below
		VerifyConnection: func(state tls.ConnectionState) error {
			seen = state.PeerCertificates[0]
			return nil
		},
	})
	transport.ForceAttemptHTTP2 = false
	defer transport.CloseIdleConnections()
	asking := &http.Client{Transport: transport, CheckRedirect: noRedirect}
	pins, err := e.askPins(ctx, asking, func() api.Pin { return api.PinOf(seen) })
	if err != nil {
		return fmt.Errorf("%s: %w", e.base, err)
	}
	e.mu.Lock()
	e.pins = pins
	e.mu.Unlock()
	return nil
}

// askPins asks for pins of the key that the server showed. Genesis vouches for its own
// nodes; for a later one, the server must prove that it is of the committee now.
func (e *endpoint) askPins(ctx context.Context, asking *http.Client, shown func() api.Pin) (map[api.Pin]bool, error) {
	var nodes api.Nodes
	if err := fetch(ctx, asking, e.base+"/v1/nodes", maxNodesBody, &nodes); err != nil {
		return nil, fmt.Errorf("asking for its pins: %w", err)
	}
	pins, err := e.pinsIn(nodes, api.KeysOf(e.genesis), shown())
	if _, unknown := errors.AsType[*api.UnknownNodeError](err); !unknown {
		return pins, err
	}
	var chain api.PolicyChain
	if err := fetch(ctx, asking, e.base+"/v1/policy?format=json", maxChainBody, &chain); err != nil {
		return nil, fmt.Errorf("asking for its policy chain: %w", err)
	}
	history, err := chain.History(e.genesis)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPin, err)
	}
	return e.pinsIn(nodes, api.KeysIn(history, e.genesis), shown())
}

func fetch(ctx context.Context, client *http.Client, url string, limit int64, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return json.Unmarshal(body, into)
}

// pinsIn looks for a statement that a node with a known key signed and that names the
// key which the server showed.
func (e *endpoint) pinsIn(nodes api.Nodes, keys api.NodeKeys, shown api.Pin) (map[api.Pin]bool, error) {
	wrong := errors.New("no node stated any")
	for _, node := range nodes.Nodes {
		if len(node.Pins) == 0 {
			continue
		}
		signed, err := envelope.Parse(node.Pins)
		if err != nil {
			wrong = err
			continue
		}
		statement, err := api.VerifyPins(signed, e.genesis.Cluster, keys, e.now())
		if err != nil {
			wrong = err
			continue
		}
		if statement.Holds(shown) {
			return pinSet(statement.Pins), nil
		}
		wrong = fmt.Errorf("node %s pins other keys", statement.Node)
	}
	return nil, fmt.Errorf("%w by any node of cluster %s: %w", errPin, e.genesis.ClusterID(), wrong)
}

func pinSet(pins []api.Pin) map[api.Pin]bool {
	set := map[api.Pin]bool{}
	for _, p := range pins {
		set[p] = true
	}
	return set
}
