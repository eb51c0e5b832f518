package fsm

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// entryRefused asks that an entry is refused for a reason, changes nothing but the
// journal, and is replayed from its leaf alone.
func (r *rig) entryRefused(why byte, raw []byte, e *Entry) {
	r.t.Helper()
	before, twin := *r.m.state, r.twin()
	result := r.m.Apply(raw, e)
	if !result.Refused || len(result.Leaves) != 1 || len(result.Outcomes) != 0 || len(result.Receipts) != 0 {
		r.t.Fatalf("result %+v", result)
	}
	if leaf := result.Leaves[0]; leaf[0] != LeafUndecodable || leaf[1] != why {
		r.t.Errorf("leaf %x, want reason %d", leaf, why)
	}
	after := *r.m.state
	if after.number != before.number || after.clock != before.clock || after.commands != before.commands || after.chain != before.chain {
		r.t.Error("the entry changed more than the journal")
	}
	if len(after.alarms) != 1 || after.alarms[0] != AlarmEntry || !after.dirty {
		r.t.Errorf("alarms %v, dirty %v", after.alarms, after.dirty)
	}
	again, err := twin.ReplayRefused(result.Leaves[0])
	if err != nil || again.Hashes[0] != result.Hashes[0] || twin.View().Digest() != r.m.View().Digest() {
		r.t.Errorf("replayed from its leaf: %v", err)
	}
}

func TestRefusedEntries(t *testing.T) {
	tests := []struct {
		name string
		why  byte
		make func(r *rig) ([]byte, *Entry)
	}{
		{"nothing", entryUndecodable, func(*rig) ([]byte, *Entry) { return nil, nil }},
		{"rubbish", entryUndecodable, func(*rig) ([]byte, *Entry) { return []byte("rubbish"), nil }},
		{"too many bytes", entryTooLarge, func(r *rig) ([]byte, *Entry) { return make([]byte, MaxEntryBytes+1), &Entry{Number: 3} }},
		{"too many commands", entryTooLarge, func(r *rig) ([]byte, *Entry) {
			return []byte{1}, &Entry{Number: 3, At: r.now, Commands: make([]*Command, MaxEntryCommands+1)}
		}},
		{"too much work", entryTooLarge, func(r *rig) ([]byte, *Entry) {
			e := &Entry{Number: 3, At: r.now}
			for range MaxEntryWork/keyWork + 1 {
				e.Commands = append(e.Commands, r.sign("sunny", r.rotation("sunny", testKey("next"), 0)))
			}
			return e.Encode(), e
		}},
		{"the number before", entryWrongNumber, func(r *rig) ([]byte, *Entry) { return []byte{1}, &Entry{Number: 2, At: r.now} }},
		{"the number after next", entryWrongNumber, func(r *rig) ([]byte, *Entry) { return []byte{1}, &Entry{Number: 4, At: r.now} }},
		{"cosignatures of too few", entryBadCosignatures, func(r *rig) ([]byte, *Entry) {
			c := r.cosigned()
			c.Signatures = c.Signatures[:1]
			return []byte{1}, &Entry{Number: 3, At: r.now, Cosigned: c}
		}},
		{"cosignatures of one twice", entryBadCosignatures, func(r *rig) ([]byte, *Entry) {
			c := r.cosigned()
			c.Signatures[1] = c.Signatures[0]
			return []byte{1}, &Entry{Number: 3, At: r.now, Cosigned: c}
		}},
		{"cosignatures of a stranger", entryBadCosignatures, func(r *rig) ([]byte, *Entry) {
			c := r.cosigned()
			c.Signatures[1].Node = 200
			return []byte{1}, &Entry{Number: 3, At: r.now, Cosigned: c}
		}},
		{"cosignatures of another time", entryBadCosignatures, func(r *rig) ([]byte, *Entry) {
			c := r.cosigned()
			c.Signatures[1].Time++
			return []byte{1}, &Entry{Number: 3, At: r.now, Cosigned: c}
		}},
		{"a cosignature that no verifier outside accepts", entryBadCosignatures, func(r *rig) ([]byte, *Entry) {
			cut := *r.cut
			c := r.cosigned()
			c.Signatures[1] = r.evasive(1, c.Signatures[1].Time, r.m.state.checkpoint(cut))
			return []byte{1}, &Entry{Number: 3, At: r.now, Cosigned: c}
		}},
		{"cosignatures of no cut", entryBadCosignatures, func(r *rig) ([]byte, *Entry) {
			c := r.cosigned()
			c.Cut++
			return []byte{1}, &Entry{Number: 3, At: r.now, Cosigned: c}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := world(t)
			raw, e := test.make(r)
			r.entryRefused(test.why, raw, e)
		})
	}
}

// The largest entry that is accepted can be encoded, decoded and applied.
func TestFullestEntry(t *testing.T) {
	r := world(t)
	e := &Entry{}
	for range MaxEntryCommands {
		c := r.sign("ada", &RevokeKey{})
		e.Commands = append(e.Commands, c)
	}
	if raw := e.Encode(); len(raw) > MaxEntryBytes {
		e.Commands = e.Commands[:MaxEntryCommands*MaxEntryBytes/len(raw)]
	}
	if result := r.apply(e); result.Refused || len(result.Outcomes) != len(e.Commands) {
		t.Errorf("refused %v, %d outcomes", result.Refused, len(result.Outcomes))
	}
}

