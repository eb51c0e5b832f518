package treasury

import (
	"fmt"
	"testing"
)

func TestDependentWaits(t *testing.T) {
	m := found(t, 1_000)
	m.decide("b", pay(200, "a")) // a is not even proposed
	m.is("b", Queued)
	m.decide("a", pay(100))
	m.pass(19)
	m.is("a", Executed)
	m.is("b", Queued)
	before := bookRows(m.b)
	m.did(m.b.Queue(m.l, m.c, idOf("b"))) // there is nothing to try
	if bookRows(m.b) != before {
		t.Error("queue changed what it could not")
	}
	m.pass(1)
	m.is("a", Finalized)
	m.is("b", Timelocked)
	m.pass(20)
	m.is("b", Finalized)
	m.sound()
}

// The earliest dates are those that come true when everybody acts at once.
func TestEarliestDates(t *testing.T) {
	m := found(t, 1_000)
	dates := func(name string) (Dates, bool) {
		d, _ := m.b.Get(idOf(name))
		return m.b.Earliest(m.c, d)
	}
	m.decide("b", pay(200, "a"))
	if at, ok := dates("b"); ok {
		t.Errorf("b depends on what nobody proposed, and has %+v", at)
	}
	m.decide("a", pay(100))
	a, _ := dates("a")
	b, ok := dates("b")
	begun := m.b.Height()
	if want := (Dates{begun + 10, begun + 20}); !ok || a != want || b != (Dates{begun + 30, begun + 40}) {
		t.Errorf("a %+v, b %+v, %v", a, b, ok)
	}
	m.pass(10)
	m.is("a", Executed)
	if again, _ := dates("b"); again != b {
		t.Errorf("b %+v, was %+v", again, b)
	}
	m.pass(20)
	m.is("b", Executed)
	if again, _ := dates("b"); again.Finalized != b.Finalized {
		t.Errorf("b %+v, was %+v", again, b)
	}
	m.pass(10)
	m.is("b", Finalized)
	if at, ok := dates("b"); ok {
		t.Errorf("it has ended and has %+v", at)
	}
}

func TestDiamond(t *testing.T) {
	m := found(t, 1_000)
	m.decide("a", pay(1))
	m.decide("b", pay(1, "a"))
	m.decide("c", pay(1, "a"))
	m.decide("d", pay(1, "b", "c"))
	m.pass(20)
	m.is("b", Timelocked)
	m.is("c", Timelocked)
	m.is("d", Queued)
	m.pass(20)
	m.is("d", Timelocked)
	m.pass(20)
	m.is("d", Finalized)
	m.sound()
}

func TestHundredWide(t *testing.T) {
	m := found(t, 1_000)
	var names []string
	for i := range MaxDeps {
		name := fmt.Sprint("dep ", i)
		names = append(names, name)
		m.decide(name, pay(1))
	}
	m.decide("all", pay(1, names...))
	m.pass(19)
	m.is("all", Queued)
	m.pass(1)
	m.is("all", Timelocked)
	m.sound()
}

// A hundred dependents are cancelled in the order in which they were proposed, over
// several ticks when need be.
func TestCascade(t *testing.T) {
	m := found(t, 10_000)
	m.decide("a", pay(1))
	for i := range 100 {
		m.decide(fmt.Sprint("b", i), pay(1, "a"))
		m.decide(fmt.Sprint("c", i), pay(1, fmt.Sprint("b", i)))
	}
	m.propose("draft", pay(1, "a"))
	m.propose("voting", pay(1, "a"))
	m.open("voting")
	m.did(m.b.Veto(m.l, m.c, "ben", idOf("a"), "no"))
	ticks := 0
	for ; m.b.DueNow(); ticks++ {
		fx, used := m.b.Tick(m.l, m.c, 10)
		m.did(fx, nil)
		if used > 11 {
			t.Fatalf("one tick did %d items", used)
		}
		m.sound()
	}
	if ticks < 20 {
		t.Errorf("%d ticks", ticks)
	}
	last := uint64(0)
	for i := range 100 {
		m.is(fmt.Sprint("c", i), Cancelled)
		b := m.get(fmt.Sprint("b", i))
		if b.Status != Cancelled || b.Sequence < last {
			t.Fatalf("%+v", b)
		}
		last = b.Sequence
	}
	m.is("voting", Cancelled)
	m.is("draft", Draft) // can still be amended
	_, r := m.b.Open(m.c, "ann", idOf("draft"))
	m.refused(r, "StaleDependency cancelled")
	m.did(m.b.Amend(m.c, "ann", idOf("draft"), pay(1)))
	m.open("draft")
	m.sound()
}

