package peer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/hashicorp/raft"
)

const patience = 10 * time.Second

// refusals counts refused connections by reason.
type refusals struct {
	mu    sync.Mutex
	count map[string]int
	more  chan struct{}
}

func newRefusals() *refusals {
	return &refusals{count: map[string]int{}, more: make(chan struct{}, 1_024)}
}

func (r *refusals) add(reason string) {
	r.mu.Lock()
	r.count[reason]++
	r.mu.Unlock()
	r.more <- struct{}{}
}

// wait waits until a reason was counted.
func (r *refusals) wait(t *testing.T, reason string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		n := r.count[reason]
		r.mu.Unlock()
		if n > 0 {
			return
		}
		select {
		case <-r.more:
		case <-deadline:
			t.Fatalf("nothing was refused for reason %s: %v", reason, r.count)
		}
	}
}

type rig struct {
	t       *testing.T
	keys    map[string]ed25519.PrivateKey
	members []Member
	listens map[string]net.Listener
}

func newRig(t *testing.T, names ...string) *rig {
	r := &rig{t: t, keys: map[string]ed25519.PrivateKey{}, listens: map[string]net.Listener{}}
	for _, name := range names {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		var config net.ListenConfig
		listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.keys[name], r.listens[name] = private, listener
		r.members = append(r.members, Member{Name: name, Key: [32]byte(public), Address: listener.Addr().String()})
	}
	return r
}

var cluster = [16]byte{1, 2, 3}

