package transport

import (
	"net"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// bounded is a listener that holds at most so many connections in all and of
// each address. A connection too many is closed at once: a caller then tries
// another node, whereas one left waiting in the kernel's queue would not.
type bounded struct {
	net.Listener
	limits  Limits
	refused prometheus.Counter

	mu        sync.Mutex
	total     int
	byAddress map[netip.Prefix]int
}

func bound(listener net.Listener, limits Limits, refused prometheus.Counter) *bounded {
	return &bounded{Listener: listener, limits: limits, refused: refused, byAddress: map[netip.Prefix]int{}}
}

// Accept returns the next connection that is within the limits.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressOf(conn.RemoteAddr().String())
		if b.admit(address) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { b.leave(address) })}, nil
		}
		b.refused.Inc()
		conn.Close()
	}
}

func (b *bounded) admit(address netip.Prefix) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total >= b.limits.Connections || b.byAddress[address] >= b.limits.ConnectionsPerAddress {
		return false
	}
	b.total++
	b.byAddress[address]++
	return true
}

func (b *bounded) leave(address netip.Prefix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total--
	if b.byAddress[address]--; b.byAddress[address] == 0 {
		delete(b.byAddress, address)
	}
}

// counted gives its place back when it is closed, once however often that is.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
