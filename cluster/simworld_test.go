package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// simStart is when every bubble begins.
var simStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A simCommittee is a genesis with everybody's private keys, the same in every run.
type simCommittee struct {
	genesis *genesis.Signed
	keys    []nodeKeys
	people  map[string]ed25519.PrivateKey
}

// simKey derives a key from a name, so that making a committee draws nothing.
func simKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func newSimCommittee(t testing.TB, nodes int) *simCommittee {
	g, err := genesis.Preset(genesis.ProfileCustom)
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.CreatedAt, g.AdminThreshold = "simulation", simStart.UnixMilli(), 2
	g.EpochBlocks = 600 // snapshots are proven by digests in the receipts of epochs
	g.Faulty = genesis.DefaultFaulty(nodes)
	g.Markets[0].ExpiryBlocks, g.Markets[0].DisputeWindowBlocks, g.Markets[0].QuorumThresholdPpm = simExpiry, simWindow, 600_000
	c := &simCommittee{}
	for i := range nodes {
		name := fmt.Sprintf("node-%c", 'a'+i)
		k := nodeKeys{node: simKey(name), cosigner: simKey(name + " cosigner"), sealing: sha256.Sum256([]byte(name))}
		c.keys = append(c.keys, k)
		g.Nodes = append(g.Nodes, k.statement(i, simAddr(i)))
	}
	c.people = admitPeople(&g, simKey)
	c.genesis = signedByAll(t, rand.NewChaCha8([32]byte{}), g, c.keys)
	return c
}

// A simPace is how a simulated cluster is configured.
type simPace struct {
	name        string
	raft, idle  time.Duration
	each, fault time.Duration // between two readings of a meter, and between faults
	whole       time.Duration // how long one cluster lives
	// snapshots: threshold, interval and trailing logs
	threshold, trailing uint64
	interval            time.Duration
}

// A simWorld is a cluster in a bubble: its nodes, their clocks and disks, and the
// network between them.
type simWorld struct {
	*simCommittee
	t     testing.TB
	dir   string
	pace  simPace
	net   *simNet
	rand  *rand.Rand // the schedule's; only the bubble's first goroutine draws
	nodes []*simNode
	seen  *simSeen
	story simStory

	era      string
	provider fsm.KeyID
	waited   time.Duration // for writes to go on, in Raft's timeouts
	summary  string
}

// A simNode is a place for a node: what stays when its process ends.
type simNode struct {
	clock simClock

	mu      sync.Mutex
	running *member // nil while the process does not run
}

func newSimWorld(t testing.TB, c *simCommittee, dir string, pace simPace, seed uint64) *simWorld {
	w := &simWorld{
		simCommittee: c, t: t, dir: dir, pace: pace, net: newSimNet(len(c.keys)),
		rand: rand.New(rand.NewPCG(seed, seed)),
	}
	for range c.keys {
		w.nodes = append(w.nodes, &simNode{})
	}
	machine, err := fsm.New(c.genesis)
	if err != nil {
		t.Fatal(err)
	}
	sunny := envelope.KeyIDOf(c.people["sunny"].Public().(ed25519.PublicKey))
	w.seen, w.era, w.provider = newSimSeen(w), machine.View().Era(), sunny
	w.keepClocks()
	return w
}

// A simClock is a node's wall clock: it is off, and it drifts.
type simClock struct {
	mu     sync.Mutex
	offset time.Duration
	ppm    int64
	since  time.Time // the drift's begin
}

func (c *simClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return now.Add(c.offset + c.drifted(now)).Round(0)
}

func (c *simClock) drifted(now time.Time) time.Duration {
	return now.Sub(c.since) / 1_000_000 * time.Duration(c.ppm)
}

// set puts the clock off by so much, and lets it drift from here on.
func (c *simClock) set(offset time.Duration, ppm int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, c.ppm, c.since = offset, ppm, time.Now()
}

func (w *simWorld) nodeDir(i int) string { return filepath.Join(w.dir, fmt.Sprintf("n%d", i)) }

