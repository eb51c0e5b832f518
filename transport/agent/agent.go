package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Limits of the agent's own doing.
const (
	pageSize     = 1000             // readings asked for at once
	pollSeconds  = 20               // how long a node may hold an empty answer back
	lifeOfVote   = 10 * time.Minute // of an attestation, so that it outlives an election
	pauseOnError = time.Second
	maxMarkets   = 16 // one numbered lane each
)

// Config is what an agent needs.
type Config struct {
	Client  *client.Client
	Key     ed25519.PrivateKey // the oracle's
	Cluster [16]byte
	Era     string // "" means the first era
	Policy  Policy
	Logger  *slog.Logger
}

// Agent attests to readings by a policy.
type Agent struct {
	config Config
	signer client.Signer
	skew   clockSkew
}

// New checks the configuration. It starts nothing.
func New(c Config) (*Agent, error) {
	if c.Client == nil || len(c.Key) != ed25519.PrivateKeySize {
		return nil, errors.New("an oracle agent needs a client and the oracle's private key")
	}
	if c.Policy.Default == "" {
		c.Policy.Default = Abstain
	}
	if err := c.Policy.Validate(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if n := len(c.Policy.Markets()); n > maxMarkets {
		return nil, fmt.Errorf("policy: it names %d markets, more than %d", n, maxMarkets)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Agent{config: c, signer: client.Signer{Key: c.Key, Cluster: c.Cluster, Era: c.Era}}, nil
}

// Run attests until ctx ends. Trouble with nodes is waited out and logged.
func (a *Agent) Run(ctx context.Context) error {
	var watchers sync.WaitGroup
	for i, market := range a.config.Policy.Markets() {
		w := &watcher{
			agent: a, market: market, lane: strconv.Itoa(i), seen: memory{}, cast: map[uint64]bool{},
			log: a.config.Logger.With("market", market, "oracle_key", a.signer.KeyID().String()),
		}
		watchers.Go(func() { w.run(ctx) })
	}
	watchers.Wait()
	return nil
}

// watcher attests in one market, on a lane of its own.
type watcher struct {
	agent  *Agent
	market string
	lane   string
	log    *slog.Logger

	oracle string // the principal that the key belongs to
	cursor uint64 // number of the last reading judged
	nonce  uint64 // next on the lane; 0 until it is asked for
	seen   memory
	cast   map[uint64]bool // votes of the page at hand: true rejects
	meters map[string]bool // registered ones, as far as asked for
}

func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.step(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("the oracle agent is waiting", "error", err)
			sleep(ctx, pauseOnError)
		}
	}
}

// step takes one page of readings, judges and attests. The cursor moves on only
// when the page's attestations are decided, so that nothing is left out because
// a node was down.
func (w *watcher) step(ctx context.Context) error {
	if err := w.needOracle(ctx); err != nil {
		return err
	}
	page, err := w.fetch(ctx)
	if err != nil || len(page) == 0 {
		return err
	}
	if err := w.learnMeters(ctx, page); err != nil {
		return err
	}
	for _, attestation := range attestations(w.market, w.judge(page)) {
		if err := w.submit(ctx, attestation); err != nil {
			return err
		}
	}
	w.cursor = uint64(page[len(page)-1].Number)
	clear(w.cast)
	return nil
}

// needOracle asks whose the key is, to know its earlier votes when it sees them.
func (w *watcher) needOracle(ctx context.Context) error {
	if w.oracle != "" {
		return nil
	}
	var keys api.Keys
	query := url.Values{"key": {w.agent.signer.KeyID().String()}}
	if err := w.agent.config.Client.Get(ctx, "/v1/keys", query, &keys); err != nil {
		return fmt.Errorf("asking whose the oracle's key is: %w", err)
	}
	if len(keys.Keys) != 1 {
		return errors.New("a node does not tell whose the oracle's key is")
	}
	w.oracle = keys.Keys[0].Principal
	return nil
}

// fetch waits for readings beyond the cursor. Any node's state will do, since an
// attestation names by hash what it is about; but the first page must show all
// that this oracle said before it was restarted.
func (w *watcher) fetch(ctx context.Context) ([]api.Reading, error) {
	consistency := "stale"
	if w.cursor == 0 {
		consistency = "linearizable"
	}
	var page api.Readings
	err := w.agent.config.Client.Get(ctx, "/v1/readings", url.Values{
		"market": {w.market}, "after": {strconv.FormatUint(w.cursor, 10)}, "limit": {strconv.Itoa(pageSize)},
		"wait": {strconv.Itoa(pollSeconds)}, "consistency": {consistency},
	}, &page)
	if err != nil {
		return nil, fmt.Errorf("asking for readings: %w", err)
	}
	return page.Readings, nil
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
