package transport_test

import (
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport"
	"github.com/tallyvault/tallyvault/transport/api"
)

// waitingStory is a cluster in which things wait long enough to be looked at.
type waitingStory struct {
	*story
	nonces map[string]uint64
}

// TestExplain tells what a reading, its tally and its settlement wait for, from the
// reading's first moment until its money is held.
func TestExplain(t *testing.T) {
	c := startWith(t, nil, func(g *genesis.Genesis) {
		m := &g.Markets[0]
		m.ExpiryBlocks, m.DisputeWindowBlocks, m.QuorumThresholdPpm = 3_600, 3*24*3_600, 650_000
		m.UnitPrice, m.FeeBps = 1_000, 100
	})
	s := &waitingStory{&story{threeNodes: c, web: insecure(t)}, map[string]uint64{}}
	t.Run("names", s.names)
	t.Run("readings", s.readings)
	t.Run("settlements", s.settlements)
	t.Run("statement", s.statement)
	t.Run("walks", s.walks)
	t.Run("commands", s.commands)
}

// vote signs and submits one oracle's vote on one reading.
func (s *waitingStory) vote(t *testing.T, who string, number uint64, accept bool) {
	t.Helper()
	var id oracle.Identity
	s.Until(fmt.Sprintf("reading %d being known to the first node", number), func() (ok bool) {
		id, ok = s.Nodes[0].Cluster.View().Oracle().Identity(energy, number)
		return ok
	})
	attest := &fsm.Attest{Market: energy, Ranges: []fsm.AttestedRange{{From: number, To: number, Hash: oracle.RangeHash([]oracle.Identity{id})}}}
	if !accept {
		attest.Rejects = []uint64{number}
	}
	s.nonces[who]++
	e, err := s.Signer(who).Build(attest, "0", s.nonces[who], time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client("").Submit(s.Context(), e); err != nil {
		t.Fatalf("%s attests to %d: %v", who, number, err)
	}
}

func (s *waitingStory) send(t *testing.T, register uint64, at time.Time) envelope.Envelope {
	t.Helper()
	e := s.Reading(s.next(), register, at)
	if _, err := s.Client("").Submit(s.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// explained asks the first node and demands a status and words.
func (s *waitingStory) explained(t *testing.T, id, status, words string) api.Explanation {
	t.Helper()
	var e api.Explanation
	s.get(t, "/v1/explain/"+id, nil, &e)
	if e.Status != status || !regexp.MustCompile(words).MatchString(e.Sentence) {
		t.Errorf("%s is %q: %s\nwant %q and %s", id, e.Status, e.Sentence, status, words)
	}
	return e
}

// names: what is no name, and names of nothing.
func (s *waitingStory) names(t *testing.T) {
	s.Threshold(&fsm.RegisterMeters{Market: energy, Meters: []fsm.MeterRow{
		{Meter: meterA, Provider: "sunny", Payer: "city", Capacity: 1_000_000, IntervalMs: 1_800_000, Decimals: 3},
		{Meter: "windy", Provider: "windy", Payer: "city", Capacity: 1_000_000, IntervalMs: 1_800_000, Decimals: 3},
	}})
	for _, c := range []struct {
		id, code, detail string
	}{
		{"nobody", "NotFound", "kind object, id nobody"},
		{"energy/1", "NotFound", "kind reading"},
		{"energy/99999999999999999999", "NotFound", "kind reading"},
		{"water/1", "NotFound", "kind market"},
		{"settlement/energy/7", "NotFound", "kind settlement"},
		{"tally/energy/7", "NotFound", "kind reading"},
		{"settlement/energy", "MalformedPayload", "want MARKET/NUMBER"},
		{"settlement/energy/x", "MalformedPayload", "want MARKET/NUMBER"},
		{"planet/mars", "MalformedPayload", "no kind \"planet\" of object: want one of command, disbursement"},
		{"command/12", "MalformedPayload", "field id"},
		{strings.Repeat("ab", 32), "NotFound", "sending the same bytes again is safe"},
		{"windy", "MalformedPayload", "say meter/windy or provider/windy"},
		{strings.Repeat("a", 200), "MalformedPayload", "length"},
		{"meter/", "NotFound", "kind meter"},
	} {
		err := s.Client("ada", 0).Get(s.Context(), "/v1/explain/"+c.id, nil, &api.Explanation{})
		if err == nil || !strings.Contains(err.Error(), c.code) || !strings.Contains(err.Error(), c.detail) {
			t.Errorf("%s: %v; want %s and %q", c.id, err, c.code, c.detail)
		}
	}
	s.explained(t, meterA, "idle", `^Meter meter-a of provider sunny, paid by city in market energy, has no baseline yet: .* and waits for a reading by sunny\.$`)
	s.explained(t, "meter/windy", "idle", `^Meter windy of provider windy`)
	s.explained(t, "provider/windy", "active", `^Provider windy is active; 0 BLOCK available, 0 held`)
	// A slash may be encoded.
	s.explained(t, "meter%2Fwindy", "idle", `^Meter windy`)
}

// readings: one that collects votes, one that waits behind it, and how they close.
func (s *waitingStory) readings(t *testing.T) {
	s.send(t, 1_000, base)
	s.send(t, 3_500, base.Add(time.Hour))
	e := s.explained(t, "energy/1", "pending", `^Reading energy/1 of meter-a waits for weight 650,000 ppm of electorate [0-9]+: accepted 0, missing oracle-a, oracle-b, oracle-c; expires in 3,[56][0-9]{2} blocks, about 60 min, QuorumFailed then\.$`)
	if len(e.Waits) != 1 || e.Waits[0].For != api.WaitQuorum || fmt.Sprint(e.Waits[0].Who) != "[oracle/oracle-a oracle/oracle-b oracle/oracle-c]" ||
		e.Waits[0].Need != "20" || e.Waits[0].Have != "0" || e.Waits[0].Short != "20" || e.Reading == nil || e.Final {
		t.Errorf("%+v", e)
	}
	s.vote(t, "oracle-a", 1, true)
	s.vote(t, "oracle-b", 1, false)
	s.explained(t, "reading/energy/1", "pending", `accepted 333,333, rejected 333,333, missing oracle-c; expires`)
	e = s.explained(t, "tally/energy/1", "open", `^The tally of reading energy/1 waits for weight`)
	var sheet []string
	for _, m := range e.Tally.Members {
		sheet = append(sheet, fmt.Sprint(m.Oracle, " ", m.Weight, " ", m.Vote))
	}
	if got := strings.Join(sheet, ", "); got != "oracle-a 10 accept, oracle-b 10 reject, oracle-c 10 missing" || e.Tally.Required != 20 {
		t.Errorf("the tally is %s: %+v", got, e.Tally)
	}
	for _, who := range []string{"oracle-a", "oracle-b", "oracle-c"} {
		s.vote(t, who, 2, true)
	}
	e = s.explained(t, "energy/2", "accepted", `^Reading energy/2 of meter-a has its quorum and waits behind 1 earlier open reading of its meter, .*: first reading energy/1, which waits for weight 650,000 ppm .* missing oracle-c; expires`)
	if len(e.Waits) != 1 || e.Waits[0].Object != "reading/energy/1" || fmt.Sprint(e.Waits[0].Who) != "[oracle/oracle-c]" || e.Waits[0].Until == nil {
		t.Errorf("%+v", e.Waits)
	}
	s.explained(t, "tally/energy/2", "closed", `reached its quorum: weight 20 of 30 accepted it, 20 were needed`)
	s.explained(t, meterA, "open", `has no baseline yet: .* and has 2 open readings: reading energy/1 of meter-a waits for weight`)
	// The missing vote decides: the first is outvoted, the one behind becomes the baseline.
	s.vote(t, "oracle-c", 1, false)
	s.explained(t, "energy/1", "rejected", `^Reading energy/1 of meter-a is rejected \(outvoted by its oracles\) and credits nothing`)
	s.explained(t, "energy/2", "baseline", `^Reading energy/2 of meter-a is its meter's baseline`)
	s.explained(t, "tally/energy/1", "rejected", `^The tally of reading energy/1 is over\. Reading energy/1`)
	s.Until("the finality of reading 1", func() bool {
		var e api.Explanation
		s.get(t, "/v1/explain/energy/1", nil, &e)
		return len(e.Waits) == 0 && strings.HasSuffix(e.Sentence, "; final.")
	})
	s.explained(t, meterA, "overdue", `is settled up to register 3\.500 kWh and waits for a reading by sunny, expected .* ago`)
}

// settlements: two that nobody can pay, and what a deposit changes.
func (s *waitingStory) settlements(t *testing.T) {
	for i, register := range []uint64{6_000, 8_000} {
		s.send(t, register, base.Add(time.Duration(i+2)*time.Hour))
		for _, who := range []string{"oracle-a", "oracle-b", "oracle-c"} {
			s.vote(t, who, uint64(i+3), true)
		}
	}
	s.explained(t, "energy/3", "settled", `^Reading energy/3 of meter-a is settled by settlement/energy/1: 2,500 BLOCK gross, 25 of it fee`)
	e := s.explained(t, "settlement/energy/1", "receivable", `^Settlement energy/1 of meter-a, 2,475 BLOCK net to sunny and 25 fee, is receivable because payer city is unfunded: short by 2,500 BLOCK; a deposit to payer/city, signed by 2 admins, ends that`)
	w := e.Waits[0]
	if w.For != api.WaitFunds || w.Need != "2500" || w.Have != "0" || w.Short != "2500" || w.Unit != "BLOCK" || fmt.Sprint(w.Who) != "[admin/alice admin/bob admin/carol]" || w.Until != nil {
		t.Errorf("%+v", w)
	}
	s.explained(t, "settlement/energy/2", "receivable", `short by 4,500 BLOCK, 1 settlement before it included`)
	s.Threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 3_000}, Reference: "bank 1"})
	s.Until("the payment of settlement 1", func() bool {
		var e api.Explanation
		s.get(t, "/v1/explain/settlement/energy/1", nil, &e)
		return e.Status == "held"
	})
	e = s.explained(t, "settlement/energy/1", "held", `is held until height [0-9]+ \(in 259,[0-9]{3} blocks, about 3 days\), because the dispute window must end first; nobody has to act`)
	if w := e.Waits[0]; w.For != api.WaitWindow || w.Until == nil || *w.AboutMs < 250_000_000 || len(w.Who) != 0 {
		t.Errorf("%+v", w)
	}
	e = s.explained(t, "settlement/energy/2", "receivable", `short by 1,500 BLOCK; `)
	if !slices.Contains(e.Related, "reading/energy/4") || !slices.Contains(e.Related, "provider/sunny") {
		t.Errorf("related: %v", e.Related)
	}
}