// member is the process of a node, or nil.
func (w *simWorld) member(i int) *member {
	w.nodes[i].mu.Lock()
	defer w.nodes[i].mu.Unlock()
	return w.nodes[i].running
}

func (w *simWorld) setMember(i int, m *member) {
	w.nodes[i].mu.Lock()
	defer w.nodes[i].mu.Unlock()
	w.nodes[i].running = m
}

// start runs a node on what its disk holds.
func (w *simWorld) start(i int) {
	if w.member(i) != nil {
		return
	}
	w.net.reset(i)
	w.net.change(func() { w.net.off[i] = false })
	config := Config{
		Dir: w.nodeDir(i), Genesis: w.genesis, NodeKey: w.keys[i].node, CosignerKey: w.keys[i].cosigner, SealingKey: w.keys[i].sealing,
		PeerListener: w.net.listen(i), Clock: w.nodes[i].clock.now,
		dial: func(ctx context.Context, address string) (net.Conn, error) {
			return w.net.dial(ctx, i, int(address[len("node-")]-'a'))
		},
		RaftTimeout: w.pace.raft, idleTick: w.pace.idle, DiskTimeout: maxDiskTimeout,
		SnapshotThreshold: w.pace.threshold, SnapshotInterval: w.pace.interval, TrailingLogs: w.pace.trailing,
	}
	if os.Getenv("TALLYVAULT_TESTLOG") != "" {
		config.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", i)
	}
	node, err := New(config)
	if err != nil {
		w.t.Fatalf("%s: node %d cannot start: %v\n%s", w.now(), i, err, w.story.String())
	}
	apply := node.replica.applied
	node.replica.applied = func(a *applied) {
		w.seen.entry(i, a)
		apply(a)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{Node: node, cancel: cancel, ended: make(chan error, 1)}
	go func() {
		err := node.Run(ctx)
		if err != nil && !errors.Is(err, errKilled) {
			w.t.Errorf("%s: node %d ended by itself: %v", w.now(), i, err)
		}
		m.ended <- err
	}()
	w.setMember(i, m)
}

// stop ends a node in good order.
func (w *simWorld) stop(i int) {
	m := w.member(i)
	if m == nil {
		return
	}
	m.cancel()
	<-m.ended
	w.setMember(i, nil)
}

// crash ends a node without letting it say another word. What it had not synced of
// its journal is lost; Raft's log is synced with each write. Without power its peers
// hear nothing any more, otherwise its kernel tells them that the process is gone.
func (w *simWorld) crash(i int, power bool) {
	m := w.member(i)
	if m == nil {
		return
	}
	w.net.change(func() { w.net.off[i] = true })
	// All that has arrived is consumed; nothing more comes. Raft would forget, not
	// answer, those who wait for what it has not handed to the state machine yet.
	synctest.Wait()
	saved := m.dir.journal() + ".crashed"
	if err := errors.Join(os.RemoveAll(saved), os.CopyFS(saved, os.DirFS(m.dir.journal()))); err != nil {
		w.t.Fatal(err)
	}
	m.fail(errKilled)
	<-m.ended
	if err := errors.Join(os.RemoveAll(m.dir.journal()), os.Rename(saved, m.dir.journal())); err != nil {
		w.t.Fatal(err)
	}
	if !power {
		w.net.reset(i)
		w.net.change(func() { w.net.off[i] = false })
	}
	w.setMember(i, nil)
}

// sleep lets simulated time pass.
func (w *simWorld) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// now is simulated time, as the story tells it.
func (w *simWorld) now() string {
	d := time.Since(simStart)
	return fmt.Sprintf("day %d %s", d/(24*time.Hour), simStart.Add(d).Format("15:04:05.000"))
}

func (w *simWorld) errorf(format string, args ...any) {
	w.t.Errorf("%s: %s", w.now(), fmt.Sprintf(format, args...))
}

// A simStory is what happened, told when it went wrong.
type simStory struct {
	strings.Builder
}

func (s *simStory) tell(when, what string) { fmt.Fprintf(s, "%s  %s\n", when, what) }
