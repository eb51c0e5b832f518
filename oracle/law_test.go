package oracle

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// life is a state and its slow twin living through the same random calls.
type life struct {
	t *rapid.T
	s *State
	w *twin
	c Clock

	next  uint64 // the next identity
	epoch uint64
	// What each meter was credited in all, and from which register on.
	credited, start map[string]uint64
}

var sites = []string{"attic", "cellar", "roof"}

func newLife(t *rapid.T) *life {
	m := energy()
	m.FeeBps = rapid.Uint32Range(0, 10_000).Draw(t, "fee")
	m.QuorumThresholdPpm = rapid.SampledFrom([]uint32{500_001, 600_000, 670_000, 1_000_000}).Draw(t, "threshold")
	m.DeviationPpm = rapid.SampledFrom([]uint32{0, 50_000, 1_000_000}).Draw(t, "deviation")
	m.MaxPendingPerMeter, m.MaxLiveReadings = 6, 12
	l := &life{t: t, s: NewState(), w: newTwin(m), c: at(0), credited: map[string]uint64{}, start: map[string]uint64{}}
	l.allow(l.s.AddMarket(m))
	l.allow(l.s.AddProvider("sun"))
	for _, site := range sites {
		l.allow(l.s.AddMeter(meterNamed(site)))
		l.w.meters[site] = &twinMeter{capacity: 10_000, delta: wide(0), paid: wide(0)}
	}
	l.weigh(oracleNamed(0), rapid.Uint64Range(1, 5).Draw(t, "weight"))
	for i := 1; i < 4; i++ {
		l.weigh(oracleNamed(i), rapid.Uint64Range(0, 5).Draw(t, "weight"))
	}
	l.beginEpoch()
	return l
}

func (l *life) allow(r *Refusal) {
	if r != nil {
		l.t.Fatal(r)
	}
}

func (l *life) weigh(oracle string, weight uint64) {
	l.allow(l.s.SetOracleWeight("energy", oracle, weight))
	delete(l.w.weights, oracle)
	if weight > 0 {
		l.w.weights[oracle] = weight
	}
}

func (l *life) beginEpoch() {
	l.s.BeginEpoch(l.epoch)
	l.epoch++
	frozen := map[string]uint64{}
	for oracle, weight := range l.w.weights {
		frozen[oracle] = weight
	}
	l.w.elected = append(l.w.elected, frozen)
}

// step does one random thing on both sides and compares.
func (l *life) step() {
	t := l.t
	l.c.Now += rapid.Int64Range(0, quarter).Draw(t, "time passes")
	l.c.Height += rapid.Uint64Range(0, 3).Draw(t, "height")
	switch rapid.SampledFrom([]string{
		"submit", "submit", "submit", "submit", "attest", "attest", "attest", "everybody", "everybody", "supersede", "expire", "close", "fund", "release", "weigh", "epoch", "reload",
	}).Draw(t, "what") {
	case "submit":
		l.submit(nil)
	case "supersede":
		if live := l.w.live(); len(live) > 0 {
			l.submit(rapid.SampledFrom(live).Draw(t, "old"))
		}
	case "attest":
		l.attest()
	case "everybody":
		l.everybody()
	case "expire":
		n := rapid.IntRange(1, len(l.w.readings)+1).Draw(t, "number")
		l.compare(l.s.Expire(l.c, "energy", uint64(n)), l.w.expire(l.c, n))
	case "close":
		site := rapid.SampledFrom(sites).Draw(t, "site")
		l.compare(l.s.CloseMeter(l.c, site), l.w.closeMeter(l.c, site))
	case "fund":
		n := rapid.IntRange(1, len(l.w.funded)+1).Draw(t, "settlement")
		l.compare(l.s.Funded("energy", uint64(n), l.c), l.w.fund(l.c, n))
	case "release":
		n := rapid.IntRange(1, len(l.w.funded)+1).Draw(t, "settlement")
		if n > len(l.w.funded) || l.w.funded[n-1] {
			l.compare(l.s.Release("energy", uint64(n)), l.w.release(n))
		}
	case "weigh":
		l.weigh(oracleNamed(rapid.IntRange(1, 4).Draw(t, "oracle")), rapid.Uint64Range(0, 5).Draw(t, "weight"))
	case "epoch":
		l.beginEpoch()
	case "reload":
		loaded := again(t, l.s)
		same(t, l.s, loaded)
		l.s = loaded
	}
	l.laws()
}