// statement: totals add up against the accounts, lines come in pages.
func (s *waitingStory) statement(t *testing.T) {
	var all api.Statement
	s.get(t, "/v1/providers/sunny/statement", nil, &all)
	addsUp(t, all)
	want := api.StatementTotals{Credited: "2475", Released: "0", Held: "2475", Receivable: "1980", Available: "0", PaidOut: "0"}
	if all.Totals != want || all.Asset != "BLOCK" || len(all.Lines) != 2 || all.Lines[0].Status != "held" || all.Lines[1].Status != "receivable" {
		t.Errorf("%+v", all)
	}
	if m := all.Markets[0]; len(all.Markets) != 1 || len(m.Due) != 1 || m.Due[0].Amount != "2475" || m.NextRelease == nil ||
		m.Due[0].Date != time.UnixMilli(m.Due[0].At).UTC().Format(time.DateOnly) || m.Due[0].At < all.Now+2*24*3_600_000 {
		t.Errorf("%+v", all.Markets)
	}
	var first, second api.Statement
	s.get(t, "/v1/providers/sunny/statement", url.Values{"limit": {"1"}}, &first)
	s.get(t, "/v1/providers/sunny/statement", url.Values{"limit": {"1"}, "after": {first.Next}}, &second)
	if first.Next != "energy/1" || second.Next != "" || len(first.Lines) != 1 || len(second.Lines) != 1 ||
		second.Lines[0].Number != 2 || second.Totals != all.Totals {
		t.Errorf("page by page: %+v, then %+v", first, second)
	}
	var windy api.Statement
	s.get(t, "/v1/providers/windy/statement", nil, &windy)
	addsUp(t, windy)
	if len(windy.Lines) != 0 || len(windy.Markets) != 0 {
		t.Errorf("of another provider: %+v", windy)
	}
	for path, code := range map[string]string{
		"/v1/providers/nobody/statement":            "NotFound",
		"/v1/providers/sunny/statement?after=x":     "MalformedPayload",
		"/v1/providers/sunny/statement?after=en/0":  "MalformedPayload",
		"/v1/providers/sunny/statement?limit=10000": "MalformedPayload",
	} {
		if err := s.Client("ada", 0).Get(s.Context(), path, nil, &windy); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v, want %s", path, err, code)
		}
	}
}

