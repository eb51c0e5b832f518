package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A simNet is a network in memory. What is under test on top of it is all ours: the
// peer port with its TLS, Raft's transport and the calls between nodes.
//
// It behaves as TCP does in a network that fails: a cut link loses nothing, it
// holds what is under way until it is whole again; a connection across it may be
// dead by then. Each direction of a link is cut and delayed by itself. Writes never
// block: a writer that waits holds locks on which others would wait, and a bubble's
// time stands still while anybody waits for a lock.
type simNet struct {
	changed signal // fires when a link, a listener or a node's power has changed

	mu        sync.Mutex
	listeners []*simListener // by node, nil while its process does not run
	off       []bool         // nodes without power: nobody answers, nothing is refused
	links     [][]simLink    // from, to
	conns     map[*simConn]struct{}
}

// simDelay is what every link takes: between two ends of a city.
const simDelay = 2 * time.Millisecond

type simLink struct {
	down  bool
	delay time.Duration
}

func newSimNet(nodes int) *simNet {
	n := &simNet{listeners: make([]*simListener, nodes), off: make([]bool, nodes), conns: map[*simConn]struct{}{}}
	for range nodes {
		n.links = append(n.links, make([]simLink, nodes))
	}
	n.heal()
	return n
}

// change changes links or power, and wakes whoever waits for any of it.
func (n *simNet) change(f func()) {
	n.mu.Lock()
	f()
	waiting := make([]*simConn, 0, len(n.conns))
	for c := range n.conns {
		waiting = append(waiting, c)
	}
	n.mu.Unlock()
	n.changed.fire()
	for _, c := range waiting {
		c.in.changed.fire()
	}
}

// passes reports whether anything gets from one node to the other, and how late.
func (n *simNet) passes(from, to int) (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[from][to]
	return l.delay, !l.down && !n.off[from] && !n.off[to]
}

// reset breaks every connection of a node, as its kernel does for a process that
// died, or one that has come back with no memory of them.
func (n *simNet) reset(node int) {
	for _, c := range n.of(func(c *simConn) bool { return c.local == node || c.remote == node }) {
		c.reset()
	}
}

// cut lets nothing pass from one node to the other, heal lets everything.
func (n *simNet) cut(from, to int) { n.change(func() { n.links[from][to].down = true }) }

func (n *simNet) heal() {
	n.change(func() {
		for _, row := range n.links {
			for to := range row {
				row[to].down, row[to].delay = false, simDelay
			}
		}
	})
}

// part cuts all links between a node and the others that are chosen, both ways.
func (n *simNet) part(apart func(a, b int) bool) {
	n.change(func() {
		for from, row := range n.links {
			for to := range row {
				row[to].down = row[to].down || apart(from, to) || apart(to, from)
			}
		}
	})
}

// whole reports whether everything passes between two nodes.
func (n *simNet) whole(a, b int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.off[a] && !n.off[b] && !n.links[a][b].down && !n.links[b][a].down
}

func (n *simNet) of(which func(*simConn) bool) []*simConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []*simConn
	for c := range n.conns {
		if which(c) {
			list = append(list, c)
		}
	}
	return list
}

// listen is the socket of a node's peer port.
func (n *simNet) listen(node int) net.Listener {
	l := &simListener{net: n, node: node, conns: make(chan *simConn, 64), done: make(chan struct{})}
	n.change(func() { n.listeners[node] = l })
	return l
}

// dial connects two nodes, when the links between them let it.
func (n *simNet) dial(ctx context.Context, from, to int) (net.Conn, error) {
	for {
		changed := n.changed.next()
		forth, out := n.passes(from, to)
		back, in := n.passes(to, from)
		if out && in {
			if late := forth + back; late > 0 && !pause(ctx, late) {
				return nil, ctx.Err()
			}
			return n.connect(from, to)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

func (n *simNet) connect(from, to int) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[to]
	n.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	a, b := &simPipe{net: n, from: from, to: to}, &simPipe{net: n, from: to, to: from}
	here, there := &simConn{local: from, remote: to, in: b, out: a}, &simConn{local: to, remote: from, in: a, out: b}
	n.mu.Lock()
	n.conns[here], n.conns[there] = struct{}{}, struct{}{}
	n.mu.Unlock()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		here.reset()
		return nil, syscall.ECONNREFUSED
	}
}

type simListener struct {
	net   *simNet
	node  int
	conns chan *simConn
	once  sync.Once
	done  chan struct{}
}

func (l *simListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *simListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.change(func() {
			if l.net.listeners[l.node] == l {
				l.net.listeners[l.node] = nil
			}
		})
		for {
			select {
			case c := <-l.conns:
				c.reset()
			default:
				return
			}
		}
	})
	return nil
}

