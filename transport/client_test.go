package transport_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Every acknowledged reading of many is found once, though the leader is stopped
// in the middle and the stopped node comes back.
func TestSubmitOutlivesTheLeader(t *testing.T) {
	c := start(t, nil)
	c.World()
	const commands = 60
	envelopes := make([]envelope.Envelope, commands)
	for i := range envelopes {
		envelopes[i] = c.Reading(uint64(i+1), uint64(1000+i), base.Add(time.Duration(i)*time.Second))
	}
	leader := c.Leader()
	submit := func(e envelope.Envelope) client.Outcome {
		o, err := c.Client("").Submit(c.Context(), e)
		if err != nil {
			t.Fatalf("%s: %v", e.Identity(), err)
		}
		return o
	}
	numbers := map[string]string{}
	for i, e := range envelopes {
		if i == commands/3 {
			c.Stop(leader)
		}
		numbers[submit(e).Result["number"]] = e.Identity().String()
	}
	c.Restart(leader)
	if len(numbers) != commands {
		t.Errorf("%d numbers for %d readings", len(numbers), commands)
	}
	// Sending all again changes nothing, at the node that was away too.
	c.Until("the restarted node being ready", func() bool { return c.Nodes[leader].Cluster.Ready() == nil })
	for i, r := range c.Client("", leader).SubmitBatch(c.Context(), envelopes) {
		if r.Err != nil || numbers[r.Outcome.Result["number"]] != envelopes[i].Identity().String() {
			t.Errorf("resend %d: %+v, %v", i, r.Outcome, r.Err)
		}
	}
}

// A batch reports one result for each command, in order, with refusals as such.
func TestSubmitBatch(t *testing.T) {
	c := start(t, nil)
	c.World()
	var envelopes []envelope.Envelope
	for i := range client.MaxBatch + 100 { // more than fits into one request
		e := c.Reading(uint64(i+1), uint64(1000+i), base.Add(time.Duration(i)*time.Second))
		if i%50 == 7 {
			e.Signatures[0].Sig[3] ^= 1
		}
		envelopes = append(envelopes, e)
	}
	// The nonces of what was refused at the door are left out, which is allowed.
	for i, r := range c.Client("").SubmitBatch(c.Context(), envelopes) {
		switch {
		case i%50 == 7:
			var refused *client.Refused
			if !errors.As(r.Err, &refused) || refused.Code != "SignatureInvalid" || refused.Logged {
				t.Fatalf("%d: %v", i, r.Err)
			}
		case r.Err != nil && !client.IsCode(r.Err, "LimitExceeded"):
			t.Fatalf("%d: %v", i, r.Err)
		case r.Outcome.ID != envelopes[i].Identity().String():
			t.Fatalf("%d: answered about %s", i, r.Outcome.ID)
		}
	}
}

// Dead URLs cost time, nothing else; if all are dead, nothing was sent.
func TestDeadNodes(t *testing.T) {
	c := start(t, nil)
	c.World()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deadURL := "https://" + dead.Addr().String()
	dead.Close()
	half, err := client.Dial(client.Config{URLs: []string{deadURL, c.Nodes[1].URL}, Genesis: c.Genesis})
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := half.Submit(c.Context(), c.Reading(1, 1, base)); err != nil {
		t.Error(err)
	}
	all, err := client.Dial(client.Config{URLs: []string{deadURL}, Genesis: c.Genesis})
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	ctx, cancel := context.WithTimeout(c.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := all.Submit(ctx, c.Reading(2, 2, base.Add(time.Hour))); !errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrUnknown) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	for _, r := range all.SubmitBatch(ctx, []envelope.Envelope{c.Reading(2, 2, base.Add(time.Hour))}) {
		if !errors.Is(r.Err, client.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", r.Err)
		}
	}
}