// walks: what looks at more than it answers with draws for that, too.
func (s *waitingStory) walks(t *testing.T) {
	for _, path := range []string{
		"/v1/providers/sunny/statement", "/v1/explain/provider/sunny", "/v1/explain/settlement/energy/2", "/v1/digest",
	} {
		s.dear(t, path)
	}
}

// dear asks a door with little left for anybody: twice is too much, and what is cheap
// is answered still.
func (s *story) dear(t *testing.T, path string) {
	t.Helper()
	limits := transport.Limits{ChecksPerSecond: 0.01, ChecksBurst: 1024}
	u := s.another(t, transport.Config{Limits: limits}, func(d *transport.Door) { d.DearRows(256) }).url
	for i, get := range []string{path, path, "/v1/markets"} {
		response, text := s.do(t, "GET", u+get, s.token(t, "ada"), nil)
		if want := []int{200, 429, 200}[i]; response.StatusCode != want {
			t.Errorf("%s, request %d, for %s: %d %.300s", path, i, get, response.StatusCode, text)
		}
	}
}

// addsUp holds a whole statement against the accounts in it and its own lines.
func addsUp(t *testing.T, s api.Statement) {
	t.Helper()
	amount := func(text string) *big.Int {
		n, ok := new(big.Int).SetString(text, 10)
		if !ok {
			t.Fatalf("%q is no amount", text)
		}
		return n
	}
	sum := func(texts ...string) string {
		total := new(big.Int)
		for _, text := range texts {
			total.Add(total, amount(text))
		}
		return total.String()
	}
	lines := map[string]string{"held": "0", "receivable": "0"}
	for _, line := range s.Lines {
		lines[line.Status] = sum(lines[line.Status], line.Net)
	}
	held, receivable, due := "0", "0", "0"
	for _, m := range s.Markets {
		held, receivable = sum(held, m.Held), sum(receivable, m.Receivable)
		for _, d := range m.Due {
			due = sum(due, d.Amount)
		}
	}
	own, locked := s.Accounts[0], s.Accounts[1]
	for what, pair := range map[string][2]string{
		"credited = released + held":                {s.Totals.Credited, sum(s.Totals.Released, s.Totals.Held)},
		"released = available + paid out":           {s.Totals.Released, sum(s.Totals.Available, s.Totals.PaidOut)},
		"credited = credits of the held account":    {s.Totals.Credited, locked.Credits},
		"held = balance of the held account":        {s.Totals.Held, locked.Balance},
		"available = balance of the account":        {s.Totals.Available, own.Balance},
		"held = lines that are held":                {s.Totals.Held, lines["held"]},
		"held = sum over markets":                   {s.Totals.Held, held},
		"held = sum over days":                      {s.Totals.Held, due},
		"receivable = lines that are receivable":    {s.Totals.Receivable, lines["receivable"]},
		"receivable = sum over markets":             {s.Totals.Receivable, receivable},
		"the accounts are the provider's in order":  {own.Account + " " + locked.Account, "provider/" + s.Provider + " provider/" + s.Provider + "/held"},
		"the page holds all lines and nothing else": {s.Next, ""},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %s is not %s", what, pair[0], pair[1])
		}
	}
}

// commands: one that submitted a reading, one that was refused, one of a committee.
func (s *waitingStory) commands(t *testing.T) {
	good := s.send(t, 9_000, base.Add(5*time.Hour))
	id := good.Identity()
	e := s.explained(t, id.String(), "accepted", `^Command submit_reading, logged at height [0-9]+, was accepted\. Reading energy/5 of meter-a waits for weight`)
	if len(e.Waits) != 1 || e.Outcome == nil || e.Related[0] != "reading/energy/5" {
		t.Errorf("%+v", e)
	}
	again := s.Reading(s.next(), 9_001, base.Add(5*time.Hour))
	if _, err := s.Client("").Submit(s.Context(), again); err == nil {
		t.Fatal("two readings of one moment")
	}
	id = again.Identity()
	e = s.explained(t, "command/"+id.String(), "refused", `was refused with SettlementConflict: .*duplicate`)
	if e.Runbook != "runbooks/refusals.md#settlementconflict" {
		t.Errorf("runbook %q", e.Runbook)
	}
	o := s.Threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1_500}, Reference: "bank 2"})
	s.explained(t, o.ID, "accepted", `^Command deposit, logged at height [0-9]+, was accepted; `)
}
