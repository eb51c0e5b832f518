package oracle

import (
	"fmt"
	"runtime"
	"testing"
)

// fleet names that many meters.
func fleet(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("site-%06d.main", i)
	}
	return names
}

// BenchmarkSubmit takes readings in, one after the other for 20,000 meters, up
// to 200,000 pending ones.
func BenchmarkSubmit(b *testing.B) {
	const most = 200_000
	names := fleet(20_000)
	s := world(b, energy(), 3, names...)
	empty := s.Copy()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%most == 0 {
			s = empty.Copy()
		}
		round := int64(i % most / len(names))
		c := at(quarter * (1 + round))
		_, _, ref := s.Submit(c, "sun", reading(c, names[i%len(names)], uint64(round)), identityFast(uint64(i)))
		if ref != nil {
			b.Fatal(ref)
		}
	}
}

// BenchmarkSubmitCopied is BenchmarkSubmit with the state copied every 200
// readings, as when each entry leaves a view to read from.
func BenchmarkSubmitCopied(b *testing.B) {
	const most = 200_000
	names := fleet(20_000)
	s := world(b, energy(), 3, names...)
	empty := s.Copy()
	var view *State
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%most == 0 {
			s = empty.Copy()
		}
		if i%200 == 0 {
			view = s.Copy()
		}
		round := int64(i % most / len(names))
		c := at(quarter * (1 + round))
		if _, _, ref := s.Submit(c, "sun", reading(c, names[i%len(names)], uint64(round)), identityFast(uint64(i))); ref != nil {
			b.Fatal(ref)
		}
	}
	runtime.KeepAlive(view)
}

// BenchmarkAttest lets three oracles attest ranges of 256 readings of as many
// meters: one operation is one attestation. The second makes the quorum, so
// every third of them settles 256 readings.
func BenchmarkAttest(b *testing.B) {
	benchmarkAttest(b, false)
}

// BenchmarkAttestValues is BenchmarkAttest with an observed value for each.
func BenchmarkAttestValues(b *testing.B) {
	benchmarkAttest(b, true)
}

func benchmarkAttest(b *testing.B, values bool) {
	const perRange, backlog = 256, 100_000
	names := fleet(20_000)
	base := world(b, energy(), 3, names...)
	c := at(quarter)
	for _, name := range names {
		take(b, base, c, name, 0)
	}
	for n := uint64(1); n <= uint64(len(names)); n += 500 {
		attest(b, base, c, oracleNamed(0), n, n+499)
		attest(b, base, c, oracleNamed(1), n, n+499)
	}
	for i := range backlog {
		take(b, base, at(quarter*int64(2+i/len(names))), names[i%len(names)], uint64(1+i/len(names)))
	}
	first := uint64(len(names)) + 1
	var jobs []Attestation
	for n := first; n+perRange-1 < first+backlog; n += perRange {
		a := Attestation{Market: "energy", Ranges: []Range{span(b, base, n, n+perRange-1)}}
		for i := range uint64(perRange) {
			if values {
				a.Values = append(a.Values, Value{n + i, 1 + (n+i-first)/uint64(len(names))})
			}
		}
		jobs = append(jobs, a)
	}
	s := base.Copy()
	c = at(20 * quarter)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		j := i % (3 * len(jobs))
		if j == 0 {
			s = base.Copy()
		}
		if _, _, ref := s.Attest(c, oracleNamed(j%3), jobs[j/3]); ref != nil {
			b.Fatal(ref)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perRange, "ns/verdict")
}

// BenchmarkCopy copies a state with 200,000 pending readings.
func BenchmarkCopy(b *testing.B) {
	s := backlog(b, 200_000)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		s = s.Copy()
	}
}

// backlog is a state with that many pending readings of 20,000 meters.
func backlog(t testing.TB, n int) *State {
	names := fleet(20_000)
	s := world(t, energy(), 3, names...)
	for i := range n {
		c := at(quarter * int64(1+i/len(names)))
		if _, _, ref := s.Submit(c, "sun", reading(c, names[i%len(names)], 0), identityFast(uint64(i))); ref != nil {
			t.Fatal(ref)
		}
	}
	return s
}

// TestMemory holds 200,000 pending readings to their budget.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	s := backlog(t, 200_000)
	used := heap() - before
	t.Logf("200,000 pending readings of 20,000 meters: %d MB", used>>20)
	if used > 100<<20 {
		t.Errorf("200,000 pending readings take %d MB, more than 100", used>>20)
	}
	runtime.KeepAlive(s)
}

// identityFast is a distinct identity without a hash.
func identityFast(n uint64) Identity {
	var id Identity
	for i := range 8 {
		id[i] = byte(n >> (8 * i))
	}
	id[31] = 1
	return id
}
