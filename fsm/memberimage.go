package fsm

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// The rows of members and changes in the state image. A seat and a change's number
// are their places and so are not written.

func (m Member) add(b *cryptobyte.Builder) {
	addText(b, m.Name)
	for _, key := range [][32]byte{m.NodeKey, m.CosignerKey, m.SealingKey} {
		b.AddBytes(key[:])
	}
	addText(b, m.PeerAddress)
	addText(b, m.APIAddress)
	b.AddUint64(m.From)
	b.AddUint64(m.Until)
	b.AddUint8(flag(m.Seen))
	b.AddUint8(flag(m.SealedLogKey != nil))
	if m.SealedLogKey != nil {
		addText(b, string(m.SealedLogKey.Enc))
		addText(b, string(m.SealedLogKey.Ciphertext))
	}
}

func (m *Member) read(in *cryptobyte.String) bool {
	var seen, sealed uint8
	ok := readText(in, &m.Name) && in.CopyBytes(m.NodeKey[:]) && in.CopyBytes(m.CosignerKey[:]) && in.CopyBytes(m.SealingKey[:]) &&
		readText(in, &m.PeerAddress) && readText(in, &m.APIAddress) && in.ReadUint64(&m.From) && in.ReadUint64(&m.Until) &&
		in.ReadUint8(&seen) && seen <= 1 && in.ReadUint8(&sealed) && sealed <= 1
	m.Seen = seen == 1
	if !ok || sealed == 0 {
		return ok
	}
	var enc, ciphertext string
	ok = readText(in, &enc) && readText(in, &ciphertext)
	m.SealedLogKey = &genesis.SealedKey{Node: m.Name, Enc: []byte(enc), Ciphertext: []byte(ciphertext)}
	return ok && m.SealedLogKey.WellFormed()
}

func (c Change) add(b *cryptobyte.Builder) {
	b.AddUint8(c.Old)
	b.AddUint8(c.New)
	addText(b, c.Standing)
	b.AddUint64(c.Decided)
	b.AddUint64(c.Ended)
	c.Cut.add(b)
	b.AddUint64(c.Header)
}

func (c *Change) read(in *cryptobyte.String) bool {
	return in.ReadUint8(&c.Old) && in.ReadUint8(&c.New) && readText(in, &c.Standing) &&
		in.ReadUint64(&c.Decided) && in.ReadUint64(&c.Ended) && c.Cut.read(in) && in.ReadUint64(&c.Header)
}

// consistentMembers asks for the members that genesis and the changes lead to.
func (s *state) consistentMembers() error {
	if len(s.members) != len(s.genesis.Nodes)+len(s.changes) {
		return fmt.Errorf("%d members of %d nodes and %d changes", len(s.members), len(s.genesis.Nodes), len(s.changes))
	}
	expected := make([]Member, 0, len(s.members))
	for _, n := range s.genesis.Nodes {
		expected = append(expected, Member{Node: n, Until: NoEnd})
	}
	leaf := uint64(0)
	for i, c := range s.changes {
		last := i == len(s.changes)-1
		if err := s.consistentChange(c, leaf, last); err != nil {
			return err
		}
		if int(c.Old) >= len(expected) || int(c.New) != len(expected) || expected[c.Old].Standing() != Active {
			return fmt.Errorf("change %d replaces seat %d by seat %d", c.Number, c.Old, c.New)
		}
		leaf = max(c.Decided, c.Ended)
		joined := Member{From: NoEnd, Until: NoEnd}
		switch c.Standing {
		case proof.PolicyEffective:
			expected[c.Old].Until, joined.From = c.Ended+1, c.Ended+1
		case proof.PolicyCancelled, proof.PolicySuperseded:
			joined.Until = c.Ended + 1
		}
		expected = append(expected, joined)
	}
	for i, want := range expected {
		m := s.members[i]
		if m.From != want.From || m.Until != want.Until || want.Name != "" && m.Node != want.Node || (want.Name == "") != (m.SealedLogKey != nil) {
			return fmt.Errorf("member %s in seat %d is not the one that the changes lead to", m.Name, i)
		}
	}
	return s.consistentNames()
}

// consistentChange asks of one change what its standing says. Leaf is the last one
// of the change before.
func (s *state) consistentChange(c Change, leaf uint64, last bool) error {
	size := s.edge.Size()
	closed := c.Ended > c.Decided && c.Ended < size
	ok := c.Decided > leaf && c.Decided < size
	switch c.Standing {
	case proof.PolicyPending:
		ok = ok && last && c.Ended == 0 && c.Cut == Cut{} && c.Header == 0
	case proof.PolicyEffective:
		ok = ok && closed && c.Cut.Number <= s.cutCount && c.Cut.Size > c.Decided && c.Header >= c.Cut.Size && c.Header < c.Ended
	case proof.PolicyCancelled, proof.PolicySuperseded:
		ok = ok && closed && c.Cut == Cut{} && c.Header == 0
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("change %d, %s at leaf %d, decided at %d, is none that a history leads to", c.Number, c.Standing, c.Ended, c.Decided)
	}
	return nil
}

// consistentNames asks that no two members share a name or a key.
func (s *state) consistentNames() error {
	seen := map[string]bool{}
	for _, m := range s.members {
		for _, mark := range []string{m.Name, string(m.NodeKey[:]), string(m.CosignerKey[:]), string(m.SealingKey[:])} {
			if seen[mark] {
				return fmt.Errorf("member %s has the name or a key of another", m.Name)
			}
			seen[mark] = true
		}
	}
	return nil
}