// One Apply takes at most so many due items, says that there are more, and none
// is lost. What waits in the queue is over nevertheless: no vote counts.
func TestDueItemsAreTakenInSteps(t *testing.T) {
	const readings = 2*MaxDueItems + 1
	r := world(t, func(g *genesis.Genesis) { g.Markets[0].MaxPendingPerMeter = readings })
	for first := 0; first < readings; first += 500 {
		var commands []*Command
		for i := first; i < min(first+500, readings); i++ {
			commands = append(commands, r.sign("sunny", r.reading("m-1", uint64(i), r.now-int64(readings-i)*1_000)))
		}
		r.must(commands...)
	}
	r.now += int64(r.genesis.Markets[0].ExpiryBlocks) * int64(r.genesis.BlockMs)
	vote := r.sign("oracle-a", r.attestation(readings, readings))
	for i, want := range []int{MaxDueItems, MaxDueItems, 1} {
		e := &Entry{Statements: r.statements()}
		if i == 1 {
			e = &Entry{Commands: []*Command{vote}}
		}
		result := r.apply(e)
		if i == 1 && result.Outcomes[0].Result[1] != number("late", 1) {
			t.Errorf("a vote on what is over: %v", result.Outcomes[0])
		}
		if got := len(result.Receipts); got != want || result.DueLeft != (i < 2) {
			t.Errorf("step %d: %d readings expired, more due: %v", i, got, result.DueLeft)
		}
	}
}

func TestNonceGap(t *testing.T) {
	r := world(t)
	b := r.reading("m-1", 1, r.now)
	b.Nonce = MaxNonceGap
	r.must(r.sign("sunny", b))
	b = r.reading("m-1", 2, r.now+1)
	b.Nonce = 2*MaxNonceGap + 1
	r.refused(LimitExceeded, r.sign("sunny", b))
}

// A threshold command lives for thirty days, is remembered as long, and cannot
// come back when it is forgotten.
func TestSpentIdentitiesAreForgottenWhenTheyExpire(t *testing.T) {
	r := world(t)
	r.spendAll()
	count := r.m.state.spent.Len()
	c := r.threshold(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1), Reference: "x"})
	r.must(c)
	r.now = c.Threshold().ExpiresAt
	r.tick()
	r.refused(NonceReplay, c)
	r.now++
	r.tick()
	r.refused(Expired, c)
	if got := r.m.state.spent.Len() + r.m.state.expiring.Len(); got != 0 {
		t.Errorf("%d identities are still remembered, %d before", got, count)
	}
}

// spendAll fills the memory of judged threshold commands beyond what one Apply
// forgets.
func (r *rig) spendAll() {
	for i := range 3 * maxDropped {
		id, expires := fmt.Sprintf("%032d", i), uint64(r.now+1)
		r.m.state.spent.Set(id, int64(expires))
		r.m.state.expiring.Set(ordered(expires, id), struct{}{})
	}
	for range 4 {
		r.now++
		r.tick()
	}
}

// Late cosignatures are understood for the newest cuts, and final only rises.
func TestLateCosignatures(t *testing.T) {
	r := world(t)
	first := r.cosigned()
	r.pass(3)
	if got := r.m.View().Final().Number; got != 3 {
		t.Fatalf("cut %d is final, want 3", got)
	}
	r.apply(&Entry{Cosigned: first})
	if got := r.m.View().Final().Number; got != 3 || r.last.Refused {
		t.Errorf("cut %d is final after late cosignatures on the first, refused %v", got, r.last.Refused)
	}
	for range keptCuts {
		r.cut = nil
		r.tick()
	}
	raw := (&Entry{Number: r.m.Number() + 1, At: r.now, Cosigned: first}).Encode()
	e, err := DecodeEntry(raw)
	if err != nil || !bytes.Equal(e.Encode(), raw) {
		t.Fatal(err)
	}
	r.entryRefused(entryBadCosignatures, raw, e)
}

// The queue holds an expiry for each open reading and no more, however a reading ends:
// otherwise a provider who supersedes its reading again and again would fill the state.
func TestClosedReadingsLeaveTheQueue(t *testing.T) {
	r := world(t)
	expiries := func() (n int) {
		r.m.state.due.Scan(func(_ string, d dueItem) bool {
			if d.kind == dueExpire {
				n++
			}
			return true
		})
		return n
	}
	has := func(what string, want int) {
		t.Helper()
		if got := expiries(); got != want {
			t.Errorf("%s: %d expiries wait, want %d", what, got, want)
		}
		if err := r.m.state.consistent(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	first := r.must(r.sign("sunny", r.reading("m-1", 0, r.now-3*hour)))[0].ID
	for range 5 {
		again := r.reading("m-1", 1, r.now-3*hour)
		again.Supersedes = (*[32]byte)(&first)
		first = r.must(r.sign("sunny", again))[0].ID
	}
	has("superseded", 1)
	r.must(r.sign("sunny", r.reading("m-1", 100, r.now-2*hour)), r.sign("sunny", r.reading("m-1", 200, r.now-hour)))
	has("three open", 3)
	r.must(r.sign("oracle-a", r.attestation(7, 7)), r.sign("oracle-b", r.attestation(7, 7)))
	has("accepted, behind another", 3)
	r.must(r.sign("oracle-a", r.attestation(6, 6)), r.sign("oracle-b", r.attestation(6, 6)))
	has("baseline and settlement", 1)
	r.must(r.sign("oracle-a", r.attestation(8, 8, 8)), r.sign("oracle-b", r.attestation(8, 8, 8)))
	has("outvoted", 0)
	r.must(r.sign("sunny", r.reading("m-1", 300, r.now)))
	r.pass(int(r.genesis.Markets[0].ExpiryBlocks) - 1)
	has("one block before", 1)
	r.pass(1)
	has("expired", 0)
}
