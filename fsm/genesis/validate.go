package genesis

import (
	"errors"
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/signature"
)

// Limits of a committee.
const (
	MaxPrincipals = 1_000
	MaxMarkets    = 16
	maxName       = 128
	maxAddress    = 256
	// maxCreatedAt keeps sums of times inside their type, and tells milliseconds
	// from microseconds.
	maxCreatedAt = 1 << 50
)

// Role names. A role decides which commands a key may sign.
const (
	RoleAdmin    = "admin"
	RoleOracle   = "oracle"
	RoleProvider = "provider"
	RolePayer    = "payer"
	RoleAuditor  = "auditor"
)

// ValidRole reports whether s names a role.
func ValidRole(s string) bool {
	switch s {
	case RoleAdmin, RoleOracle, RoleProvider, RolePayer, RoleAuditor:
		return true
	}
	return false
}

// DefaultFaulty is the largest f that a committee of n can bear: floor((n-1)/3).
func DefaultFaulty(n int) uint32 { return uint32((n - 1) / 3) }

// CosignersFor is k = floor((n+f)/2)+1.
func CosignersFor(n int, f uint32) uint32 { return (uint32(n)+f)/2 + 1 }

// Validate checks the content: names, keys, thresholds, windows. The rules of
// market rows are package oracle's and are checked when the state is built.
func (g *Genesis) Validate() error {
	if !PlainText(g.Name, maxName) {
		return fmt.Errorf("name: want 1 to %d bytes of text without control characters", maxName)
	}
	if g.CreatedAt <= 0 || g.CreatedAt > maxCreatedAt {
		return errors.New("created_at: want unix ms")
	}
	if err := g.validateTime(); err != nil {
		return err
	}
	if err := g.validateNodes(); err != nil {
		return err
	}
	if err := g.validatePrincipals(); err != nil {
		return err
	}
	if err := g.validateMarkets(); err != nil {
		return err
	}
	return g.validateTreasury()
}

func (g *Genesis) validateTime() error {
	switch {
	case g.BlockMs < 100 || g.BlockMs > 60_000:
		return fmt.Errorf("block_ms %d: want 100 to 60000", g.BlockMs)
	case g.AllowanceMs < 1_000 || g.AllowanceMs > 60_000:
		return fmt.Errorf("allowance_ms %d: want 1000 to 60000", g.AllowanceMs)
	case g.EpochBlocks == 0 || g.EpochBlocks > 10_000_000:
		return fmt.Errorf("epoch_blocks %d: want 1 to 10000000", g.EpochBlocks)
	}
	switch g.Profile {
	case ProfileDemo, ProfileCustom:
		return nil
	case ProfileProduction:
		return g.validateProduction()
	}
	return fmt.Errorf("profile %q: want demo, production or custom", g.Profile)
}

// validateProduction refuses windows under a day: whoever wants them says so by
// choosing the custom profile.
func (g *Genesis) validateProduction() error {
	for _, m := range g.Markets {
		if m.DisputeWindowBlocks < g.LeastDisputeWindow() {
			return fmt.Errorf("market %s: dispute window of %d blocks is under 24 h; choose profile custom if that is meant", m.Market, m.DisputeWindowBlocks)
		}
	}
	return nil
}

// LeastDisputeWindow is the shortest dispute window, in blocks, that a market of
// this cluster may ever have.
func (g *Genesis) LeastDisputeWindow() uint64 {
	if g.Profile != ProfileProduction {
		return 1
	}
	return 24 * 60 * 60 * 1000 / uint64(g.BlockMs)
}

