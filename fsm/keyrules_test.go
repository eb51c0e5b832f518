package fsm

import (
	"fmt"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// rotation is a rotate_key payload for somebody's next key.
func (r *rig) rotation(who string, fresh ed25519.PrivateKey, overlap uint64) *RotateKey {
	possession := genesis.Possession{Cluster: r.genesis.Cluster, Principal: who, Role: r.roles[who], Key: publicOf(fresh)}
	return &RotateKey{PublicKey: publicOf(fresh), Proof: possession.Prove(fresh), OverlapBlocks: overlap}
}

func (r *rig) keyRegistration(who string, fresh ed25519.PrivateKey, scopes ...string) *RegisterKey {
	possession := genesis.Possession{Cluster: r.genesis.Cluster, Principal: who, Role: r.roles[who], Key: publicOf(fresh)}
	return &RegisterKey{Principal: who, Scopes: scopes, PublicKey: publicOf(fresh), Proof: possession.Prove(fresh)}
}

func (r *rig) refused(code Code, c *Command) *Refusal {
	r.t.Helper()
	o := r.send(c)[0]
	if o.Refusal == nil || o.Refusal.Code != code {
		r.t.Fatalf("%s: %v, want %s", o.Type, o.Refusal, code)
	}
	return o.Refusal
}

// Whoever stole the key that was replaced must not, in what is left of its time,
// make himself a key without an end, or end the owner's new one.
func TestEndingKeyMakesNoOther(t *testing.T) {
	r := world(t)
	old, fresh := keyIDFor(r.people["sunny"]), testKey("sunny 2")
	r.must(r.sign("sunny", r.rotation("sunny", fresh, 5)))
	r.refused(InvalidTransition, r.sign("sunny", r.rotation("sunny", testKey("thief"), 5)))
	r.refused(Unauthorized, r.sign("sunny", &RevokeKey{Key: keyIDFor(fresh)}))
	r.must(r.sign("sunny", &RevokeKey{Key: old}))
}

// A key that may do less cannot end one that may do more.
func TestNarrowKeyEndsNoWiderOne(t *testing.T) {
	r := world(t)
	reader := testKey("sunny reads")
	r.must(r.threshold(r.keyRegistration("sunny", reader, "read")))
	r.people["reader"] = reader
	r.refused(Unauthorized, r.sign("reader", &RevokeKey{Key: keyIDFor(r.people["sunny"])}))
	r.must(r.sign("sunny", &RevokeKey{Key: keyIDFor(reader)}))
}

// A provider can rotate its key for ever, but the state that it leaves behind is
// bounded: keys are counted, and what only a live key needs is forgotten.
func TestRotatingForEverIsBounded(t *testing.T) {
	r := world(t)
	p, _ := r.m.state.principals.Get("sunny")
	p.Keys = MaxKeysEver - 3
	r.m.state.principals.Set("sunny", p)
	for i := range 3 {
		fresh := testKey(fmt.Sprint("sunny ", i))
		r.must(r.sign("sunny", r.rotation("sunny", fresh, 0)))
		r.people["sunny"], r.nonces = fresh, map[string]uint64{}
	}
	one := r.rotation("sunny", testKey("sunny one too many"), 0)
	if refusal := r.refused(LimitExceeded, r.sign("sunny", one)); refusal.Field("limit") != "keys_ever" {
		t.Error(refusal)
	}
	if lanes := r.m.state.lanes.Len(); lanes != 1 {
		t.Errorf("%d lanes are kept for one live key that was used", lanes)
	}
	if owned := r.m.state.owned.Len(); owned != len(r.genesis.Principals) {
		t.Errorf("%d keys are listed as live, want %d", owned, len(r.genesis.Principals))
	}
	p, _ = r.m.state.principals.Get("sunny")
	p.Keys = 4 // as many as there are
	r.m.state.principals.Set("sunny", p)
	if again := restore(t, r, r.m.View()); again.state.owned.Len() != r.m.state.owned.Len() {
		t.Error("a restored state lists other keys")
	}
	r.must(r.threshold(r.keyRegistration("sunny", testKey("sunny by the committee"))))
}

// An ended key's lanes go in steps: a provider has one for each of its meters.
func TestLanesOfAnEndedKeyAreForgottenInSteps(t *testing.T) {
	r := world(t)
	key := keyIDFor(r.people["sunny"])
	const lanes = 10*maxLanesForgotten + 1
	for i := range lanes {
		r.m.state.lanes.Set(laneKey(key, fmt.Sprintf("m/site-%05d", i)), 1)
	}
	r.must(r.sign("sunny", r.rotation("sunny", testKey("sunny 2"), 2)))
	r.pass(1)
	if got := r.m.state.lanes.Len(); got != lanes+1 {
		t.Fatalf("%d lanes while the key lives, want %d", got, lanes+1)
	}
	r.pass(1)
	if got := r.m.state.lanes.Len(); got != 0 {
		t.Errorf("%d lanes are left of %d", got, lanes)
	}
	if r.m.View().DueNow() {
		t.Error("something is still due")
	}
}

// Nodes' keys sign clocks and checkpoints and nothing else.
func TestNodeKeyIsNobodysKey(t *testing.T) {
	r := world(t)
	for _, key := range []ed25519.PrivateKey{r.node[0], r.cosigner[1]} {
		r.refused(InvalidTransition, r.threshold(r.keyRegistration("sunny", key)))
	}
}

func TestKeysOfOnePrincipalAtATime(t *testing.T) {
	r := world(t)
	for i := 1; i < MaxKeysPerPrincipal; i++ {
		r.must(r.threshold(r.keyRegistration("sunny", testKey(fmt.Sprint("sunny ", i)))))
	}
	extra := r.keyRegistration("sunny", testKey("sunny one too many"))
	r.refused(LimitExceeded, r.threshold(extra))
	r.must(r.threshold(&RevokePrincipalKey{Key: keyIDFor(testKey("sunny 1"))}))
	r.must(r.threshold(extra))
}

func TestReplacedKeyEndsAtOnce(t *testing.T) {
	r := world(t)
	b := r.keyRegistration("sunny", testKey("sunny 2"))
	old := keyIDFor(r.people["sunny"])
	b.Replaces = (*[16]byte)(&old)
	r.must(r.threshold(b))
	r.refused(KeyRevoked, r.sign("sunny", r.reading("m-1", 1, r.now)))
	again := r.keyRegistration("sunny", testKey("sunny 3"))
	again.Replaces = (*[16]byte)(&old)
	r.refused(InvalidTransition, r.threshold(again))
	other := r.keyRegistration("sunny", testKey("sunny 3"))
	windy := keyIDFor(r.people["windy"])
	other.Replaces = (*[16]byte)(&windy)
	r.refused(NotFound, r.threshold(other))
}

// An admin's key gives way to one with the same say, even at the threshold, but
// not to one without it.
func TestAdminKeyIsReplacedAtTheThreshold(t *testing.T) {
	r := world(t)
	r.must(r.threshold(&RevokePrincipalKey{Key: keyIDFor(r.people["carol"])}))
	old := keyIDFor(r.people["bob"])
	silent := r.keyRegistration("bob", testKey("bob reads"), "read")
	silent.Replaces = (*[16]byte)(&old)
	r.refused(InvalidTransition, r.threshold(silent))
	b := r.keyRegistration("bob", testKey("bob 2"))
	b.Replaces = (*[16]byte)(&old)
	r.must(r.threshold(b))
	r.people["bob"] = testKey("bob 2")
	r.must(r.threshold(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1), Reference: "after"}))
	r.must(r.sign("bob", r.rotation("bob", testKey("bob 3"), 3)))
	r.people["bob-3"] = testKey("bob 3")
	r.refused(InvalidTransition, r.sign("bob-3", &RevokeKey{Key: keyIDFor(testKey("bob 3"))}))
}

func TestKeysRotateAndEnd(t *testing.T) {
	r := world(t)
	fresh := testKey("sunny 2")
	r.must(r.sign("sunny", r.rotation("sunny", fresh, 2)))
	r.must(r.sign("sunny", r.reading("m-1", 1, r.now)))
	r.pass(2)
	r.refused(KeyRevoked, r.sign("sunny", r.reading("m-1", 2, r.now)))
	r.people["sunny-2"] = fresh
	r.must(r.sign("sunny-2", r.reading("m-1", 2, r.now)))
	r.must(r.threshold(&RevokePrincipalKey{Key: keyIDFor(fresh)}))
	r.refused(KeyRevoked, r.sign("sunny-2", r.reading("m-1", 3, r.now+1)))
}
