package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
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

	mu   sync.Mutex // guards open, dialled, shaking and closed
	open map[*Conn]struct{}
	// shaking are the connections that have not proven themselves yet, oldest first.
	shaking []*tls.Conn
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
		if !p.ticket() {
			p.turnAway(conn, reasonBusy, nil)
			continue
		}
		shaking := tls.Server(conn, config)
		p.mu.Lock()
		p.shaking = append(p.shaking, shaking)
		p.mu.Unlock()
		p.running.Add(1)
		go p.admit(shaking)
	}
}

// ticket lets one more handshake run. If too many do, the oldest makes room: strangers
// who say nothing would keep members out for as long as they like otherwise, and a
// member is done in two round trips. It reports whether there is a ticket.
func (p *Port) ticket() bool {
	select {
	case p.tickets <- struct{}{}:
		return true
	default:
	}
	p.mu.Lock()
	if len(p.shaking) == 0 {
		p.mu.Unlock()
		return false // all of them wait to be accepted
	}
	oldest := p.shaking[0]
	p.shaking = p.shaking[1:]
	p.mu.Unlock()
	_ = oldest.NetConn().Close()
	p.tickets <- struct{}{} // it gives back its own at once
	return true
}

// proven ends the time in which a connection may have to make room for another. It
// reports whether it had to.
func (p *Port) proven(conn *tls.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.shaking, conn)
	if at < 0 {
		return false
	}
	p.shaking = slices.Delete(p.shaking, at, at+1)
	return true
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
	err := conn.HandshakeContext(ctx)
	if !p.proven(conn) {
		p.turnAway(conn, reasonBusy, err)
		return
	}
	if err != nil {
		reason := reasonHandshake
		if r, ok := errors.AsType[*refusal](err); ok {
			reason = r.reason
		}
		p.turnAway(conn, reason, err)
		return
	}
	c, reason := p.enter(conn)
	if c == nil {
		p.turnAway(conn, reason, nil)
		return
	}
	target := p.calls
	if conn.ConnectionState().NegotiatedProtocol == protocolRaft {
		target = p.raft
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

// enter counts a connection that has proven itself, unless there is a reason why it may
// not be one. The lock is held from before the look at the members until it is counted:
// a member that was removed is either not found here or found by Disconnect.
func (p *Port) enter(conn *tls.Conn) (_ *Conn, reason string) {
	state := conn.ConnectionState()
	key, err := presentedKey(state)
	if err != nil {
		return nil, reasonHandshake
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	member, ok := p.memberByKey(key)
	switch {
	case !ok:
		return nil, reasonUnknown
	case state.NegotiatedProtocol == protocolCalls:
	case state.NegotiatedProtocol != protocolRaft:
		return nil, reasonProtocol
	case !p.spoken.Load():
		return nil, reasonStarting
	case member.Former:
		return nil, reasonUnknown
	}
	same := 0
	for other := range p.open {
		if other.Peer == member.Name {
			same++
		}
	}
	if p.closed || len(p.open) >= MaxConnections || same >= MaxPerMember {
		return nil, reasonBusy
	}
	c := &Conn{Conn: conn, Peer: member.Name, port: p}
	p.open[c] = struct{}{}
	return c, ""
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
	for _, c := range p.shaking {
		_ = c.NetConn().Close()
	}
	p.mu.Unlock()
	_ = p.listener.Close()
	_ = p.raft.Close()
	_ = p.calls.Close()
	for _, c := range p.connections() {
		_ = c.Close()
	}
}
