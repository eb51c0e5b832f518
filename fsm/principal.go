package fsm

import (
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// Limits of the tables that threshold commands fill.
const (
	MaxPrincipals       = 100_000
	MaxKeysPerPrincipal = 16
	MaxScopes           = 32
	maxOverlapBlocks    = 10_000_000
)

// defaultAsset is what a payer's and a provider's account hold.
const defaultAsset = "BLOCK"

// checkPrincipal asks whether a principal may be added.
func (s *state) checkPrincipal(name, role string) *Refusal {
	if !oracle.ValidID(name) {
		return refuse(MalformedPayload, Field{"field", "principal"}, Field{"reason", "malformed_id"})
	}
	if !genesis.ValidRole(role) {
		return refuse(MalformedPayload, Field{"field", "role"}, Field{"reason", "unsupported"})
	}
	if _, known := s.principals.Get(name); known {
		return refuse(InvalidTransition, Field{"principal", name}, Field{"current", "registered"}, Field{"allowed", "register_key"})
	}
	if s.principals.Len() >= MaxPrincipals {
		return refuse(LimitExceeded, Field{"limit", "principals"}, number("max", MaxPrincipals))
	}
	for _, id := range accountsOf(name, role) {
		if refusal := s.ledger.CheckOpen(id, defaultAsset); refusal != nil {
			return fromTreasury(refusal)
		}
	}
	return nil
}

// accountsOf lists the accounts that a role brings with it.
func accountsOf(name, role string) []treasury.AccountID {
	switch role {
	case genesis.RoleProvider:
		return []treasury.AccountID{treasury.Provider(name), treasury.ProviderHeld(name)}
	case genesis.RolePayer:
		return []treasury.AccountID{treasury.Payer(name)}
	}
	return nil
}

// addPrincipal adds what checkPrincipal allowed.
func (s *state) addPrincipal(name, role string) {
	s.principals.Set(name, Principal{Name: name, Role: role})
	for _, id := range accountsOf(name, role) {
		s.ledger.Open(id, defaultAsset)
	}
	if role != genesis.RoleProvider {
		return
	}
	if refusal := s.oracle.AddProvider(name); refusal != nil {
		panic("fsm: provider " + name + " was allowed, then refused: " + refusal.Error())
	}
}

// checkKey asks whether a key may be added for a principal, and decodes it.
func (s *state) checkKey(principal, role string, raw [32]byte, proof *[signature.Size]byte) (*signature.PublicKey, *Refusal) {
	public, err := signature.CheckPublicKey(raw)
	if err != nil {
		return nil, refuse(MalformedPayload, Field{"field", "public_key"}, Field{"reason", err.Error()})
	}
	possession := genesis.Possession{Cluster: s.genesis.Cluster, Principal: principal, Role: role, Key: raw}
	if err := possession.Check(proof); err != nil {
		return nil, refuse(SignatureInvalid, Field{"field", "proof"}, Field{"reason", err.Error()})
	}
	id := keyIDOf(public)
	if _, used := s.keys.Get(string(id[:])); used {
		return nil, refuse(InvalidTransition, Field{"key", id.String()}, Field{"current", "registered"}, Field{"allowed", "another key"})
	}
	if s.liveKeys(principal) >= MaxKeysPerPrincipal {
		return nil, refuse(LimitExceeded, Field{"limit", "keys_per_principal"}, number("max", MaxKeysPerPrincipal))
	}
	return public, nil
}

// addKey adds a key that is live from now on.
func (s *state) addKey(principal string, public *signature.PublicKey, scopes []string) KeyID {
	p, _ := s.principals.Get(principal)
	id := keyIDOf(public)
	s.keys.Set(string(id[:]), &Key{
		ID: id, Principal: principal, Role: p.Role, Scopes: scopes, From: s.clock.height, Until: NoEnd, public: public,
	})
	return id
}

// endKey lets a key end at a height. Keys are never forgotten: old signatures
// stay attributable.
func (s *state) endKey(id KeyID, height uint64) {
	old, _ := s.keys.Get(string(id[:]))
	key := *old
	key.Until = min(key.Until, height)
	s.keys.Set(string(id[:]), &key)
}

func (s *state) liveKeys(principal string) int {
	n := 0
	s.keys.Scan(func(_ string, k *Key) bool {
		if k.Principal == principal && k.LiveAt(s.clock.height) {
			n++
		}
		return true
	})
	return n
}

// adminsWithout counts the principals that could still sign threshold commands
// if one key ended.
func (s *state) adminsWithout(ended KeyID) int {
	last, n := map[string]bool{}, 0
	s.keys.Scan(func(_ string, k *Key) bool {
		if k.ID != ended && k.Has(scopeThreshold) && k.Until == NoEnd && !last[k.Principal] {
			last[k.Principal] = true
			n++
		}
		return true
	})
	return n
}

// checkScopes asks whether scopes are within the role's powers; none means all.
func checkScopes(role string, scopes []string) ([]string, *Refusal) {
	powers := rolePowers(role)
	if len(scopes) == 0 {
		return powers, nil
	}
	if len(scopes) > MaxScopes {
		return nil, refuse(LimitExceeded, Field{"limit", "scopes"}, number("max", MaxScopes))
	}
	var granted []string
	for _, scope := range scopes {
		if scope == ScopeRead {
			continue
		}
		if !contains(powers, scope) || contains(granted, scope) {
			return nil, refuse(MalformedPayload, Field{"field", "scopes"}, Field{"reason", "unsupported"})
		}
		granted = append(granted, scope)
	}
	return granted, nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
