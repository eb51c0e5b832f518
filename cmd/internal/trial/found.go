package trial

import (
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
	"github.com/tallyvault/tallyvault/transport/client"
)

// Threshold is how many of a trial's three admins a threshold command takes.
const Threshold = 2

// Place is where one node listens, as host:port.
type Place struct{ Peer, API, Ops string }

// Plan says what to found.
type Plan struct {
	Name string
	// Dir gets the genesis file and, unless NodeDir says otherwise, the nodes'
	// directories.
	Dir     string
	NodeDir func(node int) string
	// Places has one element for each node.
	Places []Place
	// Genesis is a preset with the trial's changes. Every oracle has weight one in
	// each of its markets.
	Genesis genesis.Genesis
	Oracles int
}

// Seat is a node that could be started.
type Seat struct {
	Place
	Name, Dir string
}

// Committee is a founded committee, or one that somebody else runs; then it has
// no seats.
type Committee struct {
	Genesis *genesis.Signed
	File    string // the genesis file of an own committee
	URLs    []string
	Admins  []ed25519.PrivateKey
	Oracles []ed25519.PrivateKey
	Seats   []Seat
}

// Found makes keys, directories and genesis.
func Found(p Plan) (*Committee, error) {
	g := p.Genesis
	g.Name, g.CreatedAt, g.AdminThreshold = p.Name, time.Now().UnixMilli(), Threshold
	c := &Committee{File: filepath.Join(p.Dir, "genesis.json")}
	var err error
	if c.Admins, err = people(&g, genesis.RoleAdmin, 3); err != nil {
		return nil, err
	}
	if c.Oracles, err = people(&g, genesis.RoleOracle, p.Oracles); err != nil {
		return nil, err
	}
	for _, oracle := range g.Principals[len(c.Admins):] {
		for _, m := range g.Markets {
			g.OracleWeights = append(g.OracleWeights, genesis.OracleWeight{Market: m.Market, Oracle: oracle.Principal, Weight: 1})
		}
	}
	for i, place := range p.Places {
		if err := c.seat(p, &g, i, place); err != nil {
			return nil, err
		}
	}
	return c, c.sign(g)
}

// people makes principals of the first hour. Their keys live as long as the trial.
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

func (c *Committee) seat(p Plan, g *genesis.Genesis, i int, place Place) error {
	s := Seat{Place: place, Name: fmt.Sprintf("node-%c", 'a'+i)}
	s.Dir = filepath.Join(p.Dir, s.Name)
	if p.NodeDir != nil {
		s.Dir = p.NodeDir(i)
	}
	statement, err := nodedir.Init(s.Dir, nodedir.Seat{
		Name: s.Name, PeerAddress: place.Peer, APIAddress: "https://" + place.API,
	}, "", rand.Reader)
	if err != nil {
		return err
	}
	g.Nodes = append(g.Nodes, statement)
	c.URLs = append(c.URLs, statement.APIAddress)
	c.Seats = append(c.Seats, s)
	return nil
}

func (c *Committee) sign(g genesis.Genesis) error {
	signed, err := genesis.Assemble(rand.Reader, g)
	if err != nil {
		return err
	}
	for _, s := range c.Seats {
		opened, err := nodedir.Open(s.Dir, nil)
		if err != nil {
			return err
		}
		if err := signed.Sign(opened.Node.Ed25519()); err != nil {
			return err
		}
	}
	c.Genesis = signed
	return os.WriteFile(c.File, append(signed.Envelope.JSON(), '\n'), 0o644)
}

// LoopbackPlaces are free addresses of this machine. A port is free when it is
// asked for; that somebody takes it before the node does is possible and then
// stops the node's start.
func LoopbackPlaces(nodes int) ([]Place, error) {
	var addresses []string
	// All are held until the last is found, so that no two are the same.
	for range 3 * nodes {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer listener.Close() //nolint:errcheck // nobody has connected
		addresses = append(addresses, listener.Addr().String())
	}
	var places []Place
	for i := range nodes {
		places = append(places, Place{Peer: addresses[3*i], API: addresses[3*i+1], Ops: addresses[3*i+2]})
	}
	return places, nil
}

// Client dials some nodes as the owner of a key.
func (c *Committee) Client(key ed25519.PrivateKey, urls ...string) (*client.Client, error) {
	return client.Dial(client.Config{URLs: urls, Genesis: c.Genesis, Key: key})
}

// Watchers are clients of one node each, in the order of the URLs.
func (c *Committee) Watchers() ([]*client.Client, error) {
	var list []*client.Client
	for _, url := range c.URLs {
		w, err := c.Client(c.Admins[0], url)
		if err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}
