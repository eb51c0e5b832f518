package fsm

import "fmt"

// execute applies one command. A refusal up to and including the nonce check
// consumes nothing; from there on the nonce, or the threshold command's
// identity once it is executed, is spent.
func (a *apply) execute(c *Command) ([]Field, *Refusal) {
	if c.refused != nil {
		return nil, c.refused
	}
	if h := c.Single(); h != nil {
		key, refusal := a.s.admitSingle(c)
		if refusal != nil {
			return nil, refusal
		}
		a.s.lanes.Set(laneKey(key.ID, h.Lane), h.Nonce)
		if scope := specOf(c.Type).scope; !key.Has(scope) {
			return nil, refuse(Unauthorized, Field{"key", key.ID.String()}, Field{"role", key.Role}, Field{"scope", scope})
		}
		return a.single(c, key)
	}
	signers, refusal := a.s.admitThreshold(c)
	if refusal != nil {
		return nil, refusal
	}
	facts, refusal := a.threshold(c)
	if refusal != nil {
		return nil, refusal
	}
	a.s.remember(c)
	a.receipt(KindThreshold, &ThresholdReceipt{
		ReceiptHead: a.head(KindThreshold), Command: c.Name(), Identity: c.id, Signers: signers, Facts: facts,
	})
	return facts, nil
}

// single is the one switch over single-signature commands.
func (a *apply) single(c *Command, key *Key) ([]Field, *Refusal) {
	switch body := c.body.(type) {
	case *SubmitReading:
		return a.submitReading(c, key, body)
	case *Attest:
		return a.attest(key, body)
	case *RotateKey:
		return a.rotateKey(key, body)
	case *RevokeKey:
		return a.revokeKey(key, body)
	}
	panic(fmt.Sprintf("fsm: no rule for %T", c.body))
}

// threshold is the one switch over threshold commands. Each rule refuses
// first and then changes state with no way out.
func (a *apply) threshold(c *Command) ([]Field, *Refusal) {
	switch body := c.body.(type) {
	case *RegisterPrincipal:
		return a.registerPrincipal(body)
	case *RegisterKey:
		return a.registerKey(body)
	case *RevokePrincipalKey:
		return a.revokePrincipalKey(body)
	case *RegisterMeters:
		return a.registerMeters(body)
	case *RebaseMeter:
		return a.rebaseMeter(body)
	case *SetOracleWeight:
		return a.setOracleWeight(body)
	case *SetMarket:
		return a.setMarket(body)
	case *Deposit:
		return a.deposit(body)
	}
	panic(fmt.Sprintf("fsm: no rule for %T", c.body))
}

// remember keeps an executed threshold command until it expires by itself.
func (s *state) remember(c *Command) {
	expires := c.Threshold().ExpiresAt
	s.executed.Set(string(c.id[:]), expires)
	s.expiring.Set(ordered(uint64(expires), string(c.id[:])), struct{}{})
}

// maxDropped bounds how many expired identities one Apply forgets.
const maxDropped = 64

// dropExecuted forgets threshold commands that are expired and so would be
// refused anyway.
func (a *apply) dropExecuted() {
	for range maxDropped {
		key, _, ok := a.s.expiring.Min()
		if !ok || key >= ordered(uint64(a.s.clock.now), "") {
			return
		}
		a.s.expiring.Delete(key)
		a.s.executed.Delete(key[8:])
	}
}
