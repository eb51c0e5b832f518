package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/transport/client"
)

// A document comes whole or ends with an error, and is asked for until a node can answer.
func TestOpen(t *testing.T) {
	var asked atomic.Int32
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/whole":
			if asked.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"code":"Unavailable"}`)
				return
			}
			_, _ = io.WriteString(w, "all of "+r.URL.RawQuery)
		case "/cut":
			_, _ = io.WriteString(w, "some of")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"code":"Unauthorized"}`)
		}
	})
	for path, want := range map[string]string{"/whole": "all of it=1", "/cut": "some of"} {
		document, err := c.Open(t.Context(), path, map[string][]string{"it": {"1"}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(document)
		if string(text) != want || (err == nil) != (path == "/whole") {
			t.Errorf("%s: %q, %v", path, text, err)
		}
		if err := document.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Open(t.Context(), "/no", nil); !client.IsCode(err, "Unauthorized") {
		t.Errorf("a refusal became %v", err)
	}
	alone := clientOf(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	ended, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := alone.Open(ended, "/", nil); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("a node that does not answer gave %v", err)
	}
}
