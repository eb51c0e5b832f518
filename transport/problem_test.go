package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, code := range fsm.Codes() {
		status, ok := statusOf[code]
		if !ok || status < 400 || http.StatusText(status) == "" {
			t.Errorf("%s has status %d", code, status)
		}
		p := problem(code, fsm.Field{Name: "a", Value: "1"}, fsm.Field{Name: "b", Value: "2"})
		if p.Code != string(code) || p.Title != string(code) || p.Status != status || p.Cause == "" || p.Recovery == "" || p.Logged {
			t.Errorf("problem of %s: %+v", code, p)
		}
		if want := " (a 1, b 2)."; p.Detail[len(p.Detail)-len(want):] != want || p.Fields["b"] != "2" {
			t.Errorf("detail of %s: %q, fields %v", code, p.Detail, p.Fields)
		}
	}
	if len(statusOf) != len(fsm.Codes()) {
		t.Errorf("%d statuses for %d codes", len(statusOf), len(fsm.Codes()))
	}
}

func TestProblemOf(t *testing.T) {
	id := fsm.Identity{1, 2, 3}
	replay := &fsm.Refusal{Code: fsm.NonceReplay, Fields: []fsm.Field{{Name: "last_nonce", Value: "17"}}}
	tests := []struct {
		name   string
		err    error
		code   fsm.Code
		status int
		field  string // name=value
		retry  string // Retry-After
	}{
		{"refusal", replay, fsm.NonceReplay, 409, "last_nonce=17", ""},
		{"wrapped refusal", fmt.Errorf("asking: %w", replay), fsm.NonceReplay, 409, "last_nonce=17", ""},
		{"no leader", &cluster.Unavailable{Reason: "no leader", RetryAfter: 300 * time.Millisecond}, fsm.Unavailable, 503, "reason=no leader", "1"},
		{"overload", &cluster.Unavailable{Reason: "too much", RetryAfter: 1500 * time.Millisecond}, fsm.Unavailable, 503, "reason=too much", "2"},
		{"unknown outcome", &cluster.UnknownOutcome{ID: id}, fsm.Unavailable, 504, "id=" + id.String(), ""},
		{"wrapped unknown", fmt.Errorf("x: %w", &cluster.UnknownOutcome{ID: id}), fsm.Unavailable, 504, "id=" + id.String(), ""},
		{"no leaf", fmt.Errorf("leaf 7: %w", cluster.ErrNoLeaf), fsm.NotFound, 404, "kind=leaf", ""},
		{"not final", cluster.ErrNotFinal, fsm.NotFound, 404, "kind=proof", ""},
		{"incomplete", cluster.ErrIncomplete, fsm.Unavailable, 503, "reason=this node's journal is not complete yet", "1"},
		{"deadline", context.DeadlineExceeded, fsm.Unavailable, 503, "reason=the request's time was over", "1"},
		{"unforeseen", io.ErrUnexpectedEOF, fsm.Unavailable, 500, "reason=internal error", ""},
		{"problem", unauthenticated(fsm.Expired, "late"), fsm.Expired, 401, "token=late", ""},
		{"with headers", huma.ErrorWithHeaders(problem(fsm.RateLimited), http.Header{"Retry-After": {"9"}}), fsm.RateLimited, 429, "", "9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, header := problemOf(tt.err)
			if p.Code != string(tt.code) || p.Status != tt.status {
				t.Errorf("got %s with %d, want %s with %d", p.Code, p.Status, tt.code, tt.status)
			}
			if header.Get("Retry-After") != tt.retry {
				t.Errorf("Retry-After %q, want %q", header.Get("Retry-After"), tt.retry)
			}
			if tt.field != "" {
				found := false
				for name, value := range p.Fields {
					found = found || name+"="+value == tt.field
				}
				if !found {
					t.Errorf("fields %v lack %s", p.Fields, tt.field)
				}
			}
			if p.Unknown() != (tt.status == 504 || tt.status == 500) {
				t.Errorf("status %d says unknown %v", p.Status, p.Unknown())
			}
		})
	}
}

// What nobody foresaw may hold a path or an address: it is for the log only.
func TestInternalErrorsSayNothing(t *testing.T) {
	p, _ := problemOf(errors.New("open /var/lib/secret: permission denied"))
	if p.Detail == "" || p.Fields["reason"] != "internal error" {
		t.Errorf("problem %+v", p)
	}
}

func TestLibraryErrorsAreProblems(t *testing.T) {
	tests := []struct {
		status int
		code   fsm.Code
	}{
		{400, fsm.MalformedPayload},
		{404, fsm.NotFound},
		{413, fsm.MalformedPayload},
		{415, fsm.MalformedPayload},
		{422, fsm.MalformedPayload},
		{429, fsm.RateLimited},
		{500, fsm.Unavailable},
		{503, fsm.Unavailable},
	}
	for _, tt := range tests {
		err := problemOfStatus(tt.status, "validation failed", &huma.ErrorDetail{Location: "query.limit", Message: "too much", Value: "secret"})
		p, ok := err.(*api.Problem)
		if !ok || p.Code != string(tt.code) || p.Status != tt.status {
			t.Errorf("status %d became %+v", tt.status, err)
			continue
		}
		if want := "validation failed; query.limit: too much"; p.Fields["detail"] != want {
			t.Errorf("detail %q, want %q", p.Fields["detail"], want)
		}
	}
}
