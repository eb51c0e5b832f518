package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// links are kept-alive connections to nodes, as many as requests are under way. The
// standard library's client hands every request from one goroutine to another and back
// again: with single requests that took a quarter of what the nodes took, on the same
// cores. Here whoever posts writes and reads.
type links struct {
	config *tls.Config

	mu   sync.Mutex
	free map[string][]*link // by base URL, the one used last at the end
}

// A link is one connection.
type link struct {
	conn *tls.Conn
	host string
	path string // that the base URL has
	in   *bufio.Reader
	out  []byte
	used time.Time
}

// post sends a body to a path below a base URL, and returns what is answered.
func (s *links) post(ctx context.Context, base, path, kind string, body []byte) (status int, answer []byte, err error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	l, err := s.take(ctx, base)
	if err != nil {
		return 0, nil, err
	}
	status, answer, keep, err := l.post(ctx, path, kind, body)
	if err != nil || !keep {
		return status, answer, errors.Join(err, l.conn.Close())
	}
	s.put(base, l)
	return status, answer, nil
}

// take returns a connection that is free, or makes one.
func (s *links) take(ctx context.Context, base string) (*link, error) {
	s.mu.Lock()
	kept := s.free[base]
	for len(kept) > 0 {
		l := kept[len(kept)-1]
		kept = kept[:len(kept)-1]
		s.free[base] = kept
		if time.Since(l.used) < mostIdle {
			s.mu.Unlock()
			return l, nil
		}
		_ = l.conn.Close() // the node has closed it, or soon will
	}
	s.mu.Unlock()
	return s.dial(ctx, base)
}

func (s *links) put(base string, l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == nil {
		s.free = map[string][]*link{}
	}
	s.free[base] = append(s.free[base], l)
}

// close closes the connections that are free.
func (s *links) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kept := range s.free {
		for _, l := range kept {
			_ = l.conn.Close()
		}
	}
	clear(s.free)
}

func (s *links) dial(ctx context.Context, base string) (*link, error) {
	at, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	port := at.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	plain, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, s.config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return &link{conn: conn, host: at.Host, path: at.EscapedPath(), in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// post writes one request and reads its answer. keep says that another may follow.
func (l *link) post(ctx context.Context, path, kind string, body []byte) (status int, answer []byte, keep bool, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, nil, false, err
	}
	over := context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) })
	defer over()
	l.out = append(append(append(l.out[:0], "POST "...), l.path...), path...)
	l.out = append(append(l.out, " HTTP/1.1\r\nHost: "...), l.host...)
	l.out = append(append(l.out, "\r\nContent-Type: "...), kind...)
	l.out = strconv.AppendInt(append(l.out, "\r\nContent-Length: "...), int64(len(body)), 10)
	l.out = append(append(l.out, "\r\n\r\n"...), body...)
	if _, err := l.conn.Write(l.out); err != nil {
		return 0, nil, false, err
	}
	response, err := http.ReadResponse(l.in, nil)
	if err != nil {
		return 0, nil, false, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	l.used = time.Now()
	return response.StatusCode, answer, !response.Close, err
}
