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

// BenchmarkTick lets 500 of 100,000 disbursements become due in every Apply.
func BenchmarkTick(b *testing.B) {
	m := crowd(b, 100_000)
	m.c.Height += 10
	m.b.Advance(10)
	left := 0
	b.ReportAllocs()
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			m = &committee{t: b, b: m.b, l: m.l, c: m.c}
			for m.b.DueNow() {
				m.b.Tick(m.l, m.c, 500)
			}
			for i := range 5_000 {
				name := fmt.Sprint("more", m.b.sequence, i)
				m.decide(name, pay(1))
			}
			m.c.Height += 10
			m.b.Advance(10)
			left = 10
			b.StartTimer()
		}
		m.b.Tick(m.l, m.c, 500)
		left--
	}
}

// BenchmarkIdleTick is one in which nothing is due.
func BenchmarkIdleTick(b *testing.B) {
	m := crowd(b, 100_000)
	for b.Loop() {
		m.b.Tick(m.l, m.c, 500)
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
