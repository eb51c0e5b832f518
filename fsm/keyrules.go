package fsm

// rotateKey gives the signer's principal a new key and lets the signing key
// end after an overlap. A key that is ending already makes no other: whoever
// stole it must not outlive it.
func (a *apply) rotateKey(key *Key, b *RotateKey) ([]Field, *Refusal) {
	if key.ending() {
		return nil, refuse(InvalidTransition, Field{"key", key.ID.String()}, Field{"current", "ending"}, Field{"allowed", "none"})
	}
	if b.OverlapBlocks > maxOverlapBlocks {
		return nil, refuse(LimitExceeded, Field{"limit", "overlap_blocks"}, number("max", maxOverlapBlocks))
	}
	if p, _ := a.s.principals.Get(key.Principal); p.Keys >= MaxKeysEver {
		return nil, refuse(LimitExceeded, Field{"limit", "keys_ever"}, number("max", MaxKeysEver))
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

// revokeKey ends one of the signer's principal's keys at once: the signing key
// itself or one that may do no more than it.
func (a *apply) revokeKey(signer *Key, b *RevokeKey) ([]Field, *Refusal) {
	key, refusal := a.s.keyNamed(KeyID(b.Key))
	if refusal != nil {
		return nil, refusal
	}
	if key.Principal != signer.Principal {
		return nil, refuse(Unauthorized, Field{"key", key.ID.String()}, Field{"reason", "other_principal"})
	}
	if key.ID != signer.ID && signer.ending() {
		return nil, refuse(Unauthorized, Field{"key", key.ID.String()}, Field{"reason", "ending_key"})
	}
	if !signer.covers(key) {
		return nil, refuse(Unauthorized, Field{"key", key.ID.String()}, Field{"reason", "wider_key"})
	}
	if refusal := a.s.checkEnd(key); refusal != nil {
		return nil, refusal
	}

	a.s.endKey(key.ID, a.s.clock.height)
	return []Field{{"key", key.ID.String()}, number("until", a.s.clock.height)}, nil
}

func (s *state) keyNamed(id KeyID) (*Key, *Refusal) {
	key, known := s.keys.Get(string(id[:]))
	if !known {
		return nil, refuse(NotFound, Field{"kind", "key"}, Field{"id", id.String()})
	}
	return key, nil
}

// checkEnd asks whether a key can end now without leaving fewer admins than the
// threshold.
func (s *state) checkEnd(key *Key) *Refusal {
	if refusal := s.checkLive(key); refusal != nil {
		return refusal
	}
	if key.Has(scopeThreshold) && s.adminsWithout(key.ID) < int(s.genesis.AdminThreshold) {
		return refuse(InvalidTransition, Field{"key", key.ID.String()}, Field{"current", "last_admins"}, Field{"allowed", "register_key"})
	}
	return nil
}

func (s *state) checkLive(key *Key) *Refusal {
	if !key.LiveAt(s.clock.height) {
		return refuse(InvalidTransition, Field{"key", key.ID.String()}, Field{"current", "ended"}, Field{"allowed", "none"})
	}
	return nil
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
	key, refusal := s.keyNamed(id)
	if refusal != nil || key.Principal != principal {
		return refuse(NotFound, Field{"kind", "key"}, Field{"id", id.String()})
	}
	if contains(scopes, scopeThreshold) {
		return s.checkLive(key)
	}
	return s.checkEnd(key)
}

// revokePrincipalKey ends anybody's key at once.
func (a *apply) revokePrincipalKey(b *RevokePrincipalKey) ([]Field, *Refusal) {
	key, refusal := a.s.keyNamed(KeyID(b.Key))
	if refusal != nil {
		return nil, refusal
	}
	if refusal := a.s.checkEnd(key); refusal != nil {
		return nil, refusal
	}

	a.s.endKey(key.ID, a.s.clock.height)
	return []Field{{"principal", key.Principal}, {"key", key.ID.String()}, number("until", a.s.clock.height)}, nil
}
