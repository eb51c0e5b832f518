package oracle

import (
	"slices"
	"strings"
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
	m.ExpiryBlocks = rapid.SampledFrom([]uint64{8, 600}).Draw(t, "expiry")
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
		if newest, ok := l.s.NewestOfMeter(site); ok != (len(moments) > 0) || ok && newest.MeasuredAt != moments[len(moments)-1] {
			l.t.Fatalf("of the pending %v of %s the newest is at %d", moments, site, newest.MeasuredAt)
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
