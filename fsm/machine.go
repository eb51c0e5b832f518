package fsm

import (
	"fmt"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// Machine is the replicated state machine. It is not safe for concurrent use;
// package cluster holds the only lock around it.
type Machine struct {
	state *state

	// While a state digest is owed, frozen is the state that it is of, and
	// digest is what SupplyDigest said it is. Neither is state: both follow
	// from it.
	frozen *View
	digest *[32]byte
}

// New builds the state that genesis describes.
func New(g *genesis.Signed) (*Machine, error) {
	m := empty(g)
	s := m.state
	for _, n := range g.Nodes {
		if err := s.seat(Member{Node: n, Until: NoEnd}); err != nil {
			return nil, fmt.Errorf("genesis: node %s: %w", n.Name, err)
		}
	}
	s.clock.now, s.clock.median = g.CreatedAt, g.CreatedAt
	for _, row := range g.Markets {
		if err := s.addMarket(row); err != nil {
			return nil, fmt.Errorf("genesis: market %s: %w", row.Market, err)
		}
	}
	for _, p := range g.Principals {
		public, err := signature.CheckPublicKey(p.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("genesis: principal %s: %w", p.Principal, err)
		}
		if refusal := s.checkPrincipal(p.Principal, p.Role); refusal != nil {
			return nil, fmt.Errorf("genesis: principal %s: %w", p.Principal, refusal)
		}
		s.addPrincipal(p.Principal, p.Role)
		s.addKey(p.Principal, public, rolePowers(p.Role))
	}
	for _, w := range g.OracleWeights {
		if refusal := s.oracle.SetOracleWeight(w.Market, w.Oracle, w.Weight); refusal != nil {
			return nil, fmt.Errorf("genesis: weight of %s: %w", w.Oracle, refusal)
		}
	}
	s.oracle.BeginEpoch(0)
	if err := s.openTreasury(); err != nil {
		return nil, fmt.Errorf("genesis: treasury: %w", err)
	}
	return m, nil
}

// openTreasury opens the book and the accounts of the treasury.
func (s *state) openTreasury() error {
	var houses []treasury.House
	for _, h := range s.genesis.TreasuryHouses() {
		houses = append(houses, treasuryHouse(h))
	}
	book, refusal := treasury.NewBook(treasuryParams(s.genesis.TreasuryRules(), s.genesis.EpochBlocks), houses)
	if refusal != nil {
		return refusal
	}
	s.book = book
	for _, id := range treasuryAccounts {
		s.ledger.Open(id, treasury.Asset)
	}
	return nil
}

// treasuryAccounts are those that the treasury works with besides the markets'.
var treasuryAccounts = []treasury.AccountID{
	treasury.External(treasury.Asset), treasury.Treasury, treasury.TreasuryReserved, treasury.Leaving,
}

// empty is a machine without rows.
func empty(g *genesis.Signed) *Machine { return &Machine{state: newState(g)} }

// addMarket opens a market and the accounts that every market of its asset needs.
func (s *state) addMarket(row genesis.Market) error {
	if row.Asset != defaultAsset {
		return fmt.Errorf("asset %s: payers and providers hold %s", row.Asset, defaultAsset)
	}
	accounts := []treasury.AccountID{treasury.External(row.Asset), treasury.Treasury, treasury.TreasuryHeld}
	if refusal := s.ledger.CheckOpen(row.Asset, accounts...); refusal != nil {
		return refusal
	}
	if refusal := s.oracle.AddMarket(oracleMarket(row)); refusal != nil {
		return refusal
	}
	for _, id := range accounts {
		s.ledger.Open(id, row.Asset)
	}
	return nil
}

func oracleMarket(m genesis.Market) oracle.Market {
	return oracle.Market{
		ID: m.Market, Noun: m.Noun, Unit: m.Unit, UnitPrice: m.UnitPrice, Asset: m.Asset, FeeBps: m.FeeBps,
		SkewMs: m.SkewMs, MaxReadingAgeMs: m.MaxReadingAgeMs, DeviationPpm: m.DeviationPpm,
		QuorumThresholdPpm: m.QuorumThresholdPpm, ExpiryBlocks: m.ExpiryBlocks, DisputeWindowBlocks: m.DisputeWindowBlocks,
		MaxPendingPerMeter: m.MaxPendingPerMeter, MaxLiveReadings: m.MaxLiveReadings, Mode: m.Mode, Stage: m.Stage,
	}
}

// Number is the number of the last entry that took effect.
func (m *Machine) Number() uint64 { return m.state.number }

// Keys is the key table as it is now.
func (m *Machine) Keys() *Keys { return &Keys{m.state.keys.Copy()} }

// View is the state as it is now, for reading.
func (m *Machine) View() *View {
	return &View{state: m.state.copy(), frozen: m.frozen, digest: m.digest}
}

// NeedsDigest reports whether applying the entry needs the digest that is owed.
// Whoever has not supplied it lets Apply compute it on the spot.
func (m *Machine) NeedsDigest(e *Entry) bool {
	return e != nil && e.Cut && m.digest == nil && m.state.owesDigest(m.state.cutCount+1)
}

// SupplyDigest gives the digest of the last Result.Frozen, while it is owed.
func (m *Machine) SupplyDigest(d [32]byte) {
	if m.frozen != nil && m.digest == nil {
		m.digest = &d
	}
}
