package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// keepAlive is how often an idle connection is probed. It ends the dead ones
// within three probes.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}

// An UnreachableError says that no connection to a member could be made, so that
// nothing has been sent to it.
type UnreachableError struct {
	Member string
	Err    error
}

// Error implements error.
func (e *UnreachableError) Error() string { return "reach " + e.Member + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: keepAlive}
	return dialer.DialContext(ctx, "tcp", address)
}

// dial opens a connection to a member and proves both ends.
func (p *Port) dial(ctx context.Context, member, protocol string) (net.Conn, error) {
	conn, err := p.connect(ctx, member, protocol)
	if err != nil {
		return nil, &UnreachableError{member, err}
	}
	return conn, nil
}

func (p *Port) connect(ctx context.Context, member, protocol string) (net.Conn, error) {
	m, err := p.memberByName(member)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	raw, err := p.reach(ctx, m.Address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, p.clientTLS(m, protocol))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	c := &outgoing{conn, p}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	p.dialled[c] = struct{}{}
	return c, nil
}

// outgoing is a connection that this node has opened to a member.
type outgoing struct {
	*tls.Conn
	port *Port
}

// Close ends the connection.
func (c *outgoing) Close() error {
	c.port.mu.Lock()
	delete(c.port.dialled, c)
	c.port.mu.Unlock()
	return c.Conn.Close()
}

// raftStream is the port as one of Raft's transports sees it.
type raftStream struct {
	*queue
	port   *Port
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (s *raftStream) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
	case <-s.closed:
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (s *raftStream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Dial implements raft.StreamLayer; the address of a server is its name.
func (s *raftStream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.port.dial(ctx, string(address), protocolRaft)
}

// Raft is the stream layer for a transport of Raft's. Closing it leaves the port
// open, and the next one takes over from it. Until it is called, Raft's connections
// are turned away: a node may have to ask its peers before it starts Raft, and nobody
// would accept them.
func (p *Port) Raft() raft.StreamLayer {
	p.spoken.Store(true)
	return &raftStream{queue: p.raft, port: p, closed: make(chan struct{})}
}

// Calls is the listener for the HTTP server of node-to-node calls.
func (p *Port) Calls() net.Listener { return p.calls }

// Transport makes requests to members: the host of a URL is the member's name
// and the scheme is http, since the dial itself brings the encryption.
func (p *Port) Transport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, fmt.Errorf("dial a member: %w", err)
			}
			return p.dial(ctx, host, protocolCalls)
		},
		MaxIdleConnsPerHost:    16,
		MaxConnsPerHost:        MaxPerMember / 2,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 16 << 10,
		DisableCompression:     true,
	}
}
