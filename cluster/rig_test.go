package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// nodeKeys are the private keys of one node.
type nodeKeys struct {
	node, cosigner ed25519.PrivateKey
	sealing        [32]byte
}

// committee is three nodes on loopback with everybody's private keys.
type committee struct {
	t       *testing.T
	dir     string
	genesis *genesis.Signed
	keys    []nodeKeys
	sockets []net.Listener // held until their node starts for the first time
	people  map[string]ed25519.PrivateKey
	nonces  map[string]uint64
	salt    atomic.Uint64 // tests write from several goroutines
	change  func(*Config)
	joins   map[int]*Join // of the nodes that genesis does not name

	members []*member
}

// member is one node of a committee, running or not.
type member struct {
	*Node
	cancel context.CancelFunc
	ended  chan error
}

func newKey(t testing.TB) ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func publicOf(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

// newCommittee makes keys, a genesis that all nodes have signed, and data
// directories, and starts nobody.
func newCommittee(t *testing.T, change ...func(*Config)) *committee {
	t.Helper()
	return newCommitteeOf(t, 3, change...)
}

func newCommitteeOf(t *testing.T, nodes int, change ...func(*Config)) *committee {
	t.Helper()
	c := &committee{t: t, dir: t.TempDir(), nonces: map[string]uint64{}, change: func(*Config) {}}
	if len(change) > 0 {
		c.change = change[0]
	}
	g, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		t.Fatal(err)
	}
	g.Name, g.CreatedAt, g.AdminThreshold, g.BlockMs = "rig", time.Now().UnixMilli(), 2, 100
	g.Markets[0].ExpiryBlocks = 10_000 // elections on a busy machine must not let readings expire
	g.Faulty = genesis.DefaultFaulty(nodes)
	for i := range nodes {
		k := nodeKeys{node: newKey(t), cosigner: newKey(t)}
		if _, err := rand.Read(k.sealing[:]); err != nil {
			t.Fatal(err)
		}
		c.keys = append(c.keys, k)
		listener := listen(t, "127.0.0.1:0")
		c.sockets = append(c.sockets, listener)
		g.Nodes = append(g.Nodes, k.statement(i, listener.Addr()))
	}
	c.people = admitPeople(&g, func(string) ed25519.PrivateKey { return newKey(t) })
	c.genesis = signedByAll(t, rand.Reader, g, c.keys)
	c.members = make([]*member, len(c.keys))
	t.Cleanup(func() {
		for i := range c.members {
			c.stop(i)
			if c.sockets[i] != nil {
				_ = c.sockets[i].Close()
			}
		}
	})
	return c
}

// statement is what genesis says of the i-th node.
func (k nodeKeys) statement(i int, address net.Addr) genesis.Node {
	var public, private x25519.Key
	private = k.sealing
	x25519.KeyGen(&public, &private)
	return genesis.Node{
		Name: fmt.Sprintf("node-%c", 'a'+i), NodeKey: publicOf(k.node), CosignerKey: publicOf(k.cosigner), SealingKey: public,
		PeerAddress: address.String(), APIAddress: fmt.Sprintf("https://127.0.0.1:%d", 8000+i),
	}
}

// admitPeople writes into genesis everybody who signs commands in these tests, with
// keys from the function, and gives these back.
func admitPeople(g *genesis.Genesis, key func(name string) ed25519.PrivateKey) map[string]ed25519.PrivateKey {
	people := map[string]ed25519.PrivateKey{}
	for _, p := range []struct{ name, role string }{
		{"alice", "admin"},
		{"bob", "admin"},
		{"oracle-a", "oracle"},
		{"oracle-b", "oracle"},
		{"oracle-c", "oracle"},
		{"sunny", "provider"},
		{"city", "payer"},
	} {
		key := key(p.name)
		people[p.name] = key
		possession := genesis.Possession{Principal: p.name, Role: p.role, Key: publicOf(key)}
		g.Principals = append(g.Principals, genesis.Principal{Principal: p.name, Role: p.role, PublicKey: publicOf(key), Proof: possession.Prove(key)})
		if p.role == "oracle" {
			g.OracleWeights = append(g.OracleWeights, genesis.OracleWeight{Market: "energy", Oracle: p.name, Weight: 10})
		}
	}
	return people
}

func signedByAll(t testing.TB, random io.Reader, g genesis.Genesis, keys []nodeKeys) *genesis.Signed {
	t.Helper()
	signed, err := genesis.Assemble(random, g)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if err := signed.Sign(k.node); err != nil {
			t.Fatal(err)
		}
	}
	return signed
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// roster is the committee of genesis.
func (c *committee) roster() *roster {
	r := &roster{genesis: c.genesis}
	for seat, n := range c.genesis.Nodes {
		r.members = append(r.members, fsm.Member{Seat: uint8(seat), Node: n, Until: fsm.NoEnd})
	}
	return r
}

