package fsm

import (
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// View is the state after some entry, for reading. It never changes, and many
// goroutines may use it. What its methods return must not be changed.
type View struct {
	state  *state
	frozen *View
	digest *[32]byte
}

// Number is the number of the last entry applied.
func (v *View) Number() uint64 { return v.state.number }

// Height is the replicated block count.
func (v *View) Height() uint64 { return v.state.clock.height }

// Now is replicated time, unix ms.
func (v *View) Now() int64 { return v.state.clock.now }

// Median is the lower median of the newest tick's clock statements, unix ms.
func (v *View) Median() int64 { return v.state.clock.median }

// Tick is the number of the last tick with clock statements.
func (v *View) Tick() uint64 { return v.state.clock.tick }

// Epoch is the height counted in epochs.
func (v *View) Epoch() uint64 { return v.state.epoch() }

// Genesis is what the cluster started from.
func (v *View) Genesis() *genesis.Signed { return v.state.genesis }

// Cluster is the cluster's id.
func (v *View) Cluster() [16]byte { return v.state.genesis.Cluster }

// Era is the generation of the cluster's history, "<number>-<hash hex>".
func (v *View) Era() string { return v.state.era() }

// Origin is the journal's name.
func (v *View) Origin() string { return v.state.genesis.Origin() }

// K is how many cosignatures make a checkpoint final.
func (v *View) K() int { return int(v.state.genesis.Cosigners) }

// TreeSize is the number of journal leaves so far.
func (v *View) TreeSize() uint64 { return v.state.edge.Size() }

// Root is the journal's root so far.
func (v *View) Root() tlog.Hash { return v.state.edge.Root() }

// Edge is the journal's right edge.
func (v *View) Edge() proof.Edge { return v.state.edge }

// Cut is the newest cut; its number is 0 before the first.
func (v *View) Cut() Cut {
	if n := len(v.state.cuts); n > 0 {
		return v.state.cuts[n-1]
	}
	return Cut{}
}

// CutNumbered finds one of the newest cuts.
func (v *View) CutNumbered(n uint64) (Cut, bool) { return v.state.cutNumbered(n) }

// Final is the newest cut that the log knows to be cosigned by k nodes.
func (v *View) Final() Cut { return v.state.final }

// Alarms are the replicated alarms; while there is one, no node cosigns.
func (v *View) Alarms() []string { return v.state.alarms }

// Dirty reports whether a cut is wanted.
func (v *View) Dirty() bool { return v.state.wantsCut() }

// DueNow reports whether something waits at a height that is reached.
func (v *View) DueNow() bool { return v.state.dueNow() }

// NextDue is the height of the next due item, if there is one.
func (v *View) NextDue() (uint64, bool) { return v.state.nextDue() }

// Commands is the number of commands ever applied.
func (v *View) Commands() uint64 { return v.state.commands }

// OutcomeChain binds all outcomes so far.
func (v *View) OutcomeChain() [32]byte { return v.state.chain }

// Digest is SHA-256 over the state image, computed at every call.
func (v *View) Digest() [32]byte { return v.state.digest() }

// Conserved walks the whole ledger and asks whether every asset sums to zero.
func (v *View) Conserved() error { return v.state.ledger.Conserved() }

// Oracle is the oracle floor's state.
func (v *View) Oracle() *oracle.State { return v.state.oracle }

// Ledger is the treasury floor's ledger.
func (v *View) Ledger() *treasury.Ledger { return v.state.ledger }

// Book is the treasury floor's book.
func (v *View) Book() *treasury.Book { return v.state.book }

// Keys is the key table.
func (v *View) Keys() *Keys { return &Keys{v.state.keys} }

// Key finds a key by id.
func (v *View) Key(id KeyID) (*Key, bool) { return v.state.keys.Get(string(id[:])) }

// AscendKeys yields the keys above an id in order.
func (v *View) AscendKeys(after KeyID, yield func(*Key) bool) {
	v.state.keys.Ascend(string(after[:]), func(id string, k *Key) bool {
		return id == string(after[:]) || yield(k)
	})
}

// Principal finds a principal by name.
func (v *View) Principal(name string) (Principal, bool) { return v.state.principals.Get(name) }

// Principals yields the principals above a name in order.
func (v *View) Principals(after string, yield func(Principal) bool) {
	v.state.principals.Ascend(after, func(name string, p Principal) bool {
		return name == after || yield(p)
	})
}

// LiveKeys counts the keys with which a principal can sign now.
func (v *View) LiveKeys(principal, role string) int { return v.state.liveKeys(principal, role) }

// Lane is the last nonce of a key's lane, 0 when it was never used.
func (v *View) Lane(id KeyID, lane string) uint64 {
	last, _ := v.state.lanes.Get(laneKey(id, lane))
	return last
}

// Lanes yields a key's used lanes above a name in order.
func (v *View) Lanes(id KeyID, after string, yield func(lane string, lastNonce uint64) bool) {
	prefix := string(id[:])
	v.state.lanes.Ascend(prefix+after, func(key string, nonce uint64) bool {
		lane, mine := strings.CutPrefix(key, prefix)
		return mine && (after != "" && lane == after || yield(lane, nonce))
	})
}

// Receivables yields the unfunded settlements of a payer, oldest first.
func (v *View) Receivables(payer string, yield func(market string, settlement uint64) bool) {
	prefix := payer + "\x00"
	v.state.receivables.Ascend(prefix, func(key string, r receivable) bool {
		return strings.HasPrefix(key, prefix) && yield(r.market, r.settlement)
	})
}

// Check asks of a command everything that depends on state and consumes
// nothing: what Apply would refuse before the nonce. Signatures count by their
// marks; one without a mark is verified here.
func (v *View) Check(c *Command) *Refusal { return v.state.check(c) }

// owedDigest is the digest of the frozen state, for a snapshot's header.
func (v *View) owedDigest() [32]byte {
	if v.digest != nil {
		return *v.digest
	}
	return v.frozen.Digest()
}
