package genesis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Floor is how much of a house's weight must approve, in millionths.
type Floor struct {
	House string `json:"house" doc:"a house of voters"`
	Ppm   uint32 `json:"ppm" doc:"millionths of the house's weight that must approve, above 500000"`
}

// Bracket is the least that disbursements from an amount on must satisfy.
type Bracket struct {
	FromAmount           strict.Amount `json:"from_amount" doc:"minor units; the first bracket begins at 0"`
	Quorum               []Floor       `json:"quorum" doc:"in order of house"`
	VoteWindowEpochs     uint64        `json:"vote_window_epochs"`
	TimelockEpochs       uint64        `json:"timelock_epochs"`
	RollbackWindowEpochs uint64        `json:"rollback_window_epochs"`
}

// Treasury is the committee's rules for its treasury; see package treasury.
type Treasury struct {
	GraceEpochs    uint64        `json:"grace_epochs" doc:"how long a draft waits to be opened and a decided one to become executable"`
	EpochCap       strict.Amount `json:"epoch_cap,optional" doc:"most that is executed in one epoch; absent: no cap"`
	DestinationCap strict.Amount `json:"destination_cap,optional" doc:"most that is executed in one epoch to one destination; absent: no cap"`
	FourEyesAbove  strict.Amount `json:"four_eyes_above,optional" doc:"amount above which two admins must confirm; absent: none"`
	Brackets       []Bracket     `json:"brackets" doc:"in order of from_amount"`
}

// Member is somebody with a say in a house.
type Member struct {
	Principal string `json:"principal"`
	Weight    uint64 `json:"weight"`
}

// House is a table of voters and their weights.
type House struct {
	House   string   `json:"house"`
	Members []Member `json:"members" doc:"in order of principal"`
}

// Operators is the house that a cluster has from the beginning.
const Operators = "operators"

const dayMs = 24 * 60 * 60 * 1000

// TreasuryRules are the rules that genesis states, or else its profile's: short
// windows for a demo; three days of voting, two of timelock, one for a rollback and
// two weeks of grace otherwise.
func (g *Genesis) TreasuryRules() Treasury {
	if g.Treasury != nil {
		return *g.Treasury
	}
	operators := func(ppm uint32) []Floor { return []Floor{{Operators, ppm}} }
	if g.Profile == ProfileDemo {
		return Treasury{GraceEpochs: 24, Brackets: []Bracket{
			{Quorum: operators(600_000), VoteWindowEpochs: 2, RollbackWindowEpochs: 1},
			{FromAmount: strict.Amount{Lo: 1_000}, Quorum: operators(600_000), VoteWindowEpochs: 2, TimelockEpochs: 1, RollbackWindowEpochs: 1},
		}}
	}
	return Treasury{GraceEpochs: g.epochsOf(14), Brackets: []Bracket{
		{Quorum: operators(600_000), VoteWindowEpochs: g.epochsOf(3), TimelockEpochs: g.epochsOf(2), RollbackWindowEpochs: g.epochsOf(1)},
	}}
}

// epochsOf is how many epochs last that many days at least.
func (g *Genesis) epochsOf(days uint64) uint64 {
	epoch := g.EpochBlocks * uint64(g.BlockMs)
	return (days*dayMs + epoch - 1) / epoch
}

// TreasuryHouses are the houses that genesis states, or else one of all admins, each
// of weight one.
func (g *Genesis) TreasuryHouses() []House {
	if len(g.Houses) > 0 {
		return g.Houses
	}
	h := House{House: Operators}
	for _, p := range g.Principals {
		if p.Role == RoleAdmin {
			h.Members = append(h.Members, Member{p.Principal, 1})
		}
	}
	slices.SortFunc(h.Members, func(a, b Member) int { return strings.Compare(a.Principal, b.Principal) })
	return []House{h}
}

// LeastTreasuryWindow is the shortest window, in epochs, that a bracket of this
// cluster may ever have: a day in profile production, unless genesis says that
// shorter ones are meant.
func (g *Genesis) LeastTreasuryWindow() uint64 {
	if g.Profile != ProfileProduction || g.ShortTreasuryWindows {
		return 0
	}
	return g.epochsOf(1)
}

// ShortestWindow is the shortest window of all brackets, in epochs.
func (t Treasury) ShortestWindow() uint64 {
	least := ^uint64(0)
	for _, b := range t.Brackets {
		least = min(least, b.VoteWindowEpochs, b.TimelockEpochs, b.RollbackWindowEpochs)
	}
	return least
}

func (g *Genesis) validateTreasury() error {
	if least := g.LeastTreasuryWindow(); g.TreasuryRules().ShortestWindow() < least {
		return fmt.Errorf("treasury: a window is shorter than %d epochs, under 24 h; say short_treasury_windows if that is meant", least)
	}
	roles := map[string]string{}
	for _, p := range g.Principals {
		roles[p.Principal] = p.Role
	}
	for _, h := range g.Houses {
		if who, ok := h.Voters(func(p string) string { return roles[p] }); !ok {
			return fmt.Errorf("house %s: %q is neither an admin nor an oracle", h.House, who)
		}
	}
	return nil
}

// Voters asks whether every member of a house is somebody who may vote.
func (h House) Voters(role func(principal string) string) (string, bool) {
	for _, m := range h.Members {
		if r := role(m.Principal); r != RoleAdmin && r != RoleOracle {
			return m.Principal, false
		}
	}
	return "", true
}
