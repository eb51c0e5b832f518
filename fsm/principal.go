package fsm

import (
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// Limits of the tables that threshold commands fill.
const (
	MaxPrincipals = 100_000
	MaxScopes     = 32
)

// Principal is somebody who acts, with one role and any number of keys.
type Principal struct {
	Name string
	Role string
	// Keys counts the keys that were ever registered.
	Keys uint32
}

// defaultAsset is what a payer's and a provider's account hold.
const defaultAsset = treasury.Asset

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
	return fromTreasury(s.ledger.CheckOpen(defaultAsset, accountsOf(name, role)...))
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
