package client_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// clientOf is a client of one node that a test plays.
func clientOf(t *testing.T, node http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewTLSServer(node)
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	c, err := client.Dial(client.Config{URLs: []string{server.URL}, CA: pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func oneReading(t *testing.T) envelope.Envelope {
	t.Helper()
	s := client.Signer{Key: ed25519.NewKeyFromSeed(make([]byte, 32)), Cluster: [16]byte{7}}
	e, err := s.Build(&fsm.SubmitReading{Market: "energy", Meter: "m", Register: 5, MeasuredAt: 3}, "m/m", 1, time.UnixMilli(1_764_000_000_000), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func submits(r *http.Request) bool { return r.Method == http.MethodPost }

// A door's no settles nothing while an earlier attempt may have been logged and nobody
// can say whether it was: whoever takes it for the last word signs another command.
func TestRefusalAfterAnOpenAttempt(t *testing.T) {
	for path, refusal := range map[string]func() string{
		"/v1/commands": func() string { return "" },
		"/v1/commands:batch": func() string {
			line, _ := json.Marshal(api.BatchLine{Line: 1, Problem: &api.Problem{Code: "Expired", Status: 422}})
			return string(line) + "\n"
		},
	} {
		var attempts atomic.Int32
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case !submits(r):
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprint(w, `{"code":"Unavailable"}`)
			case attempts.Add(1) == 1:
				panic(http.ErrAbortHandler)
			case refusal() != "":
				fmt.Fprint(w, refusal())
			default:
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprint(w, `{"code":"Expired"}`)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		var err error
		if strings.HasSuffix(path, ":batch") {
			err = c.SubmitBatch(ctx, []envelope.Envelope{oneReading(t)})[0].Err
		} else {
			_, err = c.Submit(ctx, oneReading(t))
		}
		cancel()
		if attempts.Load() < 2 || !errors.Is(err, client.ErrUnknown) {
			t.Errorf("%s: after %d attempts: %v", path, attempts.Load(), err)
		}
	}
}

// An outcome counts for the command that it names, and one that names none for none.
func TestOutcomeOfAnother(t *testing.T) {
	for _, answered := range []api.Outcome{{}, {ID: strings.Repeat("ab", 32), Accepted: true}} {
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			var body any = answered
			if strings.HasSuffix(r.URL.Path, ":batch") {
				body = api.BatchLine{Line: 1, Outcome: &answered}
			}
			_ = json.NewEncoder(w).Encode(body)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		o, err := c.Submit(ctx, oneReading(t))
		if !errors.Is(err, client.ErrUnknown) {
			t.Errorf("%+v was taken as %+v, %v", answered, o, err)
		}
		if r := c.SubmitBatch(ctx, []envelope.Envelope{oneReading(t)})[0]; !errors.Is(r.Err, client.ErrUnknown) && !errors.Is(r.Err, client.ErrUnavailable) {
			t.Errorf("in a batch, %+v was taken as %+v", answered, r)
		}
		cancel()
	}
}