// submit claims something plausible for a meter, most of the time.
func (l *life) submit(old *twinReading) {
	t := l.t
	site := rapid.SampledFrom(sites).Draw(t, "site")
	r := reading(l.c, site, 0)
	r.MeasuredAt -= 60_000 * rapid.Int64Range(0, 40).Draw(t, "minutes ago")
	r.MeasuredAt -= r.MeasuredAt % 60_000
	if old != nil {
		r.Meter, r.MeasuredAt = old.meter, old.at
		if rapid.IntRange(0, 4).Draw(t, "right name") > 0 {
			r.Supersedes = &old.id
		} else {
			r.Supersedes = &Identity{1}
		}
	}
	m, _ := l.s.Meter(r.Meter)
	r.Register = m.BaseRegister + rapid.SampledFrom([]uint64{0, 1, 7, 40, 100, 333, 2_500, 100_000}).Draw(t, "register")
	if m.BaseRegister > 0 && rapid.IntRange(0, 9).Draw(t, "back") == 0 {
		r.Register = m.BaseRegister - 1
	}
	l.next++
	n, fx, ref := l.s.Submit(l.c, "sun", r, identity(l.next))
	lines, refusal := l.w.submit(l.c, r, identity(l.next))
	got := ""
	if ref != nil {
		got = string(ref.Code) + " " + ref.Fields[0].Value
	}
	if got != refusal || ref == nil && n != uint64(len(l.w.readings)) {
		t.Fatalf("submitting %+v: %q, want %q; number %d", r, got, refusal, n)
	}
	l.compare(fx, lines)
}

// attest votes on a random range, honestly or with random rejects and values.
func (l *life) attest() {
	t := l.t
	last := len(l.w.readings)
	if last == 0 {
		return
	}
	oracle := oracleNamed(rapid.IntRange(0, 4).Draw(t, "oracle"))
	from, to := max(1, last-9), last
	honest := rapid.IntRange(0, 3).Draw(t, "honest") > 0
	if !honest {
		from = rapid.IntRange(from, last).Draw(t, "from")
		to = rapid.IntRange(from, last).Draw(t, "to")
	}
	said := map[int]verdict{}
	for n := from; n <= to; n++ {
		v := verdict{accept: true}
		if !honest {
			v.accept = rapid.Bool().Draw(t, "accept")
			v.observed = rapid.Bool().Draw(t, "observed")
			v.register = uint64(max(0, l.w.readings[n-1].register+rapid.SampledFrom([]int64{0, 1, -1, 50, 900}).Draw(t, "off by")))
		}
		said[n] = v
	}
	l.cast(oracle, from, to, said)
}

// everybody lets all oracles accept what is new, and see the same registers.
func (l *life) everybody() {
	last := len(l.w.readings)
	if last == 0 {
		return
	}
	from := max(1, last-9)
	off := rapid.SampledFrom([]uint64{0, 0, 0, 2, 900}).Draw(l.t, "off by")
	said := map[int]verdict{}
	for n := from; n <= last; n++ {
		said[n] = verdict{accept: true, observed: n%2 == 0, register: uint64(l.w.readings[n-1].register) + off}
	}
	for i := range 4 {
		l.cast(oracleNamed(i), from, last, said)
	}
}

