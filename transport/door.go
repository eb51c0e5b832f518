package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"sync"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/reference"
)

// Time limits of a connection. A write may take as long as the longest wait
// that a caller can ask for, with room to answer. A request with its body must
// be in within bodyFactor times what its head may take.
const (
	readHeaderTimeout = 5 * time.Second
	bodyFactor        = 4
	writeTimeout      = maxWait + 30*time.Second
	idleTimeout       = 90 * time.Second
	shutdownTimeout   = 3 * time.Second
	maxStreams        = 128 // requests under way on one HTTP/2 connection
)

// Config is what a door needs.
type Config struct {
	Node    *cluster.Node
	Genesis *genesis.Signed
	// NodeKey signs the pin of the API's TLS key.
	NodeKey ed25519.PrivateKey
	// Dir is where a self-made certificate is kept, the node's data directory.
	Dir string
	// TLSCert and TLSKey are PEM files of the operator's certificate, taken up
	// again when they change. Both or none; without them the node makes its own.
	TLSCert, TLSKey string
	// PublicReads serves all reads without a token.
	PublicReads bool
	Limits      Limits
	Version     string
	Logger      *slog.Logger
	// Registry receives the door's metrics; nil means that nobody reads them.
	Registry prometheus.Registerer
	// ReadHeaderTimeout is how long a caller may take for a request's head; for
	// all of a request, four times that. Default 5 s.
	ReadHeaderTimeout time.Duration
}

// Door is the HTTP API of one node.
type Door struct {
	config   Config
	cluster  string // hex
	identity *identity
	budgets  *budgets
	metrics  *metrics
	api      huma.API
	mux      *http.ServeMux
	document func() (document, error)       // made once, when somebody asks
	page     func() (reference.Page, error) // the same
	streams  streams                        // of events
	exports  streams                        // of exports
	held     heldBodies
	times    eventTimes
	turns    chan struct{} // held by the streams that look at leaves now
	rowCost  float64       // signature checks for looking at a row
	started  time.Time
	stop     chan struct{} // closed when Run is asked to end: waits end early
}

// New checks the configuration and makes or loads the certificate. It listens
// to nothing before Run.
func New(c Config) (*Door, error) {
	if c.Node == nil || c.Genesis == nil {
		return nil, errors.New("the door needs a node and its genesis")
	}
	c, err := c.normal()
	if err != nil {
		return nil, err
	}
	self := c.Node.Self()
	if self.NodeKey != [32]byte(c.NodeKey[ed25519.SeedSize:]) {
		return nil, errors.New("the node key given to the door is not the node's")
	}
	identity, err := newIdentity(identityConfig{
		certFile: c.TLSCert, keyFile: c.TLSKey, dir: c.Dir, hosts: hostsOf(self),
		cluster: c.Genesis.Cluster, node: self.Name, nodeKey: c.NodeKey, log: c.Logger,
	}, time.Now())
	if err != nil {
		return nil, err
	}
	d := newDoor(c)
	d.identity = identity
	return d, nil
}

// normal fills in defaults and refuses what cannot work.
func (c Config) normal() (Config, error) {
	if len(c.NodeKey) != ed25519.PrivateKeySize {
		return c, errors.New("the node key must be an Ed25519 private key")
	}
	c.Limits = c.Limits.withDefaults()
	if c.Limits.ChecksBurst < maxBatchLines || c.Limits.ChecksPerSecond <= 0 {
		return c, fmt.Errorf("the budget of an address must hold at least one batch: burst %d, want %d", c.Limits.ChecksBurst, maxBatchLines)
	}
	if min(c.Limits.Connections, c.Limits.ConnectionsPerAddress, c.Limits.Streams, c.Limits.StreamsPerAddress) < 0 {
		return c, errors.New("a limit of connections or streams is negative")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.ReadHeaderTimeout == 0 {
		c.ReadHeaderTimeout = readHeaderTimeout
	}
	return c, nil
}

// newDoor builds the routes. The document of the API is made from them, which
// takes no node.
func newDoor(c Config) *Door {
	d := &Door{
		config:  c,
		budgets: newBudgets(c.Limits),
		metrics: newMetrics(c.Registry),
		mux:     http.NewServeMux(),
		streams: streams{kind: "streams of events", byAddress: map[netip.Prefix]int{}},
		exports: streams{kind: "exports", byAddress: map[netip.Prefix]int{}},
		held:    heldBodies{inAll: heldInAll, ofEach: heldOfEach, byAddress: map[netip.Prefix]int{}},
		times:   usualTimes,
		turns:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		rowCost: usualRowCost,
		started: time.Now(),
		stop:    make(chan struct{}),
	}
	if c.Genesis != nil {
		d.cluster = c.Genesis.ClusterID()
	}
	d.document = sync.OnceValues(d.makeDocument)
	d.page = sync.OnceValues(d.drawReference)
	d.routes()
	return d
}

// hostsOf lists the names under which a node's API is reached.
func hostsOf(self genesis.Node) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	u, err := url.Parse(self.APIAddress)
	if err != nil || u.Hostname() == "" {
		return hosts
	}
	for _, host := range hosts {
		if host == u.Hostname() {
			return hosts
		}
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsUnspecified() {
		return hosts
	}
	return append(hosts, u.Hostname())
}

// Run serves the API on the listener until ctx ends. It closes the listener.
func (d *Door) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           d,
		TLSConfig:         d.identity.tlsConfig(),
		ReadHeaderTimeout: d.config.ReadHeaderTimeout,
		ReadTimeout:       bodyFactor * d.config.ReadHeaderTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:          slog.NewLogLogger(d.config.Logger.Handler(), slog.LevelDebug),
	}
	watching, stopWatching := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { d.identity.watch(watching, d.config.Node.Time) })
	served := make(chan error, 1)
	helpers.Go(func() {
		served <- server.ServeTLS(bound(listener, d.config.Limits, d.metrics.turnedAway), "", "")
	})
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		close(d.stop)
		err = shutDown(server)
	}
	stopWatching()
	helpers.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// shutDown lets requests under way finish for a while, then ends them.
func shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}
