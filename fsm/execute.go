package fsm

import "fmt"

// execute applies one command and reports whether anything was consumed. A
// refusal up to and including the nonce check consumes nothing; from there on
// the nonce, or the threshold command's identity, is spent, also by a refusal:
// nobody can make happen later what people were told did not happen.
func (a *apply) execute(c *Command) (result []Field, refusal *Refusal, consumed bool) {
	if c.refused != nil {
		return nil, c.refused, false
	}
	if h := c.Single(); h != nil {
		key, refusal := a.s.admitSingle(c)
		if refusal != nil {
			return nil, refusal, false
		}
		a.s.lanes.Set(laneKey(key.ID, h.Lane), h.Nonce)
		result, refusal = a.single(c, key)
		return result, refusal, true
	}
	signers, refusal := a.s.admitThreshold(c)
	if refusal != nil {
		return nil, refusal, false
	}
	a.s.remember(c)
	result, refusal = a.threshold(c, signers)
	return result, refusal, true
}

// single asks for the scope, and then the command's own rule.
func (a *apply) single(c *Command, key *Key) ([]Field, *Refusal) {
	if scope := specOf(c.Type).scope; !key.Has(scope) {
		return nil, refuse(Unauthorized, Field{"key", key.ID.String()}, Field{"role", key.Role}, Field{"scope", scope})
	}
	return a.singleRule(c, key)
}

// threshold asks the command's own rule and writes a receipt of what was done.
func (a *apply) threshold(c *Command, signers []string) ([]Field, *Refusal) {
	facts, refusal := a.thresholdRule(c, signers)
	if refusal != nil {
		return nil, refusal
	}
	a.receipt(KindThreshold, &ThresholdReceipt{
		ReceiptHead: a.head(KindThreshold), Command: c.Name(), Identity: c.id, Signers: signers, Facts: facts,
	})
	return facts, nil
}

// singleRule is the one switch over single-signature commands.
func (a *apply) singleRule(c *Command, key *Key) ([]Field, *Refusal) {
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
	return a.treasuryRule(c, key)
}

// treasuryRule is singleRule for the commands of the treasury.
func (a *apply) treasuryRule(c *Command, key *Key) ([]Field, *Refusal) {
	switch body := c.body.(type) {
	case *Propose:
		return a.propose(c, key, body)
	case *Amend:
		return a.amend(key, body)
	case *Open:
		return a.open(key, body)
	case *Cancel:
		return a.cancel(key, body)
	case *Vote:
		return a.vote(key, body)
	case *Queue:
		return a.queue(body)
	case *Execute:
		return a.executeNow(key, body)
	case *Veto:
		return a.veto(key, body)
	case *Pause:
		return a.pause(c, key, body)
	case *Withdraw:
		return a.withdraw(c, key, body)
	case *CancelWithdrawal:
		return a.cancelWithdrawal(key, body)
	}
	panic(fmt.Sprintf("fsm: no rule for %T", c.body))
}

// thresholdRule is the one switch over threshold commands. Each rule refuses
// first and then changes state with no way out.
func (a *apply) thresholdRule(c *Command, signers []string) ([]Field, *Refusal) {
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
	case *ReplaceNode:
		return a.replaceNode(body)
	case *CancelReplacement:
		return a.cancelReplacement(body)
	case *Rollback:
		return a.rollback(signers, body)
	case *Unpause:
		return a.unpause(body)
	case *SetHouse:
		return a.setHouse(body)
	case *SetTreasury:
		return a.setTreasury(body)
	case *Payout:
		return a.payout(signers, body)
	case *RecordPayout:
		return a.recordPayout(signers, body)
	}
	panic(fmt.Sprintf("fsm: no rule for %T", c.body))
}

// remember keeps the identity of a judged threshold command until it expires by
// itself.
func (s *state) remember(c *Command) {
	expires := c.Threshold().ExpiresAt
	s.spent.Set(string(c.id[:]), expires)
	s.expiring.Set(ordered(uint64(expires), string(c.id[:])), struct{}{})
}

// maxDropped bounds how many expired identities one Apply forgets.
const maxDropped = 64

// dropSpent forgets threshold commands that are expired and so would be
// refused anyway.
func (a *apply) dropSpent() {
	for range maxDropped {
		key, _, ok := a.s.expiring.Min()
		if !ok || key >= ordered(uint64(a.s.clock.now), "") {
			return
		}
		a.s.expiring.Delete(key)
		a.s.spent.Delete(key[8:])
	}
}
