package fsm

import (
	"errors"
	"strings"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/signature"
)

// Limits of the key table. A key is never forgotten, so that old signatures stay
// attributable; hence a principal cannot make new ones by itself for ever. The
// committee still can.
const (
	MaxKeysPerPrincipal = 16 // live at a time
	MaxKeysEver         = 4_096
	maxOverlapBlocks    = 10_000_000
)

// checkKey asks whether a key may be added for a principal, and decodes it.
func (s *state) checkKey(principal, role string, raw [32]byte, proof *[signature.Size]byte) (*signature.PublicKey, *Refusal) {
	public, err := signature.CheckPublicKey(raw)
	if err != nil {
		return nil, refuse(MalformedPayload, Field{"field", "public_key"}, Field{"reason", keyFault(err)})
	}
	possession := genesis.Possession{Cluster: s.genesis.Cluster, Principal: principal, Role: role, Key: raw}
	if !possession.ProvedBy(public, proof) {
		return nil, refuse(SignatureInvalid, Field{"field", "proof"}, Field{"reason", "not_possessed"})
	}
	id := keyIDOf(public)
	if _, used := s.keys.Get(string(id[:])); used {
		return nil, refuse(InvalidTransition, Field{"key", id.String()}, Field{"current", "registered"}, Field{"allowed", "another key"})
	}
	if s.isNodeKey(raw) {
		return nil, refuse(InvalidTransition, Field{"key", id.String()}, Field{"current", "node_key"}, Field{"allowed", "another key"})
	}
	if s.liveKeys(principal, role) >= MaxKeysPerPrincipal {
		return nil, refuse(LimitExceeded, Field{"limit", "keys_per_principal"}, number("max", MaxKeysPerPrincipal))
	}
	return public, nil
}

// keyFault is the stable word for why a public key is not registered.
func keyFault(err error) string {
	switch {
	case errors.Is(err, signature.ErrKeySmallOrder):
		return "small_order"
	case errors.Is(err, signature.ErrKeyTorsion):
		return "torsion"
	}
	return "encoding"
}

// isNodeKey reports whether a key serves a node, or ever did. Such a key signs clocks,
// checkpoints or the log, and nothing else.
func (s *state) isNodeKey(raw [32]byte) bool {
	for _, n := range s.members {
		if raw == n.NodeKey || raw == n.CosignerKey {
			return true
		}
	}
	return raw == s.genesis.LogKey
}

// addKey adds a key that is live from now on.
func (s *state) addKey(principal string, public *signature.PublicKey, scopes []string) KeyID {
	p, _ := s.principals.Get(principal)
	p.Keys++
	s.principals.Set(principal, p)
	id := keyIDOf(public)
	key := &Key{ID: id, Principal: principal, Role: p.Role, Scopes: scopes, From: s.clock.height, Until: NoEnd, public: public}
	s.keys.Set(string(id[:]), key)
	s.owned.Set(key.ownedKey(), key.ID)
	return id
}

// endKey lets a key end at a height, and forgets its lanes then.
func (s *state) endKey(id KeyID, height uint64) {
	old, _ := s.keys.Get(string(id[:]))
	if height >= old.Until {
		return
	}
	key := *old
	key.Until = height
	s.keys.Set(string(id[:]), &key)
	s.schedule(height, dueItem{kind: dueForget, id: string(id[:])})
}

// maxLanesForgotten bounds how many lanes one due item forgets: a provider has one
// for each of its meters.
const maxLanesForgotten = 256

// forget drops what only a live key needs. No command of the key gets as far as
// its lanes any more, so their nonces can go.
func (s *state) forget(id KeyID) {
	key, _ := s.keys.Get(string(id[:]))
	if key.LiveAt(s.clock.height) {
		panic("fsm: a live key is forgotten")
	}
	s.owned.Delete(key.ownedKey())
	prefix := string(id[:])
	var lanes []string
	s.lanes.Ascend(prefix, func(lane string, _ uint64) bool {
		if !strings.HasPrefix(lane, prefix) || len(lanes) == maxLanesForgotten {
			return false
		}
		lanes = append(lanes, lane)
		return true
	})
	for _, lane := range lanes {
		s.lanes.Delete(lane)
	}
	if len(lanes) == maxLanesForgotten {
		s.schedule(s.clock.height, dueItem{kind: dueForget, id: string(id[:])})
	}
}

// Live keys by their owner. The table follows from the key table: it spares
// everybody a walk over all keys that ever were. A key that has ended stays in it
// until its due item is taken.

func (k *Key) ownedKey() string { return ownedBy(k.Role, k.Principal) + string(k.ID[:]) }

func ownedBy(role, principal string) string { return role + "\x00" + principal + "\x00" }

// eachOwned yields the keys below a prefix, in order of principal.
func (s *state) eachOwned(prefix string, yield func(*Key)) {
	s.owned.Ascend(prefix, func(at string, id KeyID) bool {
		if !strings.HasPrefix(at, prefix) {
			return false
		}
		key, _ := s.keys.Get(string(id[:]))
		yield(key)
		return true
	})
}

func (s *state) liveKeys(principal, role string) int {
	n := 0
	s.eachOwned(ownedBy(role, principal), func(k *Key) {
		if k.LiveAt(s.clock.height) {
			n++
		}
	})
	return n
}

// adminsWithout counts the principals that could still sign threshold commands
// if one key ended.
func (s *state) adminsWithout(ended KeyID) int {
	last, n := "", 0
	s.eachOwned(genesis.RoleAdmin+"\x00", func(k *Key) {
		if k.ID != ended && k.Has(scopeThreshold) && !k.ending() && k.Principal != last {
			last = k.Principal
			n++
		}
	})
	return n
}
