package fsm

import (
	"bytes"
	"crypto/rand"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// apply sends an entry the way a log does: encoded, then decoded.
func (r *rig) apply(e *Entry) *Result {
	r.t.Helper()
	if e.Number == 0 {
		e.Number = r.m.Number() + 1
	}
	if e.At == 0 {
		e.At = r.now
	}
	raw := e.Encode()
	r.log = append(r.log, raw)
	decoded, err := DecodeEntry(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	if again := decoded.Encode(); !bytes.Equal(raw, again) {
		r.t.Fatal("an entry does not encode as it was decoded")
	}
	VerifyCommands(rand.Reader, r.m.Keys(), decoded.Commands)
	r.last = r.m.Apply(raw, decoded)
	if r.last.Cut != nil {
		r.cut = r.last.Cut
	}
	r.seated()
	return r.last
}

// send applies commands in one entry and returns their outcomes.
func (r *rig) send(commands ...*Command) []Outcome {
	r.t.Helper()
	return r.apply(&Entry{Commands: commands}).Outcomes
}

// must sends commands that have to be accepted.
func (r *rig) must(commands ...*Command) []Outcome {
	r.t.Helper()
	outcomes := r.send(commands...)
	for i, o := range outcomes {
		if o.Refusal != nil {
			r.t.Fatalf("%s %d: %v", o.Type, i, o.Refusal)
		}
	}
	return outcomes
}

func (r *rig) statements() []Statement {
	var out []Statement
	for _, i := range r.states {
		st, key := Statement{Node: uint8(i), At: r.now}, r.node[i]
		message := StatementMessage(r.genesis.Cluster, eraZero, r.m.state.clock.tick+1, st.At)
		copy(st.Sig[:], ed25519.Sign(key, message))
		out = append(out, st)
	}
	return out
}

// cosigned collects the cosignatures of the newest cut, once.
func (r *rig) cosigned() *Cosigned {
	if r.cut == nil {
		return nil
	}
	c := &Cosigned{Cut: r.cut.Number}
	checkpoint := proof.Checkpoint{Origin: r.genesis.Origin(), Size: r.cut.Size, Root: r.cut.Root}
	for _, i := range r.cosigns {
		sig := Cosignature{Node: uint8(i), Time: uint64(r.now / 1000)}
		copy(sig.Sig[:], ed25519.Sign(r.cosigner[i], proof.CosignedMessage(sig.Time, checkpoint)))
		c.Signatures = append(c.Signatures, sig)
	}
	r.cut = nil
	return c
}

// tick lets a tick with a cut pass.
func (r *rig) tick() *Result {
	r.t.Helper()
	return r.apply(&Entry{Statements: r.statements(), Cut: true, Cosigned: r.cosigned()})
}

// pass lets time go by, block for block.
func (r *rig) pass(blocks int) {
	r.t.Helper()
	for range blocks {
		r.now += int64(r.genesis.BlockMs)
		r.tick()
	}
}

func (r *rig) balance(id string) uint64 {
	r.t.Helper()
	account, ok := r.m.state.ledger.Account(accountID(id))
	if !ok {
		r.t.Fatalf("no account %s", id)
	}
	balance, _ := account.Balance()
	return balance.Lo
}

// twin is an independent machine in the same state.
func (r *rig) twin() *Machine {
	return &Machine{state: r.m.state.copy(), frozen: r.m.frozen, digest: r.m.digest}
}

func (r *rig) replay() *Machine {
	r.t.Helper()
	m := r.fresh()
	for _, raw := range r.log {
		e, _ := DecodeEntry(raw)
		m.Apply(raw, e)
	}
	return m
}

func keyIDFor(k ed25519.PrivateKey) KeyID {
	public := publicOf(k)
	return envelope.KeyIDOf(public[:])
}
