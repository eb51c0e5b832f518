package agent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Limits of the agent's own doing.
const (
	pageSize     = 1000             // readings asked for at once
	pollSeconds  = 20               // how long a node may hold an empty answer back
	lifeOfVote   = 10 * time.Minute // of an attestation, so that it outlives an election
	pauseOnError = time.Second
	longestPause = time.Minute // while a node goes on to refuse

	waitingSeconds = 2 // instead of pollSeconds while readings wait for a reference
	quietTooLong   = 2 * time.Minute
	maxMarkets     = 16 // one numbered lane each
)

// Config is what an agent needs.
type Config struct {
	Client    *client.Client
	Key       ed25519.PrivateKey // the oracle's
	Cluster   [16]byte
	Era       string // "" means the first era
	Policy    Policy
	Decisions *Decisions            // nil: nothing is remembered beyond the process
	Registry  prometheus.Registerer // nil: nothing is measured
	Logger    *slog.Logger
}

// Agent attests to readings by a policy.
type Agent struct {
	config  Config
	signer  client.Signer
	skew    clockSkew
	metrics *metrics
	library *Library
	oracle  string // the principal that the key belongs to, once a node has told

	mu    sync.Mutex
	heard map[string]time.Time // when a node told each market's readings last
}

// New checks the configuration. It starts nothing.
func New(c Config) (*Agent, error) {
	if c.Client == nil || len(c.Key) != ed25519.PrivateKeySize {
		return nil, errors.New("an oracle agent needs a client and the oracle's private key")
	}
	c.Policy.Default = c.Policy.Default.or(Abstain)
	if err := c.Policy.Validate(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := newMetrics(c.Registry)
	return &Agent{
		config: c, signer: client.Signer{Key: c.Key, Cluster: c.Cluster, Era: c.Era},
		metrics: m, library: newLibrary(c.Policy, c.Logger, m), heard: map[string]time.Time{},
	}, nil
}

// Run attests until ctx ends. Trouble with nodes is waited out and logged; an
// error is one of this machine, or of who started it with somebody else's key.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.library.Load(ctx); err != nil {
		a.config.Logger.Warn("not every reference can be read", "error", err)
	}
	owner := a.askOwner(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // whoever ended it knows
	}
	if owner.Role != genesis.RoleOracle {
		return fmt.Errorf("the key %s is of %s %s, and only oracles attest: give the oracle's key", owner.Key, owner.Role, owner.Principal)
	}
	a.oracle = owner.Principal
	// From here on events are news; what is there already, the watchers ask for.
	leaf := a.askLeaf(ctx)
	var past []Decision
	if a.config.Decisions != nil {
		var err error
		if past, err = a.config.Decisions.claim(hex.EncodeToString(a.config.Cluster[:]), a.oracle); err != nil {
			return err
		}
	}
	var parts sync.WaitGroup
	parts.Go(func() { a.library.Run(ctx) })
	for i, market := range a.config.Policy.Markets() {
		w := &watcher{
			agent: a, market: market, lane: strconv.Itoa(i), said: map[uint64]ballot{},
			judge: NewJudge(a.config.Policy, a.library.Books()),
			log:   a.config.Logger.With("market", market, "oracle_key", a.signer.KeyID().String()),
			news:  newNews(),
		}
		w.recall(past)
		parts.Go(func() { w.follow(ctx, leaf) })
		parts.Go(func() { w.run(ctx) })
	}
	parts.Wait()
	return nil
}