// cast attests and compares what becomes of it.
func (l *life) cast(oracle string, from, to int, said map[int]verdict) {
	t := l.t
	a := Attestation{Market: "energy"}
	var ids []Identity
	for n := from; n <= to; n++ {
		if !said[n].accept {
			a.Rejects = append(a.Rejects, uint64(n))
		}
		if said[n].observed {
			a.Values = append(a.Values, Value{uint64(n), said[n].register})
		}
		ids = append(ids, l.w.readings[n-1].id)
	}
	a.Ranges = []Range{{uint64(from), uint64(to), RangeHash(ids)}}
	res, fx, ref := l.s.Attest(l.c, oracle, a)
	if entitled := l.w.entitled(oracle, from, to); ref != nil || !entitled {
		if entitled || ref == nil || ref.Code != Unauthorized {
			t.Fatalf("%s on %d to %d: %v, and entitled: %v", oracle, from, to, ref, entitled)
		}
		return
	}
	want, lines := l.w.attest(l.c, oracle, from, to, said)
	if res != want {
		t.Fatalf("%s on %d to %d: %+v, want %+v", oracle, from, to, res, want)
	}
	l.compare(fx, lines)
}

func (l *life) compare(fx []Effect, want []string) {
	if got := strings.Join(shown(fx), "\n"); got != strings.Join(want, "\n") {
		l.t.Fatalf("effects are\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	for _, e := range fx {
		switch f := e.(type) {
		case Closed:
			if f.Status == Baseline {
				l.start[f.Reading.Meter] = f.Reading.Register
			}
		case Settled:
			l.credited[f.Settlement.Meter] += f.Settlement.Delta
		}
	}
}

// laws are what must hold after every call, whatever it was.
func (l *life) laws() {
	consistent(l.t, l.s)
	for _, site := range sites {
		m, _ := l.s.Meter(site)
		if m.HasBase && l.credited[site] != m.BaseRegister-l.start[site] || !m.HasBase && l.credited[site] != 0 {
			l.t.Fatalf("%s was credited %d from %d to %d", site, l.credited[site], l.start[site], m.BaseRegister)
		}
		var moments []int64
		l.s.PendingOfMeter(site, func(r Reading) bool {
			moments = append(moments, r.MeasuredAt)
			return true
		})
		if int(m.Pending) != len(moments) || len(moments) != len(l.w.of(site)) || !slices.IsSorted(moments) {
			l.t.Fatalf("%s has pending %v and counts %d", site, moments, m.Pending)
		}
	}
	l.s.Pending("energy", 0, func(r Reading) bool {
		accept, reject, total, required := l.s.Tally(r)
		slow := l.w.readings[r.Number-1]
		if int64(accept) != l.w.camp(slow, true) || int64(reject) != l.w.camp(slow, false) || int64(total) != l.w.total(slow) {
			l.t.Fatalf("reading %d has %d, %d of %d", r.Number, accept, reject, total)
		}
		if (r.State == ReadingAccepted) != (accept >= required) || (r.State == ReadingAccepted) != slow.quorum {
			l.t.Fatalf("reading %d is %v with %d of %d", r.Number, r.State, accept, required)
		}
		return true
	})
}

// TestTwin lives random lives beside the slow twin. Among its laws is that no
// unit is credited twice or lost: a meter's settled deltas add up to its base
// minus its baseline, whatever was submitted, rejected, expired or superseded
// in whatever order.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		for range rapid.IntRange(1, 80).Draw(t, "calls") {
			l.step()
		}
	})
}

// fork returns a life that goes on from here by itself: the state by Copy, the
// twin by copying everything it holds.
func (l *life) fork() *life {
	out := *l
	out.s = l.s.Copy()
	w := *l.w
	out.w = &w
	w.weights, w.contra = maps.Clone(l.w.weights), maps.Clone(l.w.contra)
	out.credited, out.start = maps.Clone(l.credited), maps.Clone(l.start)
	w.elected = slices.Clone(l.w.elected)
	w.funded, w.released = slices.Clone(l.w.funded), slices.Clone(l.w.released)
	w.meters = map[string]*twinMeter{}
	for id, m := range l.w.meters {
		twin := *m
		twin.delta, twin.paid = new(big.Int).Set(m.delta), new(big.Int).Set(m.paid)
		w.meters[id] = &twin
	}
	w.readings = nil
	for _, r := range l.w.readings {
		twin := *r
		twin.votes = maps.Clone(r.votes)
		w.readings = append(w.readings, &twin)
	}
	return &out
}

