package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A link answers as the standard library's server says, uses one connection for what
// comes one after the other, and drops one that the server ends.
func TestLinks(t *testing.T) {
	var seen atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seen.Add(1)
		if string(body) == "last" {
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), body)
		if len(body) > 1000 { // the answer comes in parts, without a length
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, strings.Repeat("!", 100_000))
		}
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	s := &links{config: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: "example.com"}}
	defer s.close()
	long := strings.Repeat("x", 70_000)
	for _, c := range []struct {
		body, want string
		free       int // connections afterwards
	}{
		{"one", "POST /v1/commands application/json one", 1},
		{long, "POST /v1/commands application/json " + long + strings.Repeat("!", 100_000), 1},
		{"last", "POST /v1/commands application/json last", 0},
		{"again", "POST /v1/commands application/json again", 1},
	} {
		status, answer, err := s.post(t.Context(), server.URL, "/v1/commands", "application/json", []byte(c.body))
		if err != nil || status != http.StatusConflict || string(answer) != c.want {
			t.Fatalf("status %d, %.100q, %v; want %.100q", status, answer, err, c.want)
		}
		if n := len(s.free[server.URL]); n != c.free {
			t.Errorf("%d connections are free, want %d", n, c.free)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.post(ended, server.URL, "/v1/commands", "application/json", nil); err == nil {
		t.Error("a request was sent after the end")
	}
	server.CloseClientConnections()
	server.Close()
	_, _, err := s.post(t.Context(), server.URL, "/v1/commands", "application/json", nil)
	if err == nil || !strings.HasPrefix(reasonOf(verdict{}, err), "connection: ") || errors.Is(err, context.Canceled) {
		t.Errorf("a server that is gone: %v", err)
	}
}
