package peer

import (
	"context"
	"net"
	"sync"
)

// A Conn is a connection that a member has opened to this node.
type Conn struct {
	net.Conn
	Peer string // the member's name
	port *Port
	once sync.Once
}

// Close ends the connection and frees its place under the port's limits.
func (c *Conn) Close() error {
	c.once.Do(func() { c.port.forget(c) })
	return c.Conn.Close()
}

type callerKey struct{}

// WithCaller is the ConnContext of an http.Server that serves [Port.Calls].
func WithCaller(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*Conn); ok {
		return context.WithValue(ctx, callerKey{}, c.Peer)
	}
	return ctx
}

// Caller is the member whose request carries ctx, or "" outside a call.
func Caller(ctx context.Context) string {
	name, _ := ctx.Value(callerKey{}).(string)
	return name
}

// A queue hands admitted connections of one protocol to whoever accepts them. It
// is the net.Listener of that protocol.
type queue struct {
	self  string
	conns chan *Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue(self string) *queue {
	return &queue{self: self, conns: make(chan *Conn), done: make(chan struct{})}
}

// put waits until the connection is accepted. Waiting handshakes hold a ticket,
// so what nobody accepts cannot pile up.
func (q *queue) put(c *Conn) bool {
	select {
	case q.conns <- c:
		return true
	case <-q.done:
		return false
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It does not touch the port's own listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener; the address of a node among its peers is its name.
func (q *queue) Addr() net.Addr { return name(q.self) }

// name is a node's name as a network address.
type name string

// Network implements net.Addr.
func (name) Network() string { return "tallyvault" }

// String implements net.Addr.
func (n name) String() string { return string(n) }
