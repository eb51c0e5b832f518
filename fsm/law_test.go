package fsm

import (
	"fmt"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// A random history of commands, good and bad, keeps every law: assets sum to
// zero, nonces rise, replay on fresh machines gives the same state, and what a
// meter was credited is the last register minus the first, whatever was
// rejected, expired or sent twice.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := world(t)
		var sent []*Command
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			c := r.anyCommand(rt, sent)
			switch {
			case c == nil:
				r.now += int64(rapid.IntRange(0, 4_000).Draw(rt, "ms"))
				r.tick()
			default:
				sent = append(sent, c)
				r.send(c)
			}
			if err := r.m.View().Conserved(); err != nil {
				rt.Fatal(err)
			}
		}
		r.pass(20)
		view := r.m.View()
		for _, procs := range []int{1, 8} {
			old := runtime.GOMAXPROCS(procs)
			again := r.replay().View()
			runtime.GOMAXPROCS(old)
			if again.Digest() != view.Digest() || again.Root() != view.Root() || again.OutcomeChain() != view.OutcomeChain() {
				rt.Fatalf("replay on %d processors is another state", procs)
			}
		}
		r.checkCredits(rt)
		if err := r.m.state.consistent(); err != nil {
			rt.Fatal(err)
		}
		if len(view.Alarms()) > 0 {
			rt.Fatalf("alarms %v", view.Alarms())
		}
	})
}

// anyCommand draws one command, or nil for a tick.
func (r *rig) anyCommand(t *rapid.T, sent []*Command) *Command {
	last := r.m.state.oracle.LastNumber("energy")
	kinds := []string{"tick", "reading", "reading", "reading", "attest", "attest", "resend", "deposit", "weight", "treasury", "treasury", "treasury"}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "reading":
		meter := rapid.SampledFrom([]string{"m-1", "m-2"}).Draw(t, "meter")
		who := map[string]string{"m-1": "sunny", "m-2": "windy"}[meter]
		register := rapid.Uint64Range(0, 30_000).Draw(t, "register")
		ago := int64(rapid.IntRange(0, 20).Draw(t, "hours ago")) * 3_600_000
		b := r.reading(meter, register, r.now-ago)
		b.Lane = rapid.SampledFrom([]string{"", "0", "7"}).Draw(t, "lane")
		return r.sign(who, b)
	case "attest":
		if last == 0 {
			return nil
		}
		from := rapid.Uint64Range(1, last).Draw(t, "from")
		to := rapid.Uint64Range(from, last).Draw(t, "to")
		b := r.attestation(from, to)
		if rapid.IntRange(0, 3).Draw(t, "reject") == 0 {
			b.Rejects = []uint64{to}
		}
		return r.sign(rapid.SampledFrom([]string{"oracle-a", "oracle-b", "oracle-c"}).Draw(t, "oracle"), b)
	case "resend":
		if len(sent) == 0 {
			return nil
		}
		return rapid.SampledFrom(sent).Draw(t, "again")
	case "deposit":
		return r.threshold(&Deposit{
			Account: rapid.SampledFrom([]string{"payer/city", "payer/village", "treasury", "external/BLOCK", "nobody"}).Draw(t, "account"),
			Asset:   "BLOCK", Amount: amount(rapid.Uint64Range(0, 500).Draw(t, "amount")),
			Reference: fmt.Sprint("ref ", rapid.IntRange(0, 5).Draw(t, "reference")),
		})
	case "treasury":
		return r.anyTreasury(t)
	case "weight":
		weight := rapid.Uint64Range(1, 20).Draw(t, "weight")
		return r.threshold(&SetOracleWeight{OracleWeight: genesis.OracleWeight{Market: "energy", Oracle: "oracle-b", Weight: weight}})
	}
	return nil
}

// checkCredits adds up every meter's settlements in the journal by hand.
func (r *rig) checkCredits(t *rapid.T) {
	m, credited, base, seen := r.fresh(), map[string]uint64{}, map[string]uint64{}, map[uint64]bool{}
	for _, raw := range r.log {
		e, err := DecodeEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, receipt := range m.Apply(raw, e).Receipts {
			switch b := receipt.Body.(type) {
			case *SettlementReceipt:
				if !seen[b.Settlement] { // a receivable gets a second receipt once it is funded
					seen[b.Settlement] = true
					credited[b.Meter] += b.Delta
				}
			case *ReadingReceipt:
				if b.Status == "baseline" {
					base[b.Meter] = b.Register
				}
			}
		}
	}
	for meter, sum := range credited {
		now, _ := r.m.state.oracle.Meter(meter)
		if now.BaseRegister-base[meter] != sum {
			t.Fatalf("meter %s was credited %d, its register went from %d to %d", meter, sum, base[meter], now.BaseRegister)
		}
	}
}
