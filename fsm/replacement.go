package fsm

import (
	"errors"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// checkReplacement asks whether the node may join in the place of an active one.
func (s *state) checkReplacement(b *ReplaceNode) (old *member, n genesis.Node, refusal *Refusal) {
	old, known := s.memberNamed(b.Old)
	if !known {
		return nil, n, refuse(NotFound, Field{"kind", "node"}, Field{"id", clip(b.Old)})
	}
	if old.Standing() != Active {
		return nil, n, refuse(InvalidTransition, Field{"node", old.Name}, Field{"current", old.Standing()}, Field{"allowed", Active})
	}
	if pending := s.pending(); pending != nil && pending.Old != old.Seat {
		return nil, n, refuse(InvalidTransition, Field{"node", s.members[pending.Old].Name}, Field{"current", "replaced_by"},
			Field{"new", s.members[pending.New].Name}, Field{"allowed", "cancel_replacement"})
	}
	if len(s.members) >= MaxSeats {
		return nil, n, refuse(LimitExceeded, Field{"limit", "seats"}, number("max", MaxSeats))
	}
	n, err := b.Node.Open()
	if errors.Is(err, genesis.ErrNotSigned) {
		return nil, n, refuse(SignatureInvalid, Field{"field", "node"}, Field{"reason", "not_possessed"})
	}
	if err != nil {
		return nil, n, refuse(MalformedPayload, Field{"field", "node"}, Field{"reason", "out_of_range"})
	}
	if refusal := s.checkNewcomer(old, n); refusal != nil {
		return nil, n, refusal
	}
	if b.SealedLogKey.Node != n.Name || !b.SealedLogKey.WellFormed() {
		return nil, n, refuse(MalformedPayload, Field{"field", "sealed_log_key"}, Field{"reason", "out_of_range"})
	}
	return old, n, nil
}

// checkNewcomer asks that nothing of the new node was ever another's: its name and
// keys for as long as the cluster lives, so that an old signature stays attributable,
// its addresses at the same time, but for those of the node that it replaces.
func (s *state) checkNewcomer(old *member, n genesis.Node) *Refusal {
	taken := func(what string) *Refusal {
		return refuse(InvalidTransition, Field{"node", n.Name}, Field{"field", what}, Field{"current", "used"}, Field{"allowed", "new"})
	}
	for _, m := range s.members {
		if m.Name == n.Name {
			return taken("name")
		}
		if m.Standing() == Active && m.Seat != old.Seat {
			if m.PeerAddress == n.PeerAddress {
				return taken("peer_address")
			}
			if m.APIAddress == n.APIAddress {
				return taken("api_address")
			}
		}
	}
	for _, key := range []struct {
		what string
		raw  [32]byte
	}{{"node_key", n.NodeKey}, {"cosigner_key", n.CosignerKey}, {"sealing_key", n.SealingKey}} {
		if s.keyUsed(key.raw) {
			return taken(key.what)
		}
	}
	after := s.genesis.PolicyOf([]genesis.Node{n})
	after.K = 1
	if after.Validate() != nil {
		return refuse(MalformedPayload, Field{"field", "node"}, Field{"reason", "unsupported"})
	}
	return nil
}

// keyUsed reports whether anybody in the cluster has or ever had the key.
func (s *state) keyUsed(raw [32]byte) bool {
	for _, m := range s.members {
		if raw == m.SealingKey {
			return true
		}
	}
	id := envelope.KeyIDOf(raw[:])
	_, registered := s.keys.Get(string(id[:]))
	return registered || s.isNodeKey(raw)
}
