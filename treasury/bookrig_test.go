package treasury

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// committee is a book and a ledger with a funded treasury, three operators of equal
// weight of whom two pass a vote, and a clock. Windows are one epoch of ten heights.
type committee struct {
	t     testing.TB
	b     *Book
	l     *Ledger
	c     Clock
	steps []Step
	moved []Moved
}

var demo = Params{
	EpochBlocks: 10, GraceEpochs: 5,
	Brackets: []Bracket{{Terms: Terms{Quorum: []Floor{{"operators", 600_000}}, VoteEpochs: 1, TimelockEpochs: 1, RollbackEpochs: 1}}},
}

var operators = House{"operators", []Member{{"ann", 1}, {"ben", 1}, {"cat", 1}}}

func found(t testing.TB, funds uint64, change ...func(*Params)) *committee {
	p := demo
	for _, f := range change {
		f(&p)
	}
	b, r := NewBook(p, []House{operators})
	if r != nil {
		t.Fatal(r)
	}
	m := &committee{t: t, b: b, l: NewLedger(), c: Clock{Now: 1_764_000_000_000}}
	for _, id := range []AccountID{External(Asset), Treasury, TreasuryReserved, TreasuryHeld, Leaving, Provider("sun"), ProviderHeld("sun"), Payer("grid")} {
		m.l.Open(id, Asset)
	}
	m.fund(funds)
	return m
}

func (m *committee) fund(amount uint64) {
	if amount > 0 {
		m.l.Post([]Leg{{External(Asset), Treasury, units(amount)}})
		m.b.Accrue(m.c, units(amount))
	}
}

func idOf(name string) ID { return sha256.Sum256([]byte(name)) }

func pay(amount uint64, deps ...string) Body {
	b := Body{Title: "a payment", Destination: Provider("sun"), Amount: units(amount)}
	for _, d := range deps {
		b.Deps = append(b.Deps, idOf(d))
	}
	return b
}

// did takes the effects of an operation that must succeed.
func (m *committee) did(fx []Effect, r *Refusal) {
	m.t.Helper()
	if r != nil {
		m.t.Fatal(r)
	}
	for _, f := range fx {
		switch f := f.(type) {
		case Step:
			m.steps = append(m.steps, f)
		case Moved:
			m.moved = append(m.moved, f)
		}
	}
	if err := m.b.Balanced(m.l); err != nil {
		m.t.Fatal(err)
	}
}

// tick lets the executor work until nothing is due.
func (m *committee) tick() (ticks int) {
	m.t.Helper()
	for {
		fx, _ := m.b.Tick(m.l, m.c, 500)
		m.did(fx, nil)
		ticks++
		if !m.b.DueNow() {
			return ticks
		}
	}
}

// pass lets heights go by one by one.
func (m *committee) pass(blocks int) {
	m.t.Helper()
	for range blocks {
		m.c.Height++
		m.c.Now += 1_000
		m.b.Advance(1)
		m.tick()
	}
}

func (m *committee) propose(name string, body Body) ID {
	m.t.Helper()
	id := idOf(name)
	m.did(m.b.Propose(m.c, "ann", id, body))
	return id
}

func (m *committee) open(name string) {
	m.t.Helper()
	m.did(m.b.Open(m.c, "ann", idOf(name)))
}

func (m *committee) vote(name, who string, approve bool) {
	m.t.Helper()
	d, _ := m.b.Get(idOf(name))
	m.did(m.b.Vote(m.c, who, d.ID, d.Content, approve))
	m.tick()
}

// decide proposes, opens and passes a disbursement.
func (m *committee) decide(name string, body Body) {
	m.t.Helper()
	m.propose(name, body)
	m.open(name)
	m.vote(name, "ann", true)
	m.vote(name, "ben", true)
}

func (m *committee) get(name string) *Disbursement {
	m.t.Helper()
	d, ok := m.b.Get(idOf(name))
	if !ok {
		m.t.Fatalf("no disbursement %s", name)
	}
	return d
}

func (m *committee) is(name string, want Status) {
	m.t.Helper()
	if got := m.get(name); got.Status != want {
		m.t.Fatalf("%s is %s, want %s (%v)", name, got.Status, want, got.Failure)
	}
}

func (m *committee) refused(r *Refusal, want string) {
	m.t.Helper()
	got := "accepted"
	if r != nil {
		got = string(r.Code)
		for _, f := range r.Fields {
			if f.Name == "reason" || f.Name == "limit" || f.Name == "current" || f.Name == "kind" {
				got += " " + f.Value
			}
		}
	}
	if got != want {
		m.t.Errorf("got %q, want %q", got, want)
	}
}

func (m *committee) balance(id AccountID) string {
	a, _ := m.l.Account(id)
	v, _ := a.Balance()
	return v.String()
}

func (m *committee) holds(want map[AccountID]uint64) {
	m.t.Helper()
	for id, v := range want {
		if got := m.balance(id); got != fmt.Sprint(v) {
			m.t.Errorf("%s has %s, want %d", id, got, v)
		}
	}
}

// story is the steps of one disbursement.
func (m *committee) story(name string) (out []string) {
	for _, s := range m.steps {
		if s.ID == idOf(name) {
			out = append(out, fmt.Sprintf("%s %s", s.Action, s.Status))
		}
	}
	return out
}

// sound asks everything that must hold at any time, and restores the image.
func (m *committee) sound() {
	m.t.Helper()
	if err := m.l.Conserved(); err != nil {
		m.t.Fatal(err)
	}
	if err := m.b.Consistent(m.l); err != nil {
		m.t.Fatal(err)
	}
	again := restored(m.t, m.b)
	if err := again.Consistent(m.l); err != nil {
		m.t.Fatal(err)
	}
	if bookRows(again) != bookRows(m.b) {
		m.t.Fatal("the image is another after loading")
	}
	for _, s := range Statuses() {
		n, sum := m.b.Count(s)
		if n2, sum2 := again.Count(s); n != n2 || sum != sum2 {
			m.t.Fatalf("%s: %d and %v, after loading %d and %v", s, n, sum, n2, sum2)
		}
	}
	due, ok := m.b.NextDue()
	if due2, ok2 := again.NextDue(); due != due2 || ok != ok2 {
		m.t.Fatalf("due at %d, after loading at %d", due, due2)
	}
}

func restored(t testing.TB, b *Book) *Book {
	out := RestoredBook()
	b.Image(func(row []byte) {
		if err := out.Load(row); err != nil {
			t.Fatal(err)
		}
	})
	return out
}

func bookRows(b *Book) string {
	var out strings.Builder
	b.Image(func(row []byte) { fmt.Fprintf(&out, "%x\n", row) })
	return out.String()
}
