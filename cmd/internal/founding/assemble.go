package founding

import (
	"fmt"
	"io"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Plan is everything about a cluster that people decide.
type Plan struct {
	Name string
	// Preset is what genesis.Preset gave, with the changes that people wanted.
	Preset         genesis.Genesis
	Nodes          []genesis.Node
	Principals     []genesis.Principal
	OracleWeights  []genesis.OracleWeight
	AdminThreshold uint32
	// Faulty is how many nodes may lie; nil takes as many as the committee bears.
	Faulty *uint32
}

// Assemble makes an unsigned genesis. It draws the log key, seals it to every
// node and forgets it. What comes back is known to start a state machine: the
// market rows and weights have been tried out.
func Assemble(p Plan, now time.Time, random io.Reader) (*genesis.Signed, error) {
	if len(p.Nodes) == 0 {
		return nil, fmt.Errorf("a genesis without nodes: give the node.json of each")
	}
	g := p.Preset
	g.Name, g.CreatedAt = p.Name, now.UnixMilli()
	g.AdminThreshold = p.AdminThreshold
	g.Nodes, g.Principals, g.OracleWeights = p.Nodes, p.Principals, p.OracleWeights
	g.Faulty = genesis.DefaultFaulty(len(p.Nodes))
	if p.Faulty != nil {
		g.Faulty = *p.Faulty
	}
	g.Cosigners = genesis.CosignersFor(len(p.Nodes), g.Faulty)
	if err := sealLogKey(&g, random); err != nil {
		return nil, err
	}
	s, err := genesis.Unsigned(g)
	if err != nil {
		return nil, err
	}
	return s, Try(s)
}

// Try builds the state that a genesis describes, which checks what the rules of
// markets and weights demand beyond the genesis format.
func Try(s *genesis.Signed) error {
	_, err := fsm.New(s)
	return err
}

func sealLogKey(g *genesis.Genesis, random io.Reader) error {
	public, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return fmt.Errorf("drawing the log key: %w", err)
	}
	copy(g.LogKey[:], public)
	for _, n := range g.Nodes {
		sealed, err := genesis.SealLogKey(random, private, n)
		if err != nil {
			return fmt.Errorf("sealing the log key to node %s: %w", n.Name, err)
		}
		g.SealedLogKeys = append(g.SealedLogKeys, sealed)
	}
	return nil
}
