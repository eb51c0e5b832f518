package peer

import (
	"fmt"
	"slices"
)

// A Member is a node that may use the port.
type Member struct {
	Name    string
	Key     [32]byte // its public node key
	Address string   // host and port of its peer port
	// Former members may call, but not speak Raft, and are not called.
	Former bool
}

// SetMembers replaces the list of members. Connections that are open stay open:
// a removed member's are ended by [Port.Disconnect].
func (p *Port) SetMembers(members []Member) {
	list := slices.Clone(members)
	p.members.Store(&list)
}

// Members lists who may use the port now.
func (p *Port) Members() []Member { return *p.members.Load() }

func (p *Port) memberByKey(key [32]byte) (Member, bool) {
	for _, m := range p.Members() {
		if m.Key == key {
			return m, true
		}
	}
	return Member{}, false
}

func (p *Port) memberByName(name string) (Member, error) {
	for _, m := range p.Members() {
		if m.Name == name && !m.Former {
			return m, nil
		}
	}
	return Member{}, fmt.Errorf("%q is not a member of this committee", name)
}