func (g *Genesis) validateNodes() error {
	n := len(g.Nodes)
	if n != 3 && n != 5 && n != 7 {
		return fmt.Errorf("%d nodes: a committee starts with 3, 5 or 7", n)
	}
	if g.Faulty > DefaultFaulty(n) {
		return fmt.Errorf("faulty %d: %d nodes bear at most %d", g.Faulty, n, DefaultFaulty(n))
	}
	if want := CosignersFor(n, g.Faulty); g.Cosigners != want {
		return fmt.Errorf("cosigners %d: %d nodes with f=%d need k=%d", g.Cosigners, n, g.Faulty, want)
	}
	seen := map[string]bool{}
	once := func(values ...string) error {
		for _, v := range values {
			if seen[v] {
				return fmt.Errorf("%q appears twice among the nodes", v)
			}
			seen[v] = true
		}
		return nil
	}
	for _, node := range g.Nodes {
		if err := node.validate(); err != nil {
			return fmt.Errorf("node %q: %w", node.Name, err)
		}
		err := once(node.Name, fmt.Sprintf("%x", node.NodeKey), fmt.Sprintf("%x", node.CosignerKey),
			fmt.Sprintf("%x", node.SealingKey), node.PeerAddress, node.APIAddress)
		if err != nil {
			return err
		}
	}
	if err := g.validateLogKey(); err != nil {
		return err
	}
	if len(g.SealedLogKeys) != n {
		return fmt.Errorf("%d sealed log keys for %d nodes", len(g.SealedLogKeys), n)
	}
	for i, sealed := range g.SealedLogKeys {
		if sealed.Node != g.Nodes[i].Name {
			return fmt.Errorf("sealed log key %d is for %q, want %q", i+1, sealed.Node, g.Nodes[i].Name)
		}
	}
	return nil
}

// validateLogKey asks that the log key is nobody's own: every node holds it, and with
// a node's or a principal's key each of them could sign for two.
func (g *Genesis) validateLogKey() error {
	if _, err := signature.CheckPublicKey(g.LogKey); err != nil {
		return fmt.Errorf("log_key: %w", err)
	}
	for _, n := range g.Nodes {
		if g.LogKey == n.NodeKey || g.LogKey == n.CosignerKey {
			return fmt.Errorf("log_key is a key of node %s too", n.Name)
		}
	}
	for _, p := range g.Principals {
		if g.LogKey == p.PublicKey {
			return fmt.Errorf("log_key is the key of principal %s too", p.Principal)
		}
	}
	return nil
}

func (g *Genesis) validatePrincipals() error {
	if len(g.Principals) > MaxPrincipals {
		return fmt.Errorf("%d principals, more than %d", len(g.Principals), MaxPrincipals)
	}
	names, keys, admins := map[string]bool{}, map[[32]byte]bool{}, uint32(0)
	for _, n := range g.Nodes {
		keys[n.NodeKey], keys[n.CosignerKey] = true, true
	}
	for _, p := range g.Principals {
		if !validName(p.Principal) || names[p.Principal] {
			return fmt.Errorf("principal %q: not a valid name, or named twice", p.Principal)
		}
		if !ValidRole(p.Role) {
			return fmt.Errorf("principal %s: role %q is unknown", p.Principal, p.Role)
		}
		if keys[p.PublicKey] {
			return fmt.Errorf("principal %s: key is used twice", p.Principal)
		}
		possession := Possession{Principal: p.Principal, Role: p.Role, Key: p.PublicKey}
		if err := possession.Check(&p.Proof); err != nil {
			return fmt.Errorf("principal %s: %w", p.Principal, err)
		}
		names[p.Principal], keys[p.PublicKey] = true, true
		if p.Role == RoleAdmin {
			admins++
		}
	}
	if g.AdminThreshold == 0 || g.AdminThreshold > admins {
		return fmt.Errorf("admin_threshold %d of %d admins", g.AdminThreshold, admins)
	}
	return nil
}

func (g *Genesis) validateMarkets() error {
	if len(g.Markets) == 0 || len(g.Markets) > MaxMarkets {
		return fmt.Errorf("%d markets: want 1 to %d", len(g.Markets), MaxMarkets)
	}
	oracles := map[string]bool{}
	for _, p := range g.Principals {
		oracles[p.Principal] = p.Role == RoleOracle
	}
	for _, w := range g.OracleWeights {
		if !oracles[w.Oracle] {
			return fmt.Errorf("oracle weight for %q, who is no oracle principal", w.Oracle)
		}
		if w.Weight == 0 {
			return fmt.Errorf("oracle %s: weight is zero", w.Oracle)
		}
	}
	return nil
}