// A node that takes a command and then says nothing leaves the outcome unknown.
func TestSilentNodeLeavesTheOutcomeUnknown(t *testing.T) {
	c := start(t, nil)
	c.World()
	// A relay in front of a real node, which stops passing answers on.
	mute := relay(t, strings.TrimPrefix(c.Nodes[0].URL, "https://"))
	cl, err := client.Dial(client.Config{URLs: []string{"https://" + mute.address}, Genesis: c.Genesis, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := cl.Submit(c.Context(), c.Reading(1, 1, base)); err != nil {
		t.Fatal(err) // pins and connection are there now
	}
	mute.silence()
	ctx, cancel := context.WithTimeout(c.Context(), 1500*time.Millisecond)
	defer cancel()
	e := c.Reading(2, 2, base.Add(time.Hour))
	if _, err := cl.Submit(ctx, e); !errors.Is(err, client.ErrUnknown) {
		t.Fatalf("got %v, want ErrUnknown", err)
	}
	// The same bytes tell.
	if o, err := c.Client("").Submit(c.Context(), e); err != nil || !o.Accepted {
		t.Errorf("%+v, %v", o, err)
	}
}

// A client is not held up by a node that went silent while another one answers,
// with single commands and batches, though it would wait a minute for it.
func TestSilentNodeIsNotWaitedFor(t *testing.T) {
	c := start(t, nil)
	c.World()
	ctx, cancel := context.WithTimeout(c.Context(), 15*time.Second)
	defer cancel()
	nonce := uint64(0)
	next := func() envelope.Envelope {
		nonce++
		return c.Reading(nonce, 1000+nonce, base.Add(time.Duration(nonce)*time.Hour))
	}
	for what, submit := range map[string]func(*client.Client, envelope.Envelope) (client.Outcome, error){
		"a command": func(cl *client.Client, e envelope.Envelope) (client.Outcome, error) { return cl.Submit(ctx, e) },
		"a batch": func(cl *client.Client, e envelope.Envelope) (client.Outcome, error) {
			r := cl.SubmitBatch(ctx, []envelope.Envelope{e})[0]
			return r.Outcome, r.Err
		},
	} {
		mute := relay(t, strings.TrimPrefix(c.Nodes[0].URL, "https://"))
		cl, err := client.Dial(client.Config{
			URLs: []string{"https://" + mute.address, c.Nodes[1].URL}, Genesis: c.Genesis, Timeout: time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if _, err := submit(cl, next()); err != nil {
			t.Fatal(err) // through the relay: pins and connection are there now
		}
		mute.silence()
		if o, err := submit(cl, next()); err != nil || !o.Accepted {
			t.Errorf("%s: %+v, %v", what, o, err)
		}
	}
}

// muting passes bytes between a client and a node until it is silenced; then it
// drops what the node says.
type muting struct {
	address string
	mu      sync.Mutex
	muted   bool
	open    []net.Conn
}

func (m *muting) silence() {
	m.mu.Lock()
	m.muted = true
	m.mu.Unlock()
}

func (m *muting) isMuted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.muted
}

func relay(t *testing.T, to string) *muting {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &muting{address: listener.Addr().String()}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			m.keep(in, out)
			open.Go(func() { m.pass(out, in, false) })
			open.Go(func() { m.pass(in, out, true) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		m.hangUp()
		open.Wait()
	})
	return m
}

func (m *muting) keep(conns ...net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = append(m.open, conns...)
}

// hangUp ends the connections that a client holds open until they have been idle for
// long: over a silent one it never learns that a request was given up.
func (m *muting) hangUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, conn := range m.open {
		conn.Close()
	}
}

func (m *muting) pass(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if answers && m.isMuted() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// otherGenesis is a genesis of the same form by other people.
func otherGenesis(t *testing.T, c *threeNodes) *genesis.Signed {
	t.Helper()
	g := c.Genesis.Genesis
	g.Name, g.SealedLogKeys = "somebody else's", nil
	g.Nodes = append([]genesis.Node{}, g.Nodes...)
	keys := make([]ed25519.PrivateKey, len(g.Nodes))
	for i := range g.Nodes {
		seed := sha256.Sum256([]byte(fmt.Sprint("other ", i)))
		keys[i] = ed25519.NewKeyFromSeed(seed[:])
		g.Nodes[i].NodeKey = [32]byte(keys[i].Public().(ed25519.PublicKey))
	}
	signed, err := genesis.Assemble(rand.Reader, g)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if err := signed.Sign(key); err != nil {
			t.Fatal(err)
		}
	}
	return signed
}

// A server that no node of the genesis vouches for gets no request.
func TestStrangersAreNotTrusted(t *testing.T) {
	c := start(t, nil)
	c.World()
	cl, err := client.Dial(client.Config{URLs: []string{c.Nodes[0].URL}, Genesis: otherGenesis(t, c), Key: c.Key("ada")})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(c.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := cl.Submit(ctx, c.Reading(1, 1, base)); !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "pin") {
		t.Errorf("got %v", err)
	}
	if _, err := cl.Status(ctx); err == nil {
		t.Error("a stranger's status was believed")
	}
	if _, err := c.Client("").Outcome(c.Context(), c.Reading(1, 1, base).Identity()); !client.IsCode(err, "NotFound") {
		t.Errorf("the stranger got the command: %v", err)
	}
}

// A node that comes back with another TLS key is asked to vouch for it.
func TestNewCertificateIsLearnt(t *testing.T) {
	dirs := map[string]string{}
	c := start(t, func(config *transport.Config) {
		// Each start makes a key of its own.
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		config.Dir = dir
		dirs[config.Node.Name()] = dir
	})
	c.World()
	cl := c.Client("ada", 0)
	if _, err := cl.Status(c.Context()); err != nil {
		t.Fatal(err)
	}
	c.Stop(0)
	c.Restart(0)
	if _, err := cl.Status(c.Context()); err != nil {
		t.Errorf("the new certificate was not learnt: %v", err)
	}
	// Without a genesis, an authority decides: here, the node's own certificate.
	text, err := os.ReadFile(filepath.Join(dirs["node-a"], "api.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	byAuthority, err := client.Dial(client.Config{URLs: []string{c.Nodes[0].URL}, CA: pool, Cluster: c.Genesis.ClusterID(), Key: c.Key("ada")})
	if err != nil {
		t.Fatal(err)
	}
	defer byAuthority.Close()
	if _, err := byAuthority.Status(c.Context()); err != nil {
		t.Error(err)
	}
}