// TestForks lets lives part by Copy and go on in turns, each still beside its
// own twin. What one does, no other sees; what was copied and left alone says
// at the end what it said at first.
func TestForks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lives := []*life{newLife(t)}
		var views []*State
		var said []string
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			l := rapid.SampledFrom(lives).Draw(t, "whose turn")
			l.step()
			switch rapid.IntRange(0, 9).Draw(t, "part") {
			case 0:
				lives = append(lives, l.fork())
			case 1:
				views, said = append(views, l.s.Copy()), append(said, rows(l.s))
			}
		}
		for _, l := range lives {
			l.laws()
		}
		for i, view := range views {
			if rows(view) != said[i] {
				t.Fatalf("view %d changed", i)
			}
		}
	})
}

// TestForkedTables makes two copies do different things to the same reading
// and the same settlement.
func TestForkedTables(t *testing.T) {
	m := energy()
	m.QuorumThresholdPpm = million
	s := world(t, m, 5, "roof")
	vote := func(s *State, oracle int, n, register uint64) { say(t, s, at(2*hourMs), oracle, n, true, register) }
	take(t, s, at(0), "roof", 0)
	take(t, s, at(hourMs), "roof", 8_000)
	take(t, s, at(2*hourMs), "roof", 9_000)
	for n := uint64(1); n <= 2; n++ {
		attest(t, s, at(2*hourMs), oracleNamed(0), n, n)
		for i := 1; i < 5; i++ {
			vote(s, i, n, 8_000*(n-1))
		}
	}
	for i := range 3 {
		vote(s, i, 3, uint64(i))
	}
	left, right := s.Copy(), s.Copy()
	before := told(s)
	vote(left, 3, 3, 111)
	left.Funded("energy", 1, at(2*hourMs))
	vote(right, 4, 3, 222)
	right.Funded("energy", 1, at(3*hourMs))
	right.Release("energy", 1)
	if told(s) != before {
		t.Error("the copies changed the state they were taken from")
	}
	if r := must(t, left, 3); r.Values[3] != (Observed{3, 111}) || len(r.Values) != 4 {
		t.Errorf("on the left the values are %v", r.Values)
	}
	if set, ok := left.Settlement("energy", 1); !ok || set.ReleaseHeight != 7_300 {
		t.Errorf("on the left the settlement is %+v, %v", set, ok)
	}
	if r := must(t, right, 3); r.Values[3] != (Observed{4, 222}) || len(r.Values) != 4 {
		t.Errorf("on the right the values are %v", r.Values)
	}
	if _, ok := right.Settlement("energy", 1); ok {
		t.Error("on the right the settlement is not released")
	}
}

// A copy is read by others while the state goes on; the race detector watches.
func TestCopiesAreReadMeanwhile(t *testing.T) {
	s := world(t, energy(), 1, sites...)
	var readers sync.WaitGroup
	for i := range int64(300) {
		c := at(i * 60_000)
		n := take(t, s, c, sites[i%3], uint64(i))
		if i%2 == 0 {
			attest(t, s, c, oracleNamed(0), n, n)
		}
		if i%10 == 0 {
			view, want := s.Copy(), told(s)
			readers.Go(func() {
				if told(view) != want || view.Consistent() != nil {
					t.Error("a copy changed under its reader")
				}
			})
		}
	}
	readers.Wait()
}

// Identities lie in runs that copies share; two copies fill and complete theirs
// with different ones.
func TestForkedIdentities(t *testing.T) {
	s := world(t, energy(), 1, "roof")
	fill := func(s *State, from, n, salt uint64) {
		for i := range n {
			c := at(int64(from + i))
			_, _, ref := s.Submit(c, "sun", reading(c, "roof", 1), identity(salt+from+i))
			allowed(t, ref)
		}
	}
	fill(s, 1, 60, 0)
	left := s.Copy()
	right := s.Copy()
	fill(left, 61, 70, 1_000)
	fill(right, 61, 70, 2_000)
	for n := uint64(1); n <= 130; n++ {
		want := map[*State]uint64{left: n, right: n}
		if n > 60 {
			want = map[*State]uint64{left: 1_000 + n, right: 2_000 + n}
		}
		for side, salted := range want {
			if got, _ := side.Identity("energy", n); got != identity(salted) {
				t.Fatalf("number %d has the identity of another state", n)
			}
		}
	}
	consistent(t, left)
	consistent(t, right)
	consistent(t, s)
	same(t, left, again(t, left))
}

