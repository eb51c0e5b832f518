package treasury

import (
	"slices"
	"strconv"
	"strings"
)

// Limits of houses. A sum of weights times a million fits 64 bits.
const (
	MaxHouses  = 8
	MaxMembers = 256
	MaxWeight  = 1 << 32
)

// Member is somebody with a say in a house.
type Member struct {
	Principal string
	Weight    uint64
}

// House is a table of weights; what it passes needs a floor of its whole weight.
type House struct {
	Name    string
	Members []Member // in order of principal
}

// Total is the weight of the whole house.
func (h House) Total() uint64 {
	var sum uint64
	for _, m := range h.Members {
		sum += m.Weight
	}
	return sum
}

// Weight is a principal's weight in the house, zero for others.
func (h House) Weight(principal string) uint64 {
	i, ok := slices.BinarySearchFunc(h.Members, principal, func(m Member, p string) int { return strings.Compare(m.Principal, p) })
	if !ok {
		return 0
	}
	return h.Members[i].Weight
}

// Validate asks whether the house can stand.
func (h House) Validate() *Refusal {
	if !ValidID(h.Name) {
		return malformed("house", ReasonMalformedID)
	}
	if len(h.Members) > MaxMembers {
		return full(LimitMembers, MaxMembers)
	}
	for i, m := range h.Members {
		if !ValidID(m.Principal) {
			return malformed("members", ReasonMalformedID)
		}
		if i > 0 && m.Principal <= h.Members[i-1].Principal {
			return malformed("members", ReasonNotAscending)
		}
		if m.Weight == 0 || m.Weight > MaxWeight {
			return malformed("members", ReasonOutOfRange)
		}
	}
	return nil
}

// roll is all houses as they were at one time. Disbursements whose voting is open
// refer to the roll of their opening. A roll never changes.
type roll struct {
	number uint64
	houses []House // in order of name
}

func (r *roll) house(name string) (House, bool) {
	i, ok := slices.BinarySearchFunc(r.houses, name, func(h House, n string) int { return strings.Compare(h.Name, n) })
	if !ok {
		return House{}, false
	}
	return r.houses[i], true
}

// newest is the roll that the next opening snapshots.
func (b *Book) newest() *roll {
	_, r, _ := b.rolls.Max()
	return r
}

// Houses are the houses as they are now, in order of name.
func (b *Book) Houses() []House { return b.newest().houses }

// SetHouse replaces a house, or dissolves it when it has no members. Votes that
// are open go on under the houses of their opening.
func (b *Book) SetHouse(h House) *Refusal {
	if r := h.Validate(); r != nil {
		return r
	}
	old := b.newest()
	_, known := old.house(h.Name)
	if len(h.Members) == 0 && !known {
		return unknown(KindHouse, h.Name)
	}
	if len(h.Members) == 0 && b.params.needs(h.Name) {
		return refuse(InvalidTransition, Field{"house", h.Name}, Field{"current", "in_brackets"}, Field{"allowed", "set_treasury"})
	}
	if !known && len(old.houses) >= MaxHouses {
		return full(LimitHouses, MaxHouses)
	}

	houses := slices.DeleteFunc(slices.Clone(old.houses), func(o House) bool { return o.Name == h.Name })
	if len(h.Members) > 0 {
		houses = append(houses, h)
	}
	slices.SortFunc(houses, func(a, b House) int { return strings.Compare(a.Name, b.Name) })
	b.rolls.Set(old.number+1, &roll{old.number + 1, houses})
	b.dropRoll(old.number)
	return nil
}

// needs reports whether a bracket demands a floor of a house.
func (p Params) needs(house string) bool {
	for _, b := range p.Brackets {
		if b.floor(house) > 0 {
			return true
		}
	}
	return false
}

// dropRoll forgets a roll that no open vote refers to and no later one will.
func (b *Book) dropRoll(number uint64) {
	if users, _ := b.rollUsers.Get(number); users == 0 && number != b.newest().number {
		b.rolls.Delete(number)
	}
}

// Tally is what a house said about one disbursement so far. Total and Ppm are of
// the time when voting opened.
type Tally struct {
	House           string
	Ppm             uint32
	Total           uint64
	Approve, Reject uint64
}

// Required is the least weight that reaches the floor.
func (t Tally) Required() uint64 {
	return (t.Total*uint64(t.Ppm) + million - 1) / million
}

func (t Tally) passed() bool { return t.Total > 0 && t.Approve >= t.Required() }

// lost reports whether no remaining vote can reach the floor.
func (t Tally) lost() bool { return t.Total == 0 || t.Total-t.Reject < t.Required() }

// verdict says how a vote stands, and whether no vote can change that any more.
func verdict(tallies []Tally) (passed, certain bool) {
	passed = true
	for _, t := range tallies {
		if t.lost() {
			return false, true
		}
		passed = passed && t.passed()
	}
	return passed, passed
}

func u64(v uint64) string { return strconv.FormatUint(v, 10) }
