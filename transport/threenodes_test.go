package transport_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// patience bounds every wait of a test.
const patience = 60 * time.Second

// The market and the meters that World registers.
const (
	energy = "energy"
	meterA = "meter-a" // of provider sunny, paid by city
	meterB = "meter-b" // of provider windy, paid by city
)

// threeNodes is a running cluster of three nodes with their doors in this process
// and everybody's keys: real sockets on loopback, real TLS, real data directories.
type threeNodes struct {
	Genesis *genesis.Signed
	Nodes   [3]*oneNode

	t      testing.TB
	people map[string]ed25519.PrivateKey
	change func(*transport.Config)

	mu      sync.Mutex
	clients map[string]*client.Client // by who and which nodes
}

// oneNode is one node with its door.
type oneNode struct {
	URL      string
	Name     string
	Registry *prometheus.Registry
	Cluster  *cluster.Node

	dir                  string
	nodeKey, cosignerKey ed25519.PrivateKey
	sealing              [32]byte
	join                 *cluster.Join // lets in a node that genesis does not name
	stop                 func()
}

// keyOf derives a key from a name, so that a cluster has the same people in
// every run.
func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("threenodes " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

// start runs three nodes until the test ends. change may alter each door.
func start(t testing.TB, change func(*transport.Config)) *threeNodes {
	t.Helper()
	return startWith(t, change, nil)
}

// startWith also lets shape alter the genesis before it is signed.
func startWith(t testing.TB, change func(*transport.Config), shape func(*genesis.Genesis)) *threeNodes {
	t.Helper()
	c := &threeNodes{t: t, people: map[string]ed25519.PrivateKey{}, change: change, clients: map[string]*client.Client{}}
	dir := t.TempDir()
	var peers, doors [3]net.Listener
	g, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.CreatedAt, g.AdminThreshold = "three nodes", time.Now().UnixMilli(), 2
	for i := range c.Nodes {
		peers[i], doors[i] = listen(t), listen(t)
		n := &oneNode{Name: fmt.Sprintf("node-%c", 'a'+i)}
		n.URL = "https://" + doors[i].Addr().String()
		n.nodeKey, n.cosignerKey, n.dir = keyOf(n.Name), keyOf(n.Name+" cosigner"), filepath.Join(dir, n.Name)
		var sealing x25519.Key
		n.sealing = sha256.Sum256([]byte("sealing " + n.Name))
		secret := x25519.Key(n.sealing)
		x25519.KeyGen(&sealing, &secret)
		c.Nodes[i] = n
		g.Nodes = append(g.Nodes, genesis.Node{
			Name: n.Name, NodeKey: publicOf(n.nodeKey), CosignerKey: publicOf(n.cosignerKey), SealingKey: sealing,
			PeerAddress: peers[i].Addr().String(), APIAddress: n.URL,
		})
	}
	c.addPeople(&g)
	if shape != nil {
		shape(&g)
	}
	if c.Genesis, err = genesis.Assemble(rand.Reader, g); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		if err := c.Genesis.Sign(n.nodeKey); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c.Nodes {
		c.run(i, peers[i], doors[i])
	}
	c.awaitReady()
	return c
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// another is one more door of the first node.
type another struct {
	door     *transport.Door
	url      string // of its root
	registry *prometheus.Registry
	shut     func()
}

// another opens a door with settings of its own, which before may change further.
func (c *threeNodes) another(t *testing.T, config transport.Config, before func(*transport.Door)) *another {
	t.Helper()
	a := &another{registry: prometheus.NewRegistry()}
	config.Node, config.Genesis, config.NodeKey = c.Nodes[0].Cluster, c.Genesis, c.NodeKey(0)
	config.Dir, config.Registry = t.TempDir(), a.registry
	d, err := transport.New(config)
	if err != nil {
		t.Fatal(err)
	}
	a.door = d
	if before != nil {
		before(d)
	}
	listener := listen(t)
	a.url = "https://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, narrow{listener}) }()
	a.shut = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(a.shut)
	return a
}

// narrow is a listener whose connections hold little that is not read.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(16 << 10)
	}
	return conn, err
}

func (c *threeNodes) addPeople(g *genesis.Genesis) {
	for _, p := range []struct{ name, role string }{
		{"alice", genesis.RoleAdmin},
		{"bob", genesis.RoleAdmin},
		{"carol", genesis.RoleAdmin},
		{"oracle-a", genesis.RoleOracle},
		{"oracle-b", genesis.RoleOracle},
		{"oracle-c", genesis.RoleOracle},
		{"sunny", genesis.RoleProvider},
		{"windy", genesis.RoleProvider},
		{"city", genesis.RolePayer},
		{"ada", genesis.RoleAuditor},
	} {
		key := keyOf(p.name)
		c.people[p.name] = key
		possession := genesis.Possession{Principal: p.name, Role: p.role, Key: publicOf(key)}
		g.Principals = append(g.Principals, genesis.Principal{
			Principal: p.name, Role: p.role, PublicKey: publicOf(key), Proof: possession.Prove(key),
		})
		if p.role == genesis.RoleOracle {
			g.OracleWeights = append(g.OracleWeights, genesis.OracleWeight{Market: energy, Oracle: p.name, Weight: 10})
		}
	}
}

