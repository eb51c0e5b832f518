package fsm

import "testing"

// What people were told stands: a threshold command that its rule refused is
// spent, so that nobody who keeps the file can make it happen later.
func TestRefusedThresholdCommandIsSpent(t *testing.T) {
	r := world(t)
	deposit := r.threshold(&Deposit{Account: "payer/dora", Asset: "BLOCK", Amount: amount(5), Reference: "bank 9"})
	if o := r.send(deposit)[0]; o.Refusal == nil || o.Refusal.Code != InvalidTarget || o.Unconsumed {
		t.Fatalf("deposit to nobody: %v, unconsumed %v", o.Refusal, o.Unconsumed)
	}
	r.must(r.threshold(r.registration("dora", "payer")))
	if o := r.send(deposit)[0]; o.Refusal == nil || o.Refusal.Code != NonceReplay || !o.Unconsumed {
		t.Errorf("the same deposit once the account exists: %v", o.Refusal)
	}
	if got := r.balance("payer/dora"); got != 0 {
		t.Errorf("dora holds %d", got)
	}
}

// A leader that logs a command before it has enough signatures must not take its
// identity away: nothing was consumed, so the outcome does not stand.
func TestOutcomeThatConsumedNothingDoesNotStand(t *testing.T) {
	r := world(t)
	b := &Deposit{Account: "payer/city", Asset: "BLOCK", Amount: amount(5), Reference: "bank 9"}
	alone := r.thresholdBy(b, "alice")
	whole := r.envelope(TypeDeposit, alone.Payload, r.people["alice"], r.people["bob"])
	if alone.Identity() != whole.Identity() {
		t.Fatal("signatures are no part of an identity")
	}
	if o := r.send(alone)[0]; o.Refusal == nil || !o.Unconsumed {
		t.Errorf("one signature of two: %v, and it stands: %v", o.Refusal, !o.Unconsumed)
	}
	if o := r.must(whole)[0]; o.Unconsumed {
		t.Error("the deposit itself does not stand")
	}
	early := r.sign("sunny", r.reading("m-9", 1, r.now))
	if o := r.send(early)[0]; o.Refusal == nil || o.Refusal.Code != NotFound || !o.Unconsumed {
		t.Errorf("reading of no meter: %v, and it stands: %v", o.Refusal, !o.Unconsumed)
	}
	wrong := r.reading("m-2", 1, r.now)
	wrong.Lane = "3"
	if o := r.send(r.sign("sunny", wrong))[0]; o.Refusal == nil || o.Unconsumed {
		t.Errorf("reading of another's meter: %v consumed its nonce, so it stands", o.Refusal)
	}
}

// Two oracles that say the same at the same moment on the same lane sign the same
// payload. Naming the signer keeps their identities apart, and keeps others from
// signing somebody's payload as their own.
func TestPayloadMayNameItsSigner(t *testing.T) {
	r := world(t)
	r.must(r.sign("sunny", r.reading("m-1", 1, r.now)))
	vote := func(who, signer string) *Command {
		b := r.attestation(1, 1)
		b.Nonce = 7
		if signer != "" {
			id := keyIDFor(r.people[signer])
			b.Signer = (*[16]byte)(&id)
		}
		return r.sign(who, b)
	}
	if vote("oracle-a", "").Identity() != vote("oracle-b", "").Identity() {
		t.Fatal("unnamed signers are told apart; then the member serves nothing")
	}
	a, b := vote("oracle-a", "oracle-a"), vote("oracle-b", "oracle-b")
	if a.Identity() == b.Identity() {
		t.Error("two oracles' commands have one identity")
	}
	stolen := vote("oracle-c", "oracle-a")
	if o := r.send(stolen)[0]; o.Refusal == nil || o.Refusal.Code != SignatureInvalid || o.Refusal.Field("reason") != "other_signer" || !o.Unconsumed {
		t.Errorf("a payload that names another signer: %+v", o)
	}
	r.must(a, b)
}