// Ready says why the agent is not attesting now, or nil.
func (a *Agent) Ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, market := range a.config.Policy.Markets() {
		heard, ever := a.heard[market]
		switch {
		case !ever:
			return fmt.Errorf("no node has told the readings of market %s yet", market)
		case time.Since(heard) > quietTooLong:
			return fmt.Errorf("no node has told the readings of market %s since %s", market, heard.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// askOwner asks whose the key is, to know its earlier votes when it sees them.
func (a *Agent) askOwner(ctx context.Context) (owner api.Key) {
	a.insist(ctx, "whose the oracle's key is", func() error {
		var keys api.Keys
		err := a.config.Client.Get(ctx, "/v1/keys", url.Values{"key": {a.signer.KeyID().String()}}, &keys)
		if err == nil && len(keys.Keys) != 1 {
			return errors.New("the cluster does not know the key")
		}
		if err == nil {
			owner = keys.Keys[0]
		}
		return err
	})
	return owner
}

// askLeaf asks for the last leaf of the journal.
func (a *Agent) askLeaf(ctx context.Context) (leaf uint64) {
	a.insist(ctx, "how far the journal is", func() error {
		status, err := a.config.Client.Status(ctx)
		leaf = max(uint64(status.TreeSize), 1) - 1
		return err
	})
	return leaf
}

// insist asks again until there is an answer or ctx ends.
func (a *Agent) insist(ctx context.Context, what string, ask func() error) {
	for ctx.Err() == nil {
		err := ask()
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			a.config.Logger.Warn("the oracle agent is waiting", "for", what, "error", err)
			sleep(ctx, pauseOnError)
		}
	}
}

// watcher attests in one market, on a lane of its own.
type watcher struct {
	agent  *Agent
	market string
	lane   string
	log    *slog.Logger
	judge  *Judge
	news   *news

	caughtUp bool              // with what was live when the agent was started
	cursor   uint64            // number of the last reading looked at
	nonce    uint64            // next on the lane; 0 until it is asked for
	said     map[uint64]ballot // what was decided on readings that may have to be voted on again
	waiting  []api.Reading     // readings that wait for a reference
	unlogged []Decision        // what was decided and is not on the disk yet
	meters   map[string]bool   // registered ones, as far as asked for
}

// recall takes in what was decided before the agent was started.
func (w *watcher) recall(past []Decision) {
	for _, d := range past {
		if d.Market == w.market {
			w.said[uint64(d.Number)] = d.ballot()
			w.judge.Remember(d.claim(), d.Vote, d.Reason)
		}
	}
}

func (w *watcher) run(ctx context.Context) {
	for wait := time.Duration(0); ctx.Err() == nil; {
		w.await(ctx)
		err := w.step(ctx)
		if wait = pauseAfter(err, wait); err != nil && ctx.Err() == nil {
			w.agent.metrics.troubles.WithLabelValues(w.market).Inc()
			w.log.Warn("the oracle agent is waiting", "error", err, "again_in", wait)
			sleep(ctx, wait)
		}
	}
}

// pauseAfter is how long to wait before the next step, by how long it was the last
// time. A refusal waits for people, and a replicated one has cost the committee an
// entry of its log: each is waited out for longer than the one before.
func pauseAfter(err error, before time.Duration) time.Duration {
	switch _, refused := errors.AsType[*client.Refused](err); {
	case err == nil:
		return 0
	case refused:
		return min(max(2*before, pauseOnError), longestPause)
	}
	return pauseOnError
}

// step takes one page of readings, and those that waited, judges and attests. The
// cursor moves on only when the page's attestations are decided, so that nothing is
// left out because a node was down.
func (w *watcher) step(ctx context.Context) error {
	page, last, err := w.fetch(ctx)
	if err != nil {
		return err
	}
	if len(page)+len(w.waiting) == 0 {
		w.cursor = max(w.cursor, last)
		return nil
	}
	if err := w.learnMeters(ctx, page); err != nil {
		return err
	}
	w.judge.references = w.agent.library.Books()
	readings := append(slices.Clone(w.waiting), page...)
	ballots, waiting, decided := w.vote(readings)
	w.unlogged = append(w.unlogged, decided...)
	if err := w.note(); err != nil {
		return err
	}
	for _, attestation := range attestations(w.market, ballots) {
		if err := w.attest(ctx, attestation); err != nil {
			return err
		}
	}
	w.passed(readings, page, waiting)
	return nil
}

// note brings what was decided to the disk, before anybody hears of it.
func (w *watcher) note() error {
	if log := w.agent.config.Decisions; log != nil {
		if err := log.append(w.unlogged); err != nil {
			return err
		}
	}
	w.unlogged = nil
	return nil
}

// passed moves on behind readings that are done with.
func (w *watcher) passed(readings, page, waiting []api.Reading) {
	now := w.agent.skew.now()
	for _, r := range readings {
		if b, ok := w.said[uint64(r.Number)]; ok && b.vote != Abstain {
			w.agent.metrics.voted(w.market, r.AcceptedAt, now)
		}
		delete(w.said, uint64(r.Number))
	}
	w.waiting = waiting
	if len(page) > 0 {
		w.cursor = max(w.cursor, uint64(page[len(page)-1].Number))
	}
	// What was said before a restart and is not live any more comes never again.
	maps.DeleteFunc(w.said, func(number uint64, _ ballot) bool { return number <= w.cursor })
	w.agent.metrics.judged.WithLabelValues(w.market).Set(float64(w.cursor))
	w.agent.metrics.waiting.WithLabelValues(w.market).Set(float64(len(waiting)))
}

// fetch asks for readings beyond the cursor, and for the number of the newest of all.
// Any node's state will do, since an attestation names by hash what it is about; but
// until the agent has caught up, the pages must show all that this oracle said before
// it was restarted.
func (w *watcher) fetch(ctx context.Context) (page []api.Reading, last uint64, err error) {
	query := url.Values{
		"market": {w.market}, "after": {strconv.FormatUint(w.cursor, 10)}, "limit": {strconv.Itoa(pageSize)}, "consistency": {"stale"},
	}
	if !w.caughtUp {
		query.Set("consistency", "linearizable")
	} else if wait := w.patience(); wait > 0 {
		query.Set("wait", strconv.Itoa(wait))
	}
	var list api.Readings
	if err := w.agent.config.Client.Get(ctx, "/v1/readings", query, &list); err != nil {
		return nil, 0, fmt.Errorf("asking for readings: %w", err)
	}
	w.caughtUp = w.caughtUp || len(list.Readings) < pageSize
	w.agent.hear(w.market)
	w.agent.metrics.newest.WithLabelValues(w.market).Set(float64(list.Last))
	return list.Readings, uint64(list.Last), nil
}

// patience is for how many seconds a node may hold an empty answer back: where
// nothing has told of a reading, or what was told of has not come to that node.
func (w *watcher) patience() int {
	switch {
	case !w.news.due(w.cursor):
		return 0
	case len(w.waiting) > 0:
		return waitingSeconds
	}
	return pollSeconds
}

func (a *Agent) hear(market string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard[market] = time.Now()
}

// learnMeters asks for the list of meters when a reading names one that is not
// known yet, if the policy cares.
func (w *watcher) learnMeters(ctx context.Context, page []api.Reading) error {
	if !w.agent.config.Policy.RejectUnknownMeters || w.knowsAll(page) {
		return nil
	}
	known := map[string]bool{}
	query := url.Values{"market": {w.market}, "limit": {strconv.Itoa(pageSize)}, "consistency": {"stale"}}
	for {
		var list api.Meters
		if err := w.agent.config.Client.Get(ctx, "/v1/meters", query, &list); err != nil {
			return fmt.Errorf("asking for the meters: %w", err)
		}
		for _, m := range list.Meters {
			known[m.Meter] = true
		}
		if list.Next == "" {
			w.meters = known
			return nil
		}
		query.Set("after", list.Next)
	}
}

func (w *watcher) knowsAll(page []api.Reading) bool {
	for _, r := range page {
		if !w.meters[r.Meter] {
			return false
		}
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
