package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/cluster/journal"
)

// A roundTrip answers calls without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A peer that accepts calls and answers none, or one record at a time, does not keep a
// node from fetching what it lacks from the next.
func TestBackfillPassesOverSlowPeers(t *testing.T) {
	c := newCommittee(t).startAll()
	c.must(0, c.deposits("before", 20)...)
	c.agree()
	whole := c.members[0]
	target := whole.View()
	var mu sync.Mutex
	asked := map[string]int{}
	answer := func(r *http.Request) (*http.Response, error) {
		peer := r.URL.Host
		mu.Lock()
		asked[peer]++
		mu.Unlock()
		switch peer {
		case "mute":
			<-r.Context().Done()
			return nil, r.Context().Err()
		case "dripping":
			query := r.URL.Query()
			from, err := strconv.ParseUint(query.Get("from"), 10, 64)
			if err != nil {
				return nil, err
			}
			query.Set("to", number(from+1))
			r.URL.RawQuery = query.Encode()
		}
		out := httptest.NewRecorder()
		serve := whole.serveLeaves
		if r.URL.Path == pathOutcomes {
			serve = whole.serveOutcomes
		}
		if err := serve(out, r); err != nil {
			return nil, err
		}
		return out.Result(), nil
	}
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var failed error
	b := &backfill{
		replica: &replica{journal: j, gap: &gap{target: target}},
		path:    filepath.Join(dir, "backfill.tmp"),
		peers:   func() []string { return []string{"mute", "dripping", "good"} },
		calls:   &calls{&http.Client{Transport: roundTrip(answer)}},
		within:  50 * time.Millisecond,
		fail:    func(err error) { failed = errors.Join(failed, err) },
		log:     slog.New(slog.DiscardHandler),
	}
	filled := make(chan bool, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { filled <- b.fill(ctx, target) }()
	select {
	case ok := <-filled:
		if !ok || failed != nil || j.Size() != target.TreeSize() || !b.replica.complete() {
			t.Errorf("filled %v: %d leaves of %d: %v", ok, j.Size(), target.TreeSize(), failed)
		}
	case <-time.After(20 * time.Second):
		cancel()
		t.Fatal("it waits for a peer that says nothing", <-filled)
	}
	if got := fmt.Sprint(asked["mute"], asked["dripping"], asked["good"] >= 2); got != "1 1 true" {
		t.Errorf("asked %v, want mute and dripping once", asked)
	}
}