// run starts one node and its door.
func (c *threeNodes) run(i int, peer, door net.Listener) {
	c.t.Helper()
	n := c.Nodes[i]
	n.Registry = prometheus.NewRegistry()
	logger := slog.New(slog.NewTextHandler(testLog{c.t}, &slog.HandlerOptions{Level: slog.LevelWarn})).With("node", n.Name)
	node, err := cluster.New(cluster.Config{
		Dir: n.dir, Genesis: c.Genesis, NodeKey: n.nodeKey, CosignerKey: n.cosignerKey, SealingKey: n.sealing,
		Join: n.join, PeerListener: peer, Logger: logger, Registry: n.Registry, RaftTimeout: 300 * time.Millisecond,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	n.Cluster = node
	config := transport.Config{
		Node: node, Genesis: c.Genesis, NodeKey: n.nodeKey, Dir: n.dir, Logger: logger, Registry: n.Registry, Version: "test",
	}
	if c.change != nil {
		c.change(&config)
	}
	d, err := transport.New(config)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- node.Run(ctx) }()
	go func() { ended <- d.Run(ctx, door) }()
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				c.t.Errorf("node %s ended: %v", n.Name, err)
			}
		}
	}
	c.t.Cleanup(n.stop)
}

// Stop ends a node.
func (c *threeNodes) Stop(i int) { c.Nodes[i].stop() }

// Restart runs a stopped node again on its data and its addresses.
func (c *threeNodes) Restart(i int) {
	c.t.Helper()
	self := c.Genesis.Nodes[i]
	c.run(i, c.listenAgain(self.PeerAddress), c.listenAgain(strings.TrimPrefix(self.APIAddress, "https://")))
}

func (c *threeNodes) listenAgain(address string) net.Listener {
	c.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		c.t.Fatal(err)
	}
	return l
}

// Leader is the index of the node that leads now.
func (c *threeNodes) Leader() int {
	c.t.Helper()
	leader := -1
	c.Until("a leader", func() bool {
		for i, n := range c.Nodes {
			if n.Cluster.Status().Role == cluster.RoleLeader {
				leader = i
			}
		}
		return leader >= 0
	})
	return leader
}

func (c *threeNodes) awaitReady() {
	c.t.Helper()
	for _, n := range c.Nodes {
		c.Until(n.Name+" being ready", func() bool { return n.Cluster.Ready() == nil })
	}
}

// Until waits for something with a bound.
func (c *threeNodes) Until(what string, done func() bool) {
	c.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			c.t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// Context ends when the patience does, or the test.
func (c *threeNodes) Context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.t.Cleanup(cancel)
	return ctx
}

// Client talks to some nodes, or to all if none is named, as somebody.
func (c *threeNodes) Client(who string, nodes ...int) *client.Client {
	c.t.Helper()
	if len(nodes) == 0 {
		nodes = []int{0, 1, 2}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := fmt.Sprint(who, nodes)
	if known, ok := c.clients[name]; ok {
		return known
	}
	config := client.Config{Genesis: c.Genesis, Key: c.people[who]}
	for _, i := range nodes {
		config.URLs = append(config.URLs, c.Nodes[i].URL)
	}
	cl, err := client.Dial(config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(cl.Close)
	c.clients[name] = cl
	return cl
}

// NodeKey is a node's private key.
func (c *threeNodes) NodeKey(i int) ed25519.PrivateKey { return c.Nodes[i].nodeKey }

// Key is somebody's private key.
func (c *threeNodes) Key(who string) ed25519.PrivateKey { return c.people[who] }

// Signer signs as somebody.
func (c *threeNodes) Signer(who string) client.Signer {
	return client.Signer{Key: c.people[who], Cluster: c.Genesis.Cluster}
}

// Threshold submits a command of the admins.
func (c *threeNodes) Threshold(cmd any) api.Outcome {
	c.t.Helper()
	var salt [16]byte
	if _, err := rand.Read(salt[:]); err != nil {
		c.t.Fatal(err)
	}
	e, err := c.Signer("alice").BuildThreshold(cmd, salt, time.Now(), time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	o, err := c.Client("").Submit(c.Context(), c.Signer("bob").AddSignature(e))
	if err != nil {
		c.t.Fatalf("%T: %v", cmd, err)
	}
	return o
}

// World registers two meters and gives their payer money.
func (c *threeNodes) World() {
	c.t.Helper()
	c.Threshold(&fsm.RegisterMeters{Market: energy, Meters: []fsm.MeterRow{
		{Meter: meterA, Provider: "sunny", Payer: "city", Capacity: 1_000_000, IntervalMs: 1_800_000, Decimals: 3},
		{Meter: meterB, Provider: "windy", Payer: "city", Capacity: 1_000_000, IntervalMs: 1_800_000, Decimals: 3},
	}})
	c.Threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1_000_000_000}, Reference: "bank 1"})
}

// Reading signs a reading of meterA by its provider.
func (c *threeNodes) Reading(nonce, register uint64, measuredAt time.Time) envelope.Envelope {
	c.t.Helper()
	e, err := c.Signer("sunny").Build(&fsm.SubmitReading{
		Market: energy, Meter: meterA, Register: register, MeasuredAt: measuredAt.UnixMilli(),
		Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
	}, "m/"+meterA, nonce, time.Now(), time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}

// testLog writes a node's log into the test's.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