// release gives up a node's socket, for tests that open the node themselves.
func (c *committee) release(i int) {
	c.t.Helper()
	if err := c.sockets[i].Close(); err != nil {
		c.t.Fatal(err)
	}
	c.sockets[i] = nil
}

func (c *committee) nodeDir(i int) string { return filepath.Join(c.dir, fmt.Sprintf("n%d", i)) }

func (c *committee) config(i int) Config {
	config := Config{
		Dir: c.nodeDir(i), Genesis: c.genesis, NodeKey: c.keys[i].node, CosignerKey: c.keys[i].cosigner,
		SealingKey: c.keys[i].sealing, Join: c.joins[i], RaftTimeout: 150 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}
	if os.Getenv("TALLYVAULT_TESTLOG") != "" {
		config.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", i)
	}
	c.change(&config)
	return config
}

// start runs a node. It listens on the socket that was made with the genesis, and
// at a later start on the same address again.
func (c *committee) start(i int) *member {
	c.t.Helper()
	config := c.config(i)
	config.PeerListener, c.sockets[i] = c.sockets[i], nil
	node, err := New(config)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{Node: node, cancel: cancel, ended: make(chan error, 1)}
	go func() { m.ended <- node.Run(ctx) }()
	c.members[i] = m
	return m
}

func (c *committee) startAll() *committee {
	c.t.Helper()
	for i := range c.members {
		c.start(i)
	}
	for i := range c.members {
		c.ready(i)
	}
	return c
}

// stop ends a node in good order.
func (c *committee) stop(i int) {
	m := c.members[i]
	if m == nil {
		return
	}
	c.members[i] = nil
	m.cancel()
	if err := m.exit(c.t); err != nil {
		c.t.Errorf("node %d ended with: %v", i, err)
	}
}

func (m *member) exit(t testing.TB) error {
	t.Helper()
	select {
	case err := <-m.ended:
		return err
	case <-time.After(patience):
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		t.Fatal("the node does not end")
		return nil
	}
}

var errKilled = errors.New("killed by the test")

// kill ends a node without letting it finish anything, and takes away what its
// journal had not synced, as a crash may.
func (c *committee) kill(i int) {
	c.t.Helper()
	m := c.members[i]
	c.members[i] = nil
	saved := c.copyJournal(m)
	m.fail(errKilled)
	if err := m.exit(c.t); !errors.Is(err, errKilled) {
		c.t.Fatalf("node %d ended with: %v", i, err)
	}
	if err := os.RemoveAll(m.dir.journal()); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(saved, m.dir.journal()); err != nil {
		c.t.Fatal(err)
	}
}

// copyJournal copies a journal that is being written to. What lies beyond the mark
// is cut off when it is opened, so that only the mark must not change meanwhile.
func (c *committee) copyJournal(m *member) string {
	c.t.Helper()
	saved := filepath.Join(c.t.TempDir(), "journal")
	mark := filepath.Join(m.dir.journal(), "mark")
	c.eventually("the journal is copied", func() error {
		before, err := os.ReadFile(mark)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(saved); err != nil {
			return err
		}
		if err := os.CopyFS(saved, os.DirFS(m.dir.journal())); err != nil {
			return err
		}
		after, err := os.ReadFile(mark)
		if err == nil && !bytes.Equal(before, after) {
			err = errors.New("the mark has moved")
		}
		return err
	})
	return saved
}

// eventually waits until ask is content, and says what it last complained of.
func (c *committee) eventually(what string, ask func() error) {
	c.t.Helper()
	c.eventuallyIn(patience, what, ask)
}

func (c *committee) eventuallyIn(bound time.Duration, what string, ask func() error) {
	c.t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(bound)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			c.t.Fatalf("%s: %v", what, err)
		}
	}
}

func (c *committee) ready(i int) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("node %d is ready", i), c.members[i].Ready)
}

// leader waits until some running node leads and takes commands.
func (c *committee) leader() int {
	c.t.Helper()
	leader := -1
	c.eventually("somebody leads", func() error {
		for i, m := range c.members {
			if m != nil && m.leading() != nil {
				leader = i
				return nil
			}
		}
		return errors.New("nobody does")
	})
	return leader
}

// other is a running node that is not i.
func (c *committee) other(i int) int {
	for j, m := range c.members {
		if j != i && m != nil {
			return j
		}
	}
	c.t.Fatal("there is no other node")
	return -1
}