func (l *simListener) Addr() net.Addr { return simAddr(l.node) }

type simAddr int

func (simAddr) Network() string  { return "memory" }
func (a simAddr) String() string { return fmt.Sprintf("node-%c:1", 'a'+int(a)) }

// A simPipe is one direction of a connection.
type simPipe struct {
	net      *simNet
	from, to int
	changed  signal

	mu       sync.Mutex
	segments []simSegment
	err      error // what a reader gets behind the segments
	broken   bool  // what is under way is lost too
	deadline time.Time
}

type simSegment struct {
	data []byte
	at   time.Time // when it arrives
}

// maxHeld is what a link that is cut may hold; more means that nobody looks after
// what it sends.
const maxHeld = 256 << 20

func (p *simPipe) write(b []byte) (int, error) {
	delay, _ := p.net.passes(p.from, p.to)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, syscall.EPIPE
	}
	at := time.Now().Add(delay)
	held := 0
	for _, s := range p.segments {
		held += len(s.data)
		if s.at.After(at) {
			at = s.at
		}
	}
	if held+len(b) > maxHeld {
		return 0, errors.New("too much is under way")
	}
	p.segments = append(p.segments, simSegment{append([]byte(nil), b...), at})
	p.changed.fire()
	return len(b), nil
}

// take reads what has arrived. When there is nothing, it says how long to wait for
// the next to arrive, 0 if that is not known.
func (p *simPipe) take(b []byte) (n int, err error, wait time.Duration) {
	_, passes := p.net.passes(p.from, p.to)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case p.broken:
		return 0, syscall.ECONNRESET, 0
	case !p.deadline.IsZero() && !now.Before(p.deadline):
		return 0, os.ErrDeadlineExceeded, 0
	case passes && len(p.segments) > 0 && !p.segments[0].at.After(now):
		n = copy(b, p.segments[0].data)
		if p.segments[0].data = p.segments[0].data[n:]; len(p.segments[0].data) == 0 {
			p.segments[0].data = nil
			p.segments = p.segments[1:]
		}
		return n, nil, 0
	case passes && len(p.segments) > 0:
		wait = p.segments[0].at.Sub(now)
	case passes && p.err != nil:
		return 0, p.err, 0
	}
	if !p.deadline.IsZero() && (wait == 0 || p.deadline.Sub(now) < wait) {
		wait = p.deadline.Sub(now)
	}
	return 0, nil, wait
}

func (p *simPipe) read(b []byte) (int, error) {
	for {
		changed := p.changed.next()
		n, err, wait := p.take(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		if wait == 0 {
			<-changed
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// end lets no more in. A broken pipe also loses what is under way.
func (p *simPipe) end(err error, broken bool) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	p.broken = p.broken || broken
	p.mu.Unlock()
	p.changed.fire()
}

type simConn struct {
	local, remote int
	in, out       *simPipe
}

func (c *simConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *simConn) Write(b []byte) (int, error) { return c.out.write(b) }

func (c *simConn) Close() error {
	c.out.end(io.EOF, false)
	c.in.end(net.ErrClosed, true)
	n := c.out.net
	n.mu.Lock()
	delete(n.conns, c)
	n.mu.Unlock()
	return nil
}

// reset breaks both ends at once.
func (c *simConn) reset() {
	c.out.end(syscall.ECONNRESET, true)
	c.in.end(syscall.ECONNRESET, true)
}

func (c *simConn) LocalAddr() net.Addr  { return simAddr(c.local) }
func (c *simConn) RemoteAddr() net.Addr { return simAddr(c.remote) }

func (c *simConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *simConn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	same := c.in.deadline.Equal(t)
	c.in.deadline = t
	c.in.mu.Unlock()
	if !same {
		c.in.changed.fire()
	}
	return nil
}

// SetWriteDeadline implements net.Conn; writes never block.
func (c *simConn) SetWriteDeadline(time.Time) error { return nil }
