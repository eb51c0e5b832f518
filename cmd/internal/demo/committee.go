package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport"
)

// member is one node with the sockets that genesis names for it.
type member struct {
	name                    string
	dir                     string
	node, cosigner, sealing keyfile.Key
	peer, api               net.Listener
	cluster                 *cluster.Node
	door                    *transport.Door
}

// committee is the running cluster and everybody's keys.
type committee struct {
	dir     string
	genesis *genesis.Signed
	members []*member
	people  map[string]keyfile.Key // by principal

	group *errgroup.Group
	stop  context.CancelFunc
}

// The people of the demo. Providers and payers are registered later, by
// threshold commands.
var (
	admins    = []string{"admin-ann", "admin-ben", "admin-cem"}
	oracles   = []string{"oracle-a", "oracle-b", "oracle-c"}
	nodeNames = []string{"node-a", "node-b", "node-c"}
)

const threshold = 2

// found makes keys and genesis for three nodes on free ports.
func found(dir string) (*committee, error) {
	c := &committee{dir: dir, people: map[string]keyfile.Key{}}
	g, err := genesis.Preset(genesis.ProfileDemo)
	if err != nil {
		return nil, err
	}
	g.Name, g.CreatedAt, g.AdminThreshold = "demo", time.Now().UnixMilli(), threshold
	for _, name := range nodeNames {
		m, err := newMember(dir, name)
		if err != nil {
			return nil, err
		}
		c.members = append(c.members, m)
		g.Nodes = append(g.Nodes, m.statement())
	}
	for _, name := range admins {
		if err := c.addPerson(&g, name, genesis.RoleAdmin); err != nil {
			return nil, err
		}
	}
	for _, name := range oracles {
		if err := c.addPerson(&g, name, genesis.RoleOracle); err != nil {
			return nil, err
		}
		g.OracleWeights = append(g.OracleWeights, genesis.OracleWeight{Market: market, Oracle: name, Weight: 1})
	}
	if c.genesis, err = genesis.Assemble(rand.Reader, g); err != nil {
		return nil, err
	}
	for _, m := range c.members {
		if err := c.genesis.Sign(m.node.Ed25519()); err != nil {
			return nil, err
		}
	}
	return c, os.WriteFile(filepath.Join(dir, "genesis.json"), c.genesis.Envelope.JSON(), 0o644)
}

func newMember(dir, name string) (*member, error) {
	m := &member{name: name, dir: filepath.Join(dir, name)}
	if err := os.MkdirAll(filepath.Join(m.dir, "keys"), 0o700); err != nil {
		return nil, err
	}
	var err error
	for _, k := range []struct {
		file string
		kind keyfile.Kind
		key  *keyfile.Key
	}{{"node", keyfile.Ed25519, &m.node}, {"cosigner", keyfile.Ed25519, &m.cosigner}, {"sealing", keyfile.X25519, &m.sealing}} {
		if *k.key, err = newKey(k.kind, filepath.Join(m.dir, "keys", k.file+".key")); err != nil {
			return nil, err
		}
	}
	if m.peer, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("finding a free port: %w", err)
	}
	if m.api, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("finding a free port: %w", err)
	}
	return m, nil
}

func newKey(kind keyfile.Kind, path string) (keyfile.Key, error) {
	key, err := keyfile.Generate(kind, rand.Reader)
	if err != nil {
		return key, err
	}
	return key, keyfile.Write(path, key, "")
}

func (m *member) statement() genesis.Node {
	return genesis.Node{
		Name: m.name, NodeKey: m.node.Public, CosignerKey: m.cosigner.Public, SealingKey: m.sealing.Public,
		PeerAddress: m.peer.Addr().String(), APIAddress: m.url(),
	}
}

func (m *member) url() string { return "https://" + m.api.Addr().String() }

// addPerson makes a principal of the first hour.
func (c *committee) addPerson(g *genesis.Genesis, name, role string) error {
	key, err := c.newPerson(name)
	if err != nil {
		return err
	}
	possession := genesis.Possession{Principal: name, Role: role, Key: key.Public}
	g.Principals = append(g.Principals, genesis.Principal{
		Principal: name, Role: role, PublicKey: key.Public, Proof: possession.Prove(key.Ed25519()),
	})
	return nil
}

func (c *committee) newPerson(name string) (keyfile.Key, error) {
	keys := filepath.Join(c.dir, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return keyfile.Key{}, err
	}
	key, err := newKey(keyfile.Ed25519, filepath.Join(keys, name+".key"))
	c.people[name] = key
	return key, err
}

func (c *committee) key(name string) ed25519.PrivateKey { return c.people[name].Ed25519() }

func (c *committee) urls() []string {
	var urls []string
	for _, m := range c.members {
		urls = append(urls, m.url())
	}
	return urls
}

// start opens and runs every node and its API.
func (c *committee) start(ctx context.Context, version string) error {
	ctx, c.stop = context.WithCancel(ctx)
	c.group, ctx = errgroup.WithContext(ctx)
	for _, m := range c.members {
		if err := c.open(m, version); err != nil {
			c.stop()
			return fmt.Errorf("%s: %w", m.name, err)
		}
		c.group.Go(func() error { return ended(m.name, m.cluster.Run(ctx)) })
		c.group.Go(func() error { return ended(m.name+" API", m.door.Run(ctx, m.api)) })
	}
	return nil
}

func (c *committee) open(m *member, version string) (err error) {
	logFile, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(logFile, nil))
	registry := prometheus.NewRegistry()
	m.cluster, err = cluster.New(cluster.Config{
		Dir: m.dir, Genesis: c.genesis, NodeKey: m.node.Ed25519(), CosignerKey: m.cosigner.Ed25519(),
		SealingKey: m.sealing.Seed, PeerListener: m.peer, Logger: logger, Registry: registry,
	})
	if err != nil {
		return err
	}
	m.door, err = transport.New(transport.Config{
		Node: m.cluster, Genesis: c.genesis, NodeKey: m.node.Ed25519(), Dir: m.dir,
		Version: version, Logger: logger, Registry: registry,
	})
	return err
}

// ended names what stopped; being asked to stop is no error.
func ended(what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// shut stops all nodes and waits for them.
func (c *committee) shut() error {
	c.stop()
	return c.group.Wait()
}

// ready waits until every node could serve.
func (c *committee) ready(ctx context.Context) error {
	for _, m := range c.members {
		err := wait(ctx, func() (bool, error) { err := m.cluster.Ready(); return err == nil, err })
		if err != nil {
			return fmt.Errorf("%s does not get ready: %w", m.name, err)
		}
	}
	return nil
}

// wait looks again and again until done, or until ctx ends; then it tells what
// was still missing.
func wait(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, missing := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), missing)
		case <-tick.C:
		}
	}
}
