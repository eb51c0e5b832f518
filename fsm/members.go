package fsm

import (
	"fmt"
	"slices"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/fsm/signature"
)

// MaxSeats is how many nodes a cluster can have had in its life: a seat is one byte.
const MaxSeats = 256

// Standings of a member.
const (
	// Joining: it catches up and cosigns, and counts for nothing yet.
	Joining = "joining"
	// Active: its clock, its cosignature and its vote count.
	Active = "active"
	// Retired: it was replaced, or its joining was given up. There is no way back.
	Retired = "retired"
)

// Member is a node that is or was of the committee, or is about to be. Its seat is
// its number in clock statements and cosignatures: genesis' nodes have 0 to n-1,
// each later one the next, and none is given twice.
type Member struct {
	Seat uint8
	genesis.Node
	// From and Until say for which journal sizes its cosignature counts: From and
	// above, but below Until. Either is NoEnd while nothing has set it.
	From, Until uint64
	// Seen says that the log holds a signature that the node itself made.
	Seen bool
	// SealedLogKey is the log key for a node that genesis does not name.
	SealedLogKey *genesis.SealedKey
}

// Standing is where the member stands now.
func (m Member) Standing() string {
	switch {
	case m.Until != NoEnd:
		return Retired
	case m.From != NoEnd:
		return Active
	}
	return Joining
}

// CountsAt reports whether the member's cosignature counts on a checkpoint of that
// size.
func (m Member) CountsAt(size uint64) bool { return m.From <= size && size < m.Until }

// member is a Member with its keys, decoded once.
type member struct {
	Member
	node, cosigner *signature.PublicKey
}

// seat gives a new member the next seat.
func (s *state) seat(m Member) error {
	node, err := signature.CheckPublicKey(m.NodeKey)
	if err != nil {
		return err
	}
	cosigner, err := signature.CheckPublicKey(m.CosignerKey)
	if err != nil {
		return err
	}
	if len(s.members) >= MaxSeats {
		return fmt.Errorf("more than %d seats", MaxSeats)
	}
	m.Seat = uint8(len(s.members))
	s.members = append(slices.Clone(s.members), &member{m, node, cosigner})
	return nil
}

// changeMember replaces a member's row by a changed one.
func (s *state) changeMember(seat uint8, change func(*Member)) {
	changed := *s.members[seat]
	change(&changed.Member)
	s.members = slices.Clone(s.members)
	s.members[seat] = &changed
}

// see remembers that the log holds a signature of the node's own.
func (s *state) see(seat uint8) {
	if !s.members[seat].Seen {
		s.changeMember(seat, func(m *Member) { m.Seen = true })
	}
}

func (s *state) memberNamed(name string) (*member, bool) {
	for _, m := range s.members {
		if m.Name == name {
			return m, true
		}
	}
	return nil, false
}

// policyAt is what a checkpoint of that size is judged by: its nodes are in order of
// their seats.
func (s *state) policyAt(size uint64) proof.Policy {
	var nodes []genesis.Node
	for _, m := range s.members {
		if m.CountsAt(size) {
			nodes = append(nodes, m.Node)
		}
	}
	return s.genesis.PolicyOf(nodes)
}

// Member finds a member by its seat.
func (v *View) Member(seat uint8) (Member, bool) {
	if int(seat) >= len(v.state.members) {
		return Member{}, false
	}
	return v.state.members[seat].Member, true
}

// MemberNamed finds a member by its name, which no two ever share.
func (v *View) MemberNamed(name string) (Member, bool) {
	m, known := v.state.memberNamed(name)
	if !known {
		return Member{}, false
	}
	return m.Member, true
}

// Members are all that ever had a seat, in order of seats.
func (v *View) Members() []Member {
	members := make([]Member, len(v.state.members))
	for i, m := range v.state.members {
		members[i] = m.Member
	}
	return members
}

// MembersChanged reports whether a member's row may differ from that of an earlier
// view. It costs next to nothing.
func (v *View) MembersChanged(before *View) bool {
	now, then := v.state.members, before.state.members
	return len(now) != len(then) || &now[0] != &then[0]
}

// Policy is what the next checkpoint is judged by.
func (v *View) Policy() proof.Policy { return v.PolicyAt(v.state.edge.Size()) }

// PolicyAt is what a checkpoint of that size is judged by. Of a size that the
// journal has reached, it never changes.
func (v *View) PolicyAt(size uint64) proof.Policy { return v.state.policyAt(size) }
