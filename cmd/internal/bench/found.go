package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/nodedir"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/client"
)

// The bench's own cluster has two markets, so that the oracles find nothing to
// do in the first phase and no backlog of it in the second.
const (
	ingestMarket = "ingest"
	settleMarket = "energy"
)

const adminThreshold = 2

// site is the cluster that is measured.
type site struct {
	genesis *genesis.Signed
	file    string // the genesis file of an own cluster
	urls    []string
	admins  []ed25519.PrivateKey
	oracles []ed25519.PrivateKey
	nodes   []*child // none if somebody else runs them
}

// found makes keys, directories and genesis of a cluster on free ports.
func found(c Config) (*site, error) {
	g, err := genesis.Preset(genesis.ProfileCustom)
	if err != nil {
		return nil, err
	}
	g.Name, g.CreatedAt, g.AdminThreshold = "bench", time.Now().UnixMilli(), adminThreshold
	row := g.Markets[0]
	// Two oracles of three are enough, so that none holds the others up.
	row.QuorumThresholdPpm = 600_000
	row.MaxPendingPerMeter, row.MaxLiveReadings = oracle.MaxPendingPerMeter, oracle.MaxLiveReadings
	g.Markets = nil
	for _, market := range []string{ingestMarket, settleMarket} {
		row.Market = market
		g.Markets = append(g.Markets, row)
	}
	s := &site{file: filepath.Join(c.Dir, "genesis.json")}
	if s.admins, err = people(&g, genesis.RoleAdmin, 3); err != nil {
		return nil, err
	}
	if s.oracles, err = people(&g, genesis.RoleOracle, 3); err != nil {
		return nil, err
	}
	for _, p := range g.Principals[len(s.admins):] {
		for _, m := range g.Markets {
			g.OracleWeights = append(g.OracleWeights, genesis.OracleWeight{Market: m.Market, Oracle: p.Principal, Weight: 1})
		}
	}
	if err := s.seats(c, &g); err != nil {
		return nil, err
	}
	return s, s.sign(g)
}

// people makes principals of the first hour. Their keys live as long as the run.
func people(g *genesis.Genesis, role string, n int) ([]ed25519.PrivateKey, error) {
	var keys []ed25519.PrivateKey
	for i := range n {
		key, err := keyfile.Generate(keyfile.Ed25519, rand.Reader)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("%s-%d", role, i+1)
		possession := genesis.Possession{Principal: name, Role: role, Key: key.Public}
		g.Principals = append(g.Principals, genesis.Principal{
			Principal: name, Role: role, PublicKey: key.Public, Proof: possession.Prove(key.Ed25519()),
		})
		keys = append(keys, key.Ed25519())
	}
	return keys, nil
}

// seats makes the nodes' directories. A port is free when it is asked for; that
// somebody takes it before the node does is possible and stops the run.
func (s *site) seats(c Config, g *genesis.Genesis) error {
	ports, err := freePorts(3 * c.Nodes)
	if err != nil {
		return err
	}
	for i := range c.Nodes {
		n := &child{name: fmt.Sprintf("node-%c", 'a'+i), ops: ports[3*i+2]}
		n.dir = filepath.Join(c.Dir, n.name)
		statement, err := nodedir.Init(n.dir, nodedir.Seat{
			Name: n.name, PeerAddress: ports[3*i], APIAddress: "https://" + ports[3*i+1],
		}, "", rand.Reader)
		if err != nil {
			return err
		}
		g.Nodes = append(g.Nodes, statement)
		s.urls = append(s.urls, statement.APIAddress)
		s.nodes = append(s.nodes, n)
	}
	return nil
}

// freePorts holds all until the last is found, so that no two are the same.
func freePorts(n int) ([]string, error) {
	var addresses []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer listener.Close() //nolint:errcheck // nobody has connected
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}

func (s *site) sign(g genesis.Genesis) error {
	signed, err := genesis.Assemble(rand.Reader, g)
	if err != nil {
		return err
	}
	for _, n := range s.nodes {
		opened, err := nodedir.Open(n.dir, nil)
		if err != nil {
			return err
		}
		if err := signed.Sign(opened.Node.Ed25519()); err != nil {
			return err
		}
	}
	s.genesis = signed
	return os.WriteFile(s.file, append(signed.Envelope.JSON(), '\n'), 0o644)
}

// own reports whether the bench runs the nodes.
func (s *site) own() bool { return len(s.nodes) > 0 }

// client dials some nodes as the owner of a key.
func (s *site) client(key ed25519.PrivateKey, urls ...string) (*client.Client, error) {
	return client.Dial(client.Config{URLs: urls, Genesis: s.genesis, Key: key})
}

// watchers are clients of one node each.
func (s *site) watchers() ([]*client.Client, error) {
	var list []*client.Client
	for _, url := range s.urls {
		c, err := s.client(s.admins[0], url)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// wait looks again and again until done, or until ctx ends; then it tells what
// was still missing.
func wait(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, missing := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			if missing != nil {
				return fmt.Errorf("%w: %w", context.Cause(ctx), missing)
			}
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
