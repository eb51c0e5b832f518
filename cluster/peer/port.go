package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
)

// Limits of the port; the package documentation says what they bound.
const (
	HandshakeTimeout = 5 * time.Second
	MaxHandshakes    = 32
	MaxConnections   = 512
	MaxPerMember     = 128
)

// The reasons under which a refused connection is counted.
const (
	reasonHandshake = "handshake"
	reasonCluster   = "other_cluster"
	reasonUnknown   = "unknown_key"
	reasonProtocol  = "protocol"
	reasonBusy      = "limit"
	reasonStarting  = "starting"
)

// Reasons lists every reason that Config.Refused can be called with.
func Reasons() []string {
	return []string{reasonHandshake, reasonCluster, reasonUnknown, reasonProtocol, reasonBusy, reasonStarting}
}

// A refusal carries its reason through the handshake's error.
type refusal struct{ reason string }

func (r *refusal) Error() string { return "peer refused: " + r.reason }

// Config says who this node is and whom it talks to.
type Config struct {
	Cluster  [16]byte
	Self     string // this node's name
	Key      ed25519.PrivateKey
	Members  []Member
	Listener net.Listener
	// Dial connects to the address of a member; nil means TCP.
	Dial    func(ctx context.Context, address string) (net.Conn, error)
	Refused func(reason string) // called for each connection that is turned away
	Logger  *slog.Logger
}

// A Port is the node's one listening socket towards its peers, and the way in
// which it dials theirs.
type Port struct {
	cluster     [16]byte
	self        string
	certificate tls.Certificate
	members     atomic.Pointer[[]Member]
	listener    net.Listener
	reach       func(ctx context.Context, address string) (net.Conn, error)
	refused     func(string)
	log         *slog.Logger

	raft   *queue
	calls  *queue
	spoken atomic.Bool // whether anybody accepts Raft's connections

	mu   sync.Mutex // guards open, dialled and closed
	open map[*Conn]struct{}
	// dialled are the connections that this node has opened to its peers.
	dialled map[*outgoing]struct{}
	closed  bool

	tickets chan struct{}  // one for each handshake that may run
	running sync.WaitGroup // handshakes
}

// New checks the configuration and makes the certificate. It accepts nothing
// before Run.
func New(c Config) (*Port, error) {
	cert, err := certificate(c.Self, c.Key)
	if err != nil {
		return nil, err
	}
	p := &Port{
		cluster: c.Cluster, self: c.Self, certificate: cert,
		listener: c.Listener, reach: c.Dial, refused: c.Refused, log: c.Logger,
		raft: newQueue(c.Self), calls: newQueue(c.Self),
		open: map[*Conn]struct{}{}, dialled: map[*outgoing]struct{}{}, tickets: make(chan struct{}, MaxHandshakes),
	}
	if p.reach == nil {
		p.reach = dialTCP
	}
	p.SetMembers(c.Members)
	me, err := p.memberByName(c.Self)
	if err != nil {
		return nil, err
	}
	if me.Key != [32]byte(c.Key[ed25519.SeedSize:]) {
		return nil, fmt.Errorf("the node key is not the one that %s is a member with", c.Self)
	}
	return p, nil
}

// Run accepts connections until Close. It returns the listener's error when that
// breaks by itself.
func (p *Port) Run() error {
	config := p.serverTLS()
	defer p.running.Wait()
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			if p.isClosed() {
				return nil
			}
			if isTemporary(err) {
				// Out of file descriptors: handshakes that end give some back.
				p.log.Warn("the peer port cannot accept", "err", err)
				p.waitForHandshake()
				continue
			}
			return fmt.Errorf("accept on the peer port: %w", err)
		}
		select {
		case p.tickets <- struct{}{}:
			p.running.Add(1)
			go p.admit(tls.Server(conn, config))
		default:
			p.turnAway(conn, reasonBusy, nil)
		}
	}
}

// waitForHandshake gives the system a moment to free what Accept lacked.
func (p *Port) waitForHandshake() {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	<-timer.C
}

func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// admit runs one handshake and hands the connection to whoever speaks its
// protocol.
func (p *Port) admit(conn *tls.Conn) {
	defer p.running.Done()
	defer func() { <-p.tickets }()
	ctx, cancel := context.WithTimeout(context.Background(), HandshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		reason := reasonHandshake
		if r, ok := errors.AsType[*refusal](err); ok {
			reason = r.reason
		}
		p.turnAway(conn, reason, err)
		return
	}
	state := conn.ConnectionState()
	key, _ := presentedKey(state)
	member, ok := p.memberByKey(key)
	if !ok {
		p.turnAway(conn, reasonUnknown, nil)
		return
	}
	target := p.calls
	switch state.NegotiatedProtocol {
	case protocolRaft:
		if !p.spoken.Load() {
			p.turnAway(conn, reasonStarting, nil)
			return
		}
		if member.Former {
			p.turnAway(conn, reasonUnknown, nil)
			return
		}
		target = p.raft
	case protocolCalls:
	default:
		p.turnAway(conn, reasonProtocol, nil)
		return
	}
	c := &Conn{Conn: conn, Peer: member.Name, port: p}
	if !p.track(c) {
		p.turnAway(conn, reasonBusy, nil)
		return
	}
	if !target.put(c) {
		_ = c.Close()
	}
}

func (p *Port) turnAway(conn net.Conn, reason string, err error) {
	_ = conn.Close()
	p.refused(reason)
	p.log.Debug("refused a connection on the peer port", "from", conn.RemoteAddr().String(), "reason", reason, "err", err)
}

// track counts an admitted connection and reports whether there was room.
func (p *Port) track(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.open) >= MaxConnections {
		return false
	}
	same := 0
	for other := range p.open {
		if other.Peer == c.Peer {
			same++
		}
	}
	if same >= MaxPerMember {
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Port) forget(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *Port) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Disconnect ends every connection that a peer has opened to this node.
func (p *Port) Disconnect(name string) {
	for _, c := range p.connections() {
		if c.Peer == name {
			_ = c.Close()
		}
	}
}

func (p *Port) connections() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*Conn, 0, len(p.open))
	for c := range p.open {
		list = append(list, c)
	}
	return list
}

// Close stops listening and ends every connection, the dialled ones first and at
// once: Raft's heartbeats go out on these. It may be called twice.
func (p *Port) Close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.dialled {
		// Below TLS, since a last word to a peer that does not read may take seconds.
		_ = c.NetConn().Close()
	}
	clear(p.dialled)
	p.mu.Unlock()
	_ = p.listener.Close()
	_ = p.raft.Close()
	_ = p.calls.Close()
	for _, c := range p.connections() {
		_ = c.Close()
	}
}
