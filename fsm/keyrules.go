package fsm

import "github.com/tallyvault/tallyvault/fsm/envelope"

// rotateKey gives the signer's principal a new key and lets the signing key
// end after an overlap.
func (a *apply) rotateKey(key *Key, b *RotateKey) ([]Field, *Refusal) {
	if b.OverlapBlocks > maxOverlapBlocks {
		return nil, refuse(LimitExceeded, Field{"limit", "overlap_blocks"}, number("max", maxOverlapBlocks))
	}
	public, refusal := a.s.checkKey(key.Principal, key.Role, b.PublicKey, &b.Proof)
	if refusal != nil {
		return nil, refusal
	}

	id := a.s.addKey(key.Principal, public, key.Scopes)
	until := a.s.clock.height + b.OverlapBlocks
	a.s.endKey(key.ID, until)
	return []Field{{"key", id.String()}, {"old_key", key.ID.String()}, number("old_key_until", until)}, nil
}

// revokeKey ends one of the signer's principal's keys at once.
func (a *apply) revokeKey(signer *Key, b *RevokeKey) ([]Field, *Refusal) {
	key, refusal := a.s.checkRevocation(envelope.KeyID(b.Key))
	if refusal != nil {
		return nil, refusal
	}
	if key.Principal != signer.Principal {
		return nil, refuse(Unauthorized, Field{"key", key.ID.String()}, Field{"reason", "other_principal"})
	}

	a.s.endKey(key.ID, a.s.clock.height)
	return []Field{{"key", key.ID.String()}, number("until", a.s.clock.height)}, nil
}

// checkRevocation asks whether a key can end without leaving fewer admins than
// the threshold.
func (s *state) checkRevocation(id KeyID) (*Key, *Refusal) {
	key, known := s.keys.Get(string(id[:]))
	if !known {
		return nil, refuse(NotFound, Field{"kind", "key"}, Field{"id", id.String()})
	}
	if !key.LiveAt(s.clock.height) {
		return nil, refuse(InvalidTransition, Field{"key", id.String()}, Field{"current", "ended"}, Field{"allowed", "none"})
	}
	if key.Has(scopeThreshold) && s.adminsWithout(id) < int(s.genesis.AdminThreshold) {
		return nil, refuse(InvalidTransition, Field{"key", id.String()}, Field{"current", "last_admins"}, Field{"allowed", "register_key"})
	}
	return key, nil
}

func (a *apply) registerPrincipal(b *RegisterPrincipal) ([]Field, *Refusal) {
	if refusal := a.s.checkPrincipal(b.Principal, b.Role); refusal != nil {
		return nil, refusal
	}
	scopes, refusal := checkScopes(b.Role, b.Scopes)
	if refusal != nil {
		return nil, refusal
	}
	public, refusal := a.s.checkKey(b.Principal, b.Role, b.PublicKey, &b.Proof)
	if refusal != nil {
		return nil, refusal
	}

	a.s.addPrincipal(b.Principal, b.Role)
	id := a.s.addKey(b.Principal, public, scopes)
	return []Field{{"principal", b.Principal}, {"role", b.Role}, {"key", id.String()}}, nil
}

// registerKey gives a principal another key. A replaced key ends at once.
func (a *apply) registerKey(b *RegisterKey) ([]Field, *Refusal) {
	p, known := a.s.principals.Get(b.Principal)
	if !known {
		return nil, refuse(NotFound, Field{"kind", "principal"}, Field{"id", clip(b.Principal)})
	}
	scopes, refusal := checkScopes(p.Role, b.Scopes)
	if refusal != nil {
		return nil, refusal
	}
	public, refusal := a.s.checkKey(p.Name, p.Role, b.PublicKey, &b.Proof)
	if refusal != nil {
		return nil, refusal
	}
	if b.Replaces != nil {
		if refusal := a.s.checkReplaced(KeyID(*b.Replaces), p.Name, scopes); refusal != nil {
			return nil, refusal
		}
	}

	id := a.s.addKey(p.Name, public, scopes)
	facts := []Field{{"principal", p.Name}, {"key", id.String()}}
	if b.Replaces != nil {
		a.s.endKey(KeyID(*b.Replaces), a.s.clock.height)
		facts = append(facts, Field{"replaces", KeyID(*b.Replaces).String()})
	}
	return facts, nil
}

// checkReplaced asks whether a key of the principal can end now. The new key
// makes up for an admin's old one if it has the same say.
func (s *state) checkReplaced(id KeyID, principal string, scopes []string) *Refusal {
	key, known := s.keys.Get(string(id[:]))
	if !known || key.Principal != principal {
		return refuse(NotFound, Field{"kind", "key"}, Field{"id", id.String()})
	}
	if contains(scopes, scopeThreshold) {
		return nil
	}
	_, refusal := s.checkRevocation(id)
	return refusal
}

func (a *apply) revokePrincipalKey(b *RevokePrincipalKey) ([]Field, *Refusal) {
	key, refusal := a.s.checkRevocation(KeyID(b.Key))
	if refusal != nil {
		return nil, refusal
	}

	a.s.endKey(key.ID, a.s.clock.height)
	return []Field{{"principal", key.Principal}, {"key", key.ID.String()}, number("until", a.s.clock.height)}, nil
}
