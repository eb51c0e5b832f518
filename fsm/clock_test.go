package fsm

import (
	"math"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// stated makes the statements of the nodes 0, 1, ... for the next tick.
func (r *rig) stated(times ...int64) []Statement {
	var out []Statement
	for i, at := range times {
		out = append(out, r.statement(uint8(i), r.m.state.clock.tick+1, at))
	}
	return out
}

func (r *rig) statement(node uint8, tick uint64, at int64) Statement {
	st := Statement{Node: node, At: at}
	copy(st.Sig[:], ed25519.Sign(r.node[node], StatementMessage(r.genesis.Cluster, eraZero, tick, at)))
	return st
}

func (r *rig) clockIs(now int64, height uint64) {
	r.t.Helper()
	if c := r.m.state.clock; c.now != now || c.height != height {
		r.t.Fatalf("now is %+d ms and height %d, want %+d and %d", c.now-rigStart, c.height, now-rigStart, height)
	}
}

// A leader's clock moves time at most the allowance ahead of the committee's, and
// never back.
func TestLeadersClockIsBounded(t *testing.T) {
	const day = 24 * 3_600_000
	r := newRig(t)
	r.apply(&Entry{At: rigStart + 5_000, Statements: r.stated(rigStart+4_000, rigStart+5_000, rigStart+6_000)})
	r.clockIs(rigStart+5_000, 5)
	r.apply(&Entry{At: rigStart + day})
	r.clockIs(rigStart+17_000, 17)
	r.apply(&Entry{At: rigStart + 2*day})
	r.clockIs(rigStart+17_000, 17)
	r.apply(&Entry{At: 1})
	r.clockIs(rigStart+17_000, 17)
	r.apply(&Entry{At: rigStart - day, Statements: r.stated(rigStart+18_000, rigStart+18_500, rigStart+day)})
	r.clockIs(rigStart+18_500, 18)
	r.apply(&Entry{At: rigStart + 19_200})
	r.clockIs(rigStart+19_200, 19) // the half second was kept
}

// One liar among three moves nothing beyond the honest two, wherever he says it is.
func TestOneLiarAmongThree(t *testing.T) {
	for _, lie := range []int64{1, rigStart, maxStatedMs} {
		r := newRig(t)
		r.apply(&Entry{At: rigStart + 5_000, Statements: r.stated(lie, rigStart+4_000, rigStart+5_000)})
		if now := r.m.state.clock.now; now < rigStart+4_000 || now > rigStart+5_000+12_000 {
			t.Errorf("a clock of %d: now is %+d ms", lie, now-rigStart)
		}
	}
}

// A cluster that starts years after its genesis was made, or stands still for
// that long, loses no window.
func TestYearsSpendFifteenSeconds(t *testing.T) {
	const years = 30 * 365 * 24 * 3_600_000
	r := newRig(t)
	r.apply(&Entry{At: rigStart + years, Statements: r.stated(rigStart+years, rigStart+years)})
	r.clockIs(rigStart+years, 15)
	r.apply(&Entry{At: rigStart + 2*years, Statements: r.stated(rigStart+2*years, rigStart+2*years)})
	r.clockIs(rigStart+2*years, 30)
}

// The ends of what can be stated overflow nothing: time stops there.
func TestEndOfTime(t *testing.T) {
	r := newRig(t, func(g *genesis.Genesis) { g.CreatedAt = 1 << 50 })
	r.now = maxStatedMs
	r.apply(&Entry{At: maxStatedMs, Statements: r.stated(maxStatedMs, maxStatedMs)})
	if now := r.m.state.clock.now; now != maxStatedMs {
		t.Fatalf("now is %d", now)
	}
	b := r.reading("m-1", 1, math.MaxInt64)
	b.IssuedAt, b.ExpiresAt, b.Lane = maxStatedMs, math.MaxInt64, "0"
	r.refused(Expired, r.sign("sunny", b))
	b = r.reading("m-1", 1, math.MinInt64)
	b.IssuedAt, b.ExpiresAt, b.Lane = math.MinInt64, maxStatedMs, "1"
	r.refused(Expired, r.sign("sunny", b))
	r.must(r.threshold(&RegisterMeters{Market: "energy", Meters: []MeterRow{
		{Meter: "m-1", Provider: "sunny", Payer: "city", Capacity: math.MaxUint64, IntervalMs: 1, Decimals: 9},
	}}))
	for i, at := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		b = r.reading("m-1", 1, at)
		b.IssuedAt, b.ExpiresAt = maxStatedMs, maxStatedMs
		if o := r.send(r.sign("sunny", b))[0]; o.Refusal == nil || o.Refusal.Code == MalformedPayload {
			t.Errorf("case %d: %v", i, o.Refusal)
		}
	}
	r.must(r.sign("sunny", r.reading("m-1", 0, maxStatedMs-1_000)), r.sign("sunny", r.reading("m-1", math.MaxUint64, maxStatedMs)))
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
}

// Statements count for one cluster and one tick, from a majority, each node once,
// in order, on an entry without commands.
func TestBadStatementsRefuseTheEntry(t *testing.T) {
	tests := map[string]func(r *rig) *Entry{
		"a minority": func(r *rig) *Entry { return &Entry{Statements: r.stated(r.now)} },
		"one twice": func(r *rig) *Entry {
			return &Entry{Statements: []Statement{r.statement(0, 2, r.now), r.statement(0, 2, r.now)}}
		},
		"out of order": func(r *rig) *Entry {
			return &Entry{Statements: []Statement{r.statement(1, 2, r.now), r.statement(0, 2, r.now)}}
		},
		"a stranger": func(r *rig) *Entry {
			s := r.stated(r.now, r.now)
			s[1].Node = 3
			return &Entry{Statements: s}
		},
		"of another's": func(r *rig) *Entry {
			s := r.stated(r.now, r.now)
			s[1].Node = 2
			return &Entry{Statements: s}
		},
		"of an old tick": func(r *rig) *Entry {
			return &Entry{Statements: []Statement{r.statement(0, 1, r.now), r.statement(1, 1, r.now)}}
		},
		"of a tick to come": func(r *rig) *Entry {
			return &Entry{Statements: []Statement{r.statement(0, 3, r.now), r.statement(1, 3, r.now)}}
		},
		"changed": func(r *rig) *Entry {
			s := r.stated(r.now, r.now)
			s[0].At++
			return &Entry{Statements: s}
		},
		"no time":  func(r *rig) *Entry { return &Entry{Statements: r.stated(0, r.now)} },
		"too late": func(r *rig) *Entry { return &Entry{Statements: r.stated(r.now, maxStatedMs+1)} },
		"with a command": func(r *rig) *Entry {
			return &Entry{Statements: r.stated(r.now, r.now), Commands: []*Command{r.sign("ada", &RevokeKey{})}}
		},
		"a leader before all time": func(*rig) *Entry { return &Entry{At: -1} },
		"a leader after all time":  func(*rig) *Entry { return &Entry{At: math.MaxInt64} },
	}
	for name, entry := range tests {
		r := newRig(t)
		r.tick()
		before := r.m.state.clock
		if result := r.apply(entry(r)); !result.Refused || r.m.state.clock != before || result.Leaves[0][1] != entryBadStatements {
			t.Errorf("%s: refused %v, clock %+v", name, result.Refused, r.m.state.clock)
		}
	}
}
