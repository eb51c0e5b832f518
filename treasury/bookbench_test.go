package treasury

import (
	"fmt"
	"testing"
)

// crowd is a book of n disbursements in all statuses.
func crowd(b testing.TB, n int) *committee {
	m := found(b, 1<<40, func(p *Params) { p.GraceEpochs = 100 })
	later := pay(1)
	later.ScheduledEpoch = 1_000
	for i := range n {
		name := fmt.Sprint(i)
		if i%MaxProposals == 0 {
			m.c.Height += 10 // another epoch of the cluster's, so that ann may go on
		}
		switch i % 10 {
		case 0:
			m.propose(name, pay(1))
		case 1:
			m.propose(name, pay(1))
			m.open(name)
		case 2:
			m.decide(name, pay(1, "nobody"))
		case 3:
			m.decide(name, pay(1<<50))
		case 4:
			m.decide(name, later)
		case 5:
			m.propose(name, pay(1))
			m.open(name)
			m.vote(name, "ann", false)
			m.vote(name, "ben", false)
		case 6:
			m.propose(name, pay(1))
			m.did(m.b.Cancel(m.c, "ann", idOf(name)))
		default:
			m.decide(name, pay(1))
		}
		m.steps = nil
	}
	return m
}

// BenchmarkTick does 500 of 100,000 disbursements at once, as an Apply does after
// somebody took a view: rows that are shared with it are copied first.
func BenchmarkTick(b *testing.B) {
	m := crowd(b, 100_000)
	m.c.Height += 10
	m.b.Advance(10)
	b.ReportAllocs()
	for b.Loop() {
		book, ledger := m.b.Copy(), m.l.Copy()
		if fx, _ := book.Tick(ledger, m.c, 500); len(fx) != 500 {
			b.Fatal(len(fx))
		}
	}
}

// BenchmarkIdleApply is what each Apply asks of a book in which nothing is due: the
// copy for its view, the executor's tick, the check against the ledger and what is
// due next. It costs every entry, also where no treasury is used.
func BenchmarkIdleApply(b *testing.B) {
	for _, n := range []int{0, 100_000} {
		m := crowd(b, n)
		for _, part := range []struct {
			name string
			do   func()
		}{
			{"copy", func() { m.b.Copy() }},
			{"tick", func() { m.b.Tick(m.l, m.c, 500) }},
			{"balanced", func() { _ = m.b.Balanced(m.l) }},
			{"due", func() { m.b.DueNow(); m.b.NextDue() }},
		} {
			b.Run(fmt.Sprintf("rows=%d/%s", n, part.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					part.do()
				}
			})
		}
	}
}

func BenchmarkList(b *testing.B) {
	m := crowd(b, 100_000)
	for name, f := range map[string]Filter{
		"all":         {},
		"status":      {Statuses: []Status{Rejected}},
		"destination": {Destination: Provider("sun")},
		"nothing":     {Least: units(1 << 60)},
		"two":         {Statuses: []Status{Rejected, Expired}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m.b.List(f, 100)
			}
		})
	}
}