// port starts a port that serves "hello <caller>" and echoes Raft's streams.
func (r *rig) port(name string, in [16]byte, members []Member) (*Port, *refusals) {
	r.t.Helper()
	refused := newRefusals()
	p, err := New(Config{
		Cluster: in, Self: name, Key: r.keys[name], Members: members, Listener: r.listens[name],
		Refused: refused.add, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patience, ConnContext: WithCaller, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.WriteString(w, "hello "+Caller(q.Context()))
	})}
	var wait sync.WaitGroup
	wait.Add(3)
	go func() {
		defer wait.Done()
		if err := p.Run(); err != nil {
			r.t.Errorf("run: %v", err)
		}
	}()
	go func() { defer wait.Done(); _ = server.Serve(p.Calls()) }()
	go func() {
		defer wait.Done()
		for {
			conn, err := p.Raft().Accept()
			if err != nil {
				return
			}
			wait.Add(1)
			go func() {
				defer wait.Done()
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	r.t.Cleanup(func() {
		_ = server.Close()
		p.Close()
		wait.Wait()
	})
	return p, refused
}

func get(t *testing.T, p *Port, member string) (string, error) {
	t.Helper()
	transport := p.Transport()
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+member+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// Calls and Raft's streams share one port, and each side knows the other by name.
func TestPeers(t *testing.T) {
	r := newRig(t, "north", "south")
	north, _ := r.port("north", cluster, r.members)
	south, _ := r.port("south", cluster, r.members)
	for range 2 {
		if got, err := get(t, north, "south"); err != nil || got != "hello north" {
			t.Errorf("north calls south: %q, %v", got, err)
		}
		if got, err := get(t, south, "north"); err != nil || got != "hello south" {
			t.Errorf("south calls north: %q, %v", got, err)
		}
	}
	conn, err := south.Raft().Dial("north", patience)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "append\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "append\n" {
		t.Errorf("echo %q, %v", line, err)
	}
	if got := south.Raft().Addr().String(); got != "south" {
		t.Errorf("Raft's address is %q", got)
	}
	north.Disconnect("south")
	if _, err := io.WriteString(conn, "append\n"); err == nil {
		if _, err = conn.Read(make([]byte, 1)); err == nil {
			t.Error("a disconnected stream goes on")
		}
	}
}

// Strangers are refused and counted, each for its reason.
func TestStrangers(t *testing.T) {
	r := newRig(t, "north", "south", "stranger")
	_, refused := r.port("north", cluster, r.members[:2])

	// A node that north's list does not name.
	stranger, _ := r.port("stranger", cluster, r.members)
	if got, err := get(t, stranger, "north"); err == nil {
		t.Errorf("a stranger is answered %q", got)
	}
	refused.wait(t, reasonUnknown)

	// A member of another cluster, with the same keys.
	elsewhere, _ := r.port("south", [16]byte{9}, r.members)
	if got, err := get(t, elsewhere, "north"); err == nil {
		t.Errorf("another cluster's node is answered %q", got)
	}
	refused.wait(t, reasonCluster)

	address := r.members[0].Address
	// Somebody without a certificate, with another protocol, or with an older TLS.
	withoutKey := &tls.Config{InsecureSkipVerify: true, ServerName: serverName(cluster), NextProtos: []string{protocolCalls}}
	wrongProtocol := elsewhere.clientTLS(r.members[0], "h2")
	wrongProtocol.ServerName = serverName(cluster)
	oldVersion := elsewhere.clientTLS(r.members[0], protocolRaft)
	oldVersion.ServerName, oldVersion.MinVersion, oldVersion.MaxVersion = serverName(cluster), tls.VersionTLS12, tls.VersionTLS12
	for name, config := range map[string]*tls.Config{"no certificate": withoutKey, "another protocol": wrongProtocol, "TLS 1.2": oldVersion} {
		if served(t, address, config) {
			t.Errorf("%s: it is served", name)
		}
	}
	refused.wait(t, reasonHandshake)

	// Bytes that are no handshake.
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(raw, strings.Repeat("RequestVote", 100))
	_ = raw.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadAll(raw); errors.Is(err, context.DeadlineExceeded) {
		t.Error("nonsense is kept open")
	}
	_ = raw.Close()
}

// served reports whether a connection is answered anything.
func served(t *testing.T, address string, config *tls.Config) bool {
	t.Helper()
	dialer := tls.Dialer{Config: config}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: north\r\n\r\n")
	n, _ := conn.Read(make([]byte, 1))
	return n > 0
}

// Whoever answers at a member's address without its key is not talked to.
func TestImpostor(t *testing.T) {
	r := newRig(t, "north", "south")
	north, _ := r.port("north", cluster, r.members)
	r.port("south", cluster, r.members)
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	moved := append([]Member(nil), r.members...)
	moved[1].Key = [32]byte(other[ed25519.SeedSize:])
	north.SetMembers(moved)
	_, err = north.Raft().Dial(raft.ServerAddress("south"), patience)
	if _, ok := errors.AsType[*UnreachableError](err); !ok || !strings.Contains(err.Error(), "does not hold the node key") {
		t.Errorf("dial: %v", err)
	}
	if _, err := north.Raft().Dial("nobody", patience); err == nil {
		t.Error("an unknown name is dialled")
	}
}

// A configuration that is not this node's is refused.
func TestNewRefuses(t *testing.T) {
	r := newRig(t, "north", "south")
	good := Config{Cluster: cluster, Self: "north", Key: r.keys["north"], Members: r.members, Listener: r.listens["north"]}
	for name, change := range map[string]func(*Config){
		"not a member":  func(c *Config) { c.Self = "west" },
		"another's key": func(c *Config) { c.Key = r.keys["south"] },
		"no key":        func(c *Config) { c.Key = nil },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// One member's connections are limited, and closing one makes room.
func TestLimits(t *testing.T) {
	r := newRig(t, "north", "south")
	_, refused := r.port("north", cluster, r.members)
	south, _ := r.port("south", cluster, r.members)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	echo := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "x")
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}
	for i := range MaxPerMember {
		c, err := south.Raft().Dial("north", patience)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if !echo(c) {
			t.Fatalf("stream %d is not served", i)
		}
	}
	if c, err := south.Raft().Dial("north", patience); err == nil {
		if echo(c) {
			t.Error("a stream beyond the limit is served")
		}
		_ = c.Close()
	}
	refused.wait(t, reasonBusy)
	_ = conns[0].Close()
	deadline := time.After(patience)
	for {
		c, err := south.Raft().Dial("north", patience)
		if err == nil {
			conns = append(conns, c)
			if echo(c) {
				return
			}
		}
		select {
		case <-deadline:
			t.Fatal("a closed stream does not make room")
		default:
		}
	}
}

// What a port has dialled ends with it, and nothing is dialled any more: a node that
// leaves its peers must not go on sending heartbeats.
func TestCloseEndsWhatWasDialled(t *testing.T) {
	r := newRig(t, "a", "b")
	a, _ := r.port("a", cluster, r.members)
	b, _ := r.port("b", cluster, r.members)
	b.Raft()
	conn, err := a.Raft().Dial("b", HandshakeTimeout)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, err := conn.Write([]byte("heartbeat")); err == nil {
		t.Error("the connection is still open")
	}
	if conn, err := a.Raft().Dial("b", HandshakeTimeout); err == nil {
		t.Error("a closed port dials", conn.Close())
	}
}

// Strangers who connect and say nothing do not keep a member out, however many they
// are.
func TestSilentStrangersMakeRoom(t *testing.T) {
	r := newRig(t, "north", "south")
	_, refused := r.port("north", cluster, r.members)
	south, _ := r.port("south", cluster, r.members)
	address := r.listens["north"].Addr().String()
	for range 2 * MaxHandshakes {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	refused.wait(t, reasonBusy)
	for range 3 {
		if got, err := get(t, south, "north"); err != nil || got != "hello south" {
			t.Errorf("a member beside silent strangers: %q, %v", got, err)
		}
	}
}

// A member that is removed between its handshake and its admission is not let in: it
// would keep a stream to Raft that nobody ends.
func TestRemovedDuringHandshake(t *testing.T) {
	r := newRig(t, "north", "south")
	north, _ := r.port("north", cluster, r.members)
	south, _ := r.port("south", cluster, r.members)
	conns := [2]net.Conn{}
	conns[0], conns[1] = net.Pipe()
	server := tls.Server(conns[0], north.serverTLS())
	client := tls.Client(conns[1], south.clientTLS(r.members[0], protocolRaft))
	done := make(chan error, 1)
	go func() { done <- client.HandshakeContext(t.Context()) }()
	if err := errors.Join(server.HandshakeContext(t.Context()), <-done); err != nil {
		t.Fatal(err)
	}
	north.Raft()
	for _, list := range [][]Member{r.members[:1], {r.members[0], {Name: "south", Key: r.members[1].Key, Former: true}}} {
		north.SetMembers(list)
		if c, reason := north.enter(server); c != nil || reason != reasonUnknown {
			t.Errorf("a removed member is let in: %v, %q", c, reason)
		}
	}
	north.SetMembers(r.members)
	if c, reason := north.enter(server); c == nil || c.Peer != "south" {
		t.Errorf("a member is not let in: %q", reason)
	}
	north.Disconnect("south")
	if _, err := server.Write([]byte("x")); err == nil {
		t.Error("Disconnect does not end it")
	}
}