func TestCycles(t *testing.T) {
	t.Run("of itself", func(t *testing.T) {
		m := found(t, 1_000)
		m.decide("a", pay(1, "a"))
		m.is("a", Cancelled)
		if f := m.get("a").Failure; f.Code != CircularDependency || f.Subject != idOf("a").String() {
			t.Errorf("%+v", f)
		}
		m.sound()
	})
	t.Run("by amendment", func(t *testing.T) {
		m := found(t, 1_000)
		m.propose("b", pay(1))
		m.decide("a", pay(1, "b"))
		m.is("a", Queued)
		m.did(m.b.Amend(m.c, "ann", idOf("b"), pay(1, "a")))
		m.open("b")
		m.vote("b", "ann", true)
		m.vote("b", "ben", true)
		m.is("b", Cancelled)
		if f := m.get("b").Failure; f.Code != CircularDependency || len(f.Cycle()) != 2 {
			t.Errorf("%+v", f)
		}
		m.is("a", Cancelled)
		if f := m.get("a").Failure; f.Code != StaleDependency || f.Subject != idOf("b").String() {
			t.Errorf("%+v", f)
		}
		m.holds(map[AccountID]uint64{Treasury: 1_000, TreasuryReserved: 0})
		m.sound()
	})
	t.Run("behind it", func(t *testing.T) {
		m := found(t, 1_000)
		m.propose("x", pay(1, "y"))
		m.propose("y", pay(1, "z", "free"))
		m.propose("z", pay(1, "x"))
		m.propose("free", pay(1))
		m.decide("a", pay(1, "free", "y"))
		f := m.get("a").Failure
		if f.Code != CircularDependency || len(f.Cycle()) != 3 {
			t.Fatalf("%+v", f)
		}
		// Whoever finds it names it alike.
		m.decide("b", pay(1, "z"))
		if other := m.get("b").Failure.Subject; other != f.Subject {
			t.Errorf("%s and %s", f.Subject, other)
		}
	})
}

// dense proposes some disbursements that all depend on the same hundred, which makes 101
// dependencies for each.
func dense(m *committee, wide int) (deps []string) {
	var below []string
	for i := range MaxDeps {
		name := fmt.Sprint("below ", i)
		m.propose(name, pay(1))
		below = append(below, name)
	}
	for i := range wide {
		name := fmt.Sprint("wide ", i)
		m.propose(name, pay(1, below...))
		deps = append(deps, name)
	}
	return deps
}

func TestGraphLimits(t *testing.T) {
	chain := func(m *committee, n int) string {
		for i := range n {
			if i == 0 {
				m.propose("0", pay(1))
			} else {
				m.propose(fmt.Sprint(i), pay(1, fmt.Sprint(i-1)))
			}
		}
		return fmt.Sprint(n - 1)
	}
	for _, test := range []struct {
		name string
		deps func(m *committee) []string
		want string
	}{
		{"deep enough", func(m *committee) []string { return []string{chain(m, MaxDepth)} }, ""},
		{"too deep", func(m *committee) []string { return []string{chain(m, MaxDepth+1)} }, DetailDepth},
		{"a long cycle", func(m *committee) []string {
			last := chain(m, MaxDepth)
			m.did(m.b.Amend(m.c, "ann", idOf("0"), pay(1, "a")))
			return []string{last}
		}, DetailDepth},
		{"too many", func(m *committee) (deps []string) {
			for i := range 11 {
				m.c.Height += m.b.Params().EpochBlocks // ann may propose 1,024 in each
				var below []string
				for j := range 99 {
					name := fmt.Sprint(i, " ", j)
					m.propose(name, pay(1))
					below = append(below, name)
				}
				m.propose(fmt.Sprint("wide ", i), pay(1, below...))
				deps = append(deps, fmt.Sprint("wide ", i))
			}
			return deps
		}, DetailGraph},
		{"too dense", func(m *committee) (deps []string) { return dense(m, 82) }, DetailGraph},
		{"dense enough", func(m *committee) (deps []string) { return dense(m, 81) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := found(t, 10_000)
			m.decide("a", pay(1, test.deps(m)...))
			if f := m.get("a").Failure; f.Detail != test.want {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestGrace(t *testing.T) {
	m := found(t, 1_000)
	m.propose("unopened", pay(1))
	m.decide("waits for nobody", pay(1, "nobody"))
	m.decide("waits for a draft", pay(1, "unopened"))
	m.decide("too much", pay(5_000))
	m.pass(49)
	m.is("unopened", Draft)
	m.is("waits for nobody", Queued)
	m.pass(1)
	for _, name := range []string{"unopened", "waits for nobody", "too much"} {
		m.is(name, Expired)
	}
	m.is("waits for a draft", Cancelled) // the draft expired, and so it is stale
	m.holds(map[AccountID]uint64{Treasury: 1_000, TreasuryReserved: 0})
	m.sound()
}

// What depends on something that is under way is given more time, since that comes
// to an end by itself.
func TestGraceIsExtended(t *testing.T) {
	m := found(t, 1_000)
	late := pay(1)
	late.ScheduledEpoch = 20
	m.decide("late", late)
	m.decide("after", pay(1, "late"))
	m.pass(199)
	m.is("late", Timelocked)
	m.is("after", Queued)
	m.pass(1)
	m.is("late", Executed)
	m.pass(30)
	m.is("after", Finalized)
	m.sound()
}