// ballot is one oracle's verdict on one reading.
type ballot struct {
	oracle int
	number uint64
	verdict
}

// TestArrival casts the same votes in two orders. Every reading comes to the
// same end with the same money. Observed values decide by a median of those
// that arrived before the quorum; so they are given only where the quorum is
// everybody.
func TestArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := energy()
		values := rapid.Bool().Draw(t, "values")
		m.QuorumThresholdPpm = rapid.SampledFrom([]uint32{500_001, 670_000, 800_000}).Draw(t, "threshold")
		if values {
			m.QuorumThresholdPpm = million
		}
		s := NewState()
		if s.AddMarket(m) != nil || s.AddProvider("sun") != nil {
			t.Fatal("no market")
		}
		oracles := rapid.IntRange(1, 5).Draw(t, "oracles")
		for i := range oracles {
			s.SetOracleWeight("energy", oracleNamed(i), rapid.Uint64Range(1, 4).Draw(t, "weight"))
		}
		s.BeginEpoch(0)
		for _, site := range sites {
			s.AddMeter(meterNamed(site))
		}
		var ballots []ballot
		count := rapid.IntRange(1, 9).Draw(t, "readings")
		for i := range count {
			c := at(int64(i+1) * quarter)
			register := 1_000 + rapid.Uint64Range(0, 3_000).Draw(t, "register")
			n, _, ref := s.Submit(c, "sun", reading(c, rapid.SampledFrom(sites).Draw(t, "site"), register), identity(uint64(i+1)))
			if ref != nil {
				t.Fatal(ref)
			}
			for o := range oracles {
				if rapid.IntRange(0, 9).Draw(t, "absent") == 0 {
					continue
				}
				v := verdict{accept: rapid.IntRange(0, 3).Draw(t, "accept") > 0}
				if values && rapid.Bool().Draw(t, "observed") {
					v.observed, v.register = true, register+rapid.Uint64Range(0, 30).Draw(t, "off by")
				}
				ballots = append(ballots, ballot{o, n, v})
			}
		}
		one := cast(t, s.Copy(), ballots)
		other := cast(t, s.Copy(), rapid.Permutation(ballots).Draw(t, "other order"))
		if one != other {
			t.Fatalf("one order gives\n%s\nthe other\n%s", one, other)
		}
	})
}

// cast votes one by one and returns how every reading ended, by number.
func cast(t *rapid.T, s *State, ballots []ballot) string {
	c := at(100 * quarter)
	ends := map[uint64]string{}
	for _, b := range ballots {
		a := Attestation{Market: "energy", Ranges: []Range{{b.number, b.number, RangeHash([]Identity{identity(b.number)})}}}
		if !b.accept {
			a.Rejects = []uint64{b.number}
		}
		if b.observed {
			a.Values = []Value{{b.number, b.register}}
		}
		_, fx, ref := s.Attest(c, oracleNamed(b.oracle), a)
		if ref != nil {
			t.Fatal(ref)
		}
		for _, e := range fx {
			switch f := e.(type) {
			case Closed:
				ends[f.Reading.Number] = show(f)
			case Settled:
				ends[f.Reading.Number] = show(f)
			}
		}
	}
	consistent(t, s)
	var out strings.Builder
	for n := uint64(1); n <= s.LastNumber("energy"); n++ {
		end := ends[n]
		if r, ok := s.Reading("energy", n); ok {
			end = r.State.String()
		}
		fmt.Fprintln(&out, n, end)
	}
	return out.String()
}