func (c *committee) command(body any, name string, signers ...string) *fsm.Command {
	c.t.Helper()
	payloadType := fsmPayloadType(c.t, name)
	e := envelope.Envelope{PayloadType: payloadType, Payload: strict.Encode(body)}
	for _, who := range signers {
		e.Signatures = append(e.Signatures, envelope.Sign(c.people[who], e.PayloadType, e.Payload))
	}
	cmd, refusal := fsm.FromEnvelope(e)
	if refusal != nil {
		c.t.Fatal(refusal)
	}
	return cmd
}

func fsmPayloadType(t testing.TB, name string) string {
	_, tag, ok := fsm.NewPayload(name)
	if !ok {
		t.Fatalf("no command is called %s", name)
	}
	return tag.PayloadType()
}

func (c *committee) threshold() fsm.ThresholdHeader {
	now := time.Now().UnixMilli()
	h := fsm.ThresholdHeader{Cluster: c.genesis.Cluster, Era: c.era(), IssuedAt: now, ExpiresAt: now + 3_600_000}
	copy(h.Salt[:], fmt.Sprintf("%016d", c.salt.Add(1)))
	return h
}

func (c *committee) era() string {
	machine, err := fsm.New(c.genesis)
	if err != nil {
		c.t.Fatal(err)
	}
	return machine.View().Era()
}

// deposit is a command that is accepted once for each reference.
func (c *committee) deposit(reference string) *fsm.Command {
	return c.command(fsm.Deposit{
		ThresholdHeader: c.threshold(), Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1_000}, Reference: reference,
	}, "deposit", "alice", "bob")
}

// single is the header of the next command on a lane of somebody's key.
func (c *committee) single(who, lane string) fsm.Header {
	c.nonces[who+lane]++
	now := time.Now().UnixMilli()
	return fsm.Header{
		Cluster: c.genesis.Cluster, Era: c.era(), Lane: lane, Nonce: c.nonces[who+lane], IssuedAt: now, ExpiresAt: now + 3_600_000,
	}
}

// deposits are n different ones.
func (c *committee) deposits(prefix string, n int) []*fsm.Command {
	commands := make([]*fsm.Command, n)
	for i := range commands {
		commands[i] = c.deposit(fmt.Sprintf("%s %d", prefix, i))
	}
	return commands
}

// again is the same command, parsed anew, as another caller would have it.
func again(t testing.TB, cmd *fsm.Command) *fsm.Command {
	t.Helper()
	parsed, err := fsm.ParseFrame(cmd.Frame())
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// must submits on a node and demands that everything is accepted.
func (c *committee) must(i int, commands ...*fsm.Command) []Answer {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	answers, err := c.members[i].Submit(ctx, commands)
	if err != nil {
		c.t.Fatal(err)
	}
	for k, a := range answers {
		switch {
		case a.Err != nil:
			c.t.Fatalf("command %d: %v", k, a.Err)
		case a.Refusal != nil:
			c.t.Fatalf("command %d is refused at the door: %v", k, a.Refusal)
		case a.Outcome.Refusal != nil:
			c.t.Fatalf("command %d is refused: %v", k, a.Outcome.Refusal)
		}
	}
	return answers
}

// agree waits until all running nodes have applied the same entry and compares
// their digests.
func (c *committee) agree() {
	c.t.Helper()
	type digest struct {
		entry uint64
		sum   [32]byte
	}
	c.eventually("all nodes have the same state", func() error {
		seen := map[int]digest{}
		var wait sync.WaitGroup
		var mu sync.Mutex
		for i, m := range c.members {
			if m == nil {
				continue
			}
			wait.Add(1)
			go func() {
				defer wait.Done()
				entry, sum, err := m.Digest(c.t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					seen[i] = digest{entry, sum}
				}
			}()
		}
		wait.Wait()
		var first *digest
		for i, d := range seen {
			if first == nil {
				first = &d
				continue
			}
			if first.entry != d.entry {
				return fmt.Errorf("node %d is at entry %d, another at %d", i, d.entry, first.entry)
			}
			if first.sum != d.sum {
				c.t.Fatalf("at entry %d the digests differ", d.entry)
			}
		}
		return nil
	})
}

// balance is the payer's balance on a node.
func (c *committee) balance(i int) uint64 {
	account, _ := c.members[i].View().Ledger().Account("payer/city")
	balance, _ := account.Balance()
	return balance.Lo
}

// final waits until everything that node i has applied is final there.
func (c *committee) final(i int, size uint64) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := c.members[i].WaitFinal(ctx, size); err != nil {
		c.t.Fatal(err)
	}
}
