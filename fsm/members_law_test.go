package fsm

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"
	"pgregory.net/rapid"

	"github.com/tallyvault/tallyvault/fsm/proof"
)

// A twin of the committee's rules, as simple as can be: it knows who stands where, and
// what it was at every size of the journal.
type committeeTwin struct {
	standing []string // by seat
	old      int      // who is replaced while somebody joins
	decided  uint64
	judged   map[uint64][]int // size of a cut → who counted there
}

func (w *committeeTwin) active() (seats []int) {
	for seat, standing := range w.standing {
		if standing == Active {
			seats = append(seats, seat)
		}
	}
	return seats
}

func (w *committeeTwin) joining() int { return slices.Index(w.standing, Joining) }

func count(of, among []int) (n int) {
	for _, seat := range of {
		if slices.Contains(among, seat) {
			n++
		}
	}
	return n
}

// takesEffect says whether these cosignatures on a cut of that size, in a tick, bring
// the change into effect.
func (w *committeeTwin) takesEffect(size uint64, cosigned []int, k int) bool {
	joining := w.joining()
	if joining < 0 || size <= w.decided || !slices.Contains(cosigned, joining) {
		return false
	}
	before := w.active()
	after := append(slices.DeleteFunc(slices.Clone(before), func(s int) bool { return s == w.old }), joining)
	return count(cosigned, before) >= k && count(cosigned, after) >= k
}

// Whatever the admins decide and whoever signs what, the committee has its size, only
// its members count, and nobody comes in without k of both sides and his own signature.
func TestCommitteeLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t)
		w := &committeeTwin{standing: []string{Active, Active, Active}, judged: map[uint64][]int{}}
		policies := map[uint64][32]byte{}
		for step := range rapid.IntRange(5, 30).Draw(rt, "steps") {
			before := slices.Clone(w.standing)
			switch rapid.SampledFrom([]string{"entry", "tick", "tick", "tick", "tick", "decide", "cancel", "restore"}).Draw(rt, "act") {
			case "decide":
				r.decideAny(rt, w, fmt.Sprint("node-", step))
			case "cancel":
				r.cancelAny(rt, w)
			case "restore":
				r.m = restore(t, r, r.m.View())
			case "tick":
				r.entryOf(rt, w, w.anySeats(rt, "clocks", Active))
			case "entry":
				r.entryOf(rt, w, nil)
			}
			r.checkCommittee(rt, w, before)
			// A policy is for ever that of the sizes it was judged by.
			v := r.m.View()
			policies[v.TreeSize()] = v.Policy().Hash()
			for size, hash := range policies {
				if v.PolicyAt(size).Hash() != hash {
					rt.Fatalf("the policy of size %d has changed", size)
				}
			}
		}
		if again := r.replay().View(); again.Digest() != r.m.View().Digest() {
			rt.Fatal("replay is another state")
		}
	})
}

// anySeats draws seats: mostly all of those with the standings, or hardly an entry
// would pass, and else any.
func (w *committeeTwin) anySeats(t *rapid.T, what string, standings ...string) (seats []int) {
	var all []int
	for seat, standing := range w.standing {
		all = append(all, seat)
		if slices.Contains(standings, standing) {
			seats = append(seats, seat)
		}
	}
	if rapid.IntRange(0, 2).Draw(t, what+" are all") > 0 {
		return seats
	}
	seats = rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, len(all), rapid.ID[int]).Draw(t, what)
	slices.Sort(seats)
	return seats
}

func (r *rig) decideAny(t *rapid.T, w *committeeTwin, name string) {
	old := rapid.IntRange(0, len(w.standing)-1).Draw(t, "old")
	size := r.m.View().TreeSize()
	n := newcomer(name, 20+len(w.standing))
	if rapid.IntRange(0, 3).Draw(t, "used") == 0 {
		n = r.m.state.members[rapid.IntRange(0, len(w.standing)-1).Draw(t, "whose")].Node
		n.PeerAddress, n.APIAddress = "127.0.0.1:1", "https://127.0.0.1:1"
	}
	o := r.send(r.threshold(r.replacement(r.m.state.members[old].Name, n)))[0]
	joining := w.joining()
	want := w.standing[old] == Active && n.Name == name && (joining < 0 || w.old == old)
	if (o.Refusal == nil) != want {
		t.Fatalf("seat %d by %s: %v", old, n.Name, o.Refusal)
	}
	if !want {
		return
	}
	if joining >= 0 {
		w.standing[joining] = Retired
		size++ // the receipt of the one that is superseded comes first
	}
	w.standing, w.old, w.decided = append(w.standing, Joining), old, size+2
}

func (r *rig) cancelAny(t *rapid.T, w *committeeTwin) {
	seat := rapid.IntRange(0, len(w.standing)-1).Draw(t, "seat")
	o := r.send(r.threshold(&CancelReplacement{Node: r.m.state.members[seat].Name}))[0]
	if want := w.standing[seat] == Joining; (o.Refusal == nil) != want {
		t.Fatalf("cancel seat %d, %s: %v", seat, w.standing[seat], o.Refusal)
	} else if want {
		w.standing[seat] = Retired
	}
}

// entryOf sends an entry with these clocks, perhaps a cut and somebody's cosignatures
// on one of the cuts, and holds what becomes of it against the twin.
func (r *rig) entryOf(t *rapid.T, w *committeeTwin, clocks []int) {
	r.now += 1_000
	e := &Entry{Cut: rapid.Bool().Draw(t, "cut")}
	if clocks != nil {
		r.states = clocks
		e.Statements = r.statements()
	}
	var cut Cut
	var cosigned []int
	if cuts := r.m.state.cuts; len(cuts) > 0 && rapid.IntRange(0, 3).Draw(t, "cosigned") > 0 {
		cut = cuts[rapid.IntRange(max(0, len(cuts)-3), len(cuts)-1).Draw(t, "which")]
		r.cut, r.cosigns = &cut, w.anySeats(t, "cosigners", Active, Joining)
		cosigned = r.cosigns
		e.Cosigned = r.cosigned()
	}
	result := r.apply(e)
	k := r.m.View().K()
	good := (clocks == nil || len(clocks) >= 2 && count(clocks, w.active()) == len(clocks)) &&
		(cosigned == nil || count(cosigned, w.judged[cut.Number]) >= k)
	if result.Refused == good {
		t.Fatalf("clocks of %v, cut %d cosigned by %v, standings %v: refused %v", clocks, cut.Number, cosigned, w.standing, result.Refused)
	}
	if result.Refused {
		return
	}
	if result.Cut != nil {
		w.judged[result.Cut.Number] = w.active()
	}
	effective := slices.ContainsFunc(result.Receipts, func(rc Receipt) bool { return rc.Kind == KindPolicy })
	if want := clocks != nil && cosigned != nil && w.takesEffect(cut.Size, cosigned, k); effective != want {
		t.Fatalf("cut %d of size %d, decided at %d, cosigned by %v, standings %v: in effect %v", cut.Number, cut.Size, w.decided, cosigned, w.standing, effective)
	} else if want {
		w.standing[w.joining()], w.standing[w.old] = Active, Retired
	}
}

func (r *rig) checkCommittee(t *rapid.T, w *committeeTwin, before []string) {
	v := r.m.View()
	for seat, m := range v.Members() {
		if int(m.Seat) != seat || m.Standing() != w.standing[seat] {
			t.Fatalf("seat %d is %s, the twin says %s", seat, m.Standing(), w.standing[seat])
		}
		if seat < len(before) && slices.Index([]string{Joining, Active, Retired}, m.Standing()) < slices.Index([]string{Joining, Active, Retired}, before[seat]) {
			t.Fatalf("seat %d was %s and is %s", seat, before[seat], m.Standing())
		}
	}
	if n := len(w.active()); n != 3 || len(v.Policy().Witnesses) != 3 {
		t.Fatalf("%d are active", n)
	}
	if v.Dirty() != (r.m.state.dirty || w.joining() >= 0) {
		t.Fatal("a pending change and no cut is wanted")
	}
	if err := r.m.state.consistent(); err != nil {
		t.Fatal(err)
	}
}

// A header that is nearly good, in every way that a hostile leader can bend it, is
// refused whole and changes nobody's standing.
func TestHostileTransitions(t *testing.T) {
	for name, bend := range map[string]func(r *rig, c *Cosigned){
		"another's signature for the new node":  func(_ *rig, c *Cosigned) { c.Signatures[2].Sig = c.Signatures[0].Sig },
		"the new node's with another time":      func(_ *rig, c *Cosigned) { c.Signatures[2].Time++ },
		"the new node twice":                    func(_ *rig, c *Cosigned) { c.Signatures = append(c.Signatures, c.Signatures[2]) },
		"the wrong order":                       func(_ *rig, c *Cosigned) { c.Signatures[1], c.Signatures[2] = c.Signatures[2], c.Signatures[1] },
		"a seat that nobody has":                func(_ *rig, c *Cosigned) { c.Signatures[2].Node = 4 },
		"the highest seat":                      func(_ *rig, c *Cosigned) { c.Signatures[2].Node = 255 },
		"another cut":                           func(_ *rig, c *Cosigned) { c.Cut-- },
		"a cut that will be":                    func(_ *rig, c *Cosigned) { c.Cut += 2 },
		"the new node and one of the committee": func(_ *rig, c *Cosigned) { c.Signatures = slices.Delete(c.Signatures, 1, 2) },
		"the new node's by its node key": func(r *rig, c *Cosigned) {
			cut, _ := r.m.View().CutNumbered(c.Cut)
			message := proof.CosignedMessage(c.Signatures[2].Time, r.m.state.checkpoint(cut))
			copy(c.Signatures[2].Sig[:], ed25519.Sign(r.node[3], message))
		},
		"the new node's that no verifier outside accepts": func(r *rig, c *Cosigned) {
			cut, _ := r.m.View().CutNumbered(c.Cut)
			c.Signatures[2] = r.evasive(3, c.Signatures[2].Time, r.m.state.checkpoint(cut))
		},
	} {
		r := newRig(t)
		r.tick()
		r.must(r.threshold(r.replacement("node-c", newcomer("node-d", 2))))
		r.pass(2)
		r.cosigns = []int{0, 1, 3}
		good := r.cosigned()
		bent := &Cosigned{Cut: good.Cut, Signatures: slices.Clone(good.Signatures)}
		bend(r, bent)
		if !r.apply(&Entry{Statements: r.statements(), Cosigned: bent}).Refused {
			t.Errorf("%s: not refused", name)
		}
		if m, _ := r.m.View().MemberNamed("node-d"); m.Standing() != Joining || m.Seen {
			t.Errorf("%s: node-d is %s", name, m.Standing())
		}
		r.apply(&Entry{Statements: r.statements(), Cosigned: good})
		if m, _ := r.m.View().MemberNamed("node-d"); m.Standing() != Active {
			t.Errorf("%s: the honest header is refused", name)
		}
	}
}

// Seats run out; the cluster says so and goes on.
func TestSeatsRunOut(t *testing.T) {
	r := newRig(t)
	r.tick()
	for i := 3; i < MaxSeats; i++ {
		r.must(r.threshold(r.replacement("node-c", newcomer(fmt.Sprint("node-", i), i))))
	}
	o := r.send(r.threshold(r.replacement("node-c", newcomer("one-more", 300))))[0]
	if o.Refusal == nil || o.Refusal.Code != LimitExceeded || o.Refusal.Field("limit") != "seats" {
		t.Fatalf("%v", o.Refusal)
	}
	r.pass(2)
	r.cosigns = []int{0, 1, MaxSeats - 1}
	r.pass(1)
	if m, _ := r.m.View().Member(MaxSeats - 1); m.Standing() != Active {
		t.Errorf("the last one is %s", m.Standing())
	}
	restore(t, r, r.m.View())
}

// Forged snapshots: rows of members that no history leads to.
func TestForgedMembersAreRefused(t *testing.T) {
	base := replaced(t)
	for name, forge := range map[string]func(s *state){
		"a fourth active":           func(s *state) { s.changeMember(3, func(m *Member) { m.From, m.Until = 0, NoEnd }) },
		"one less":                  func(s *state) { s.changeMember(0, func(m *Member) { m.Until = 9 }) },
		"genesis' node another":     func(s *state) { s.changeMember(0, func(m *Member) { m.APIAddress = "https://x" }) },
		"a change forgotten":        func(s *state) { s.changes = s.changes[:2] },
		"a change without a member": func(s *state) { s.members = s.members[:5] },
		"counting from elsewhere":   func(s *state) { s.changeMember(5, func(m *Member) { m.From-- }) },
		"an unknown standing":       func(s *state) { s.changes = slices.Clone(s.changes); s.changes[0].Standing = "gone" },
		"a change pending for ever": func(s *state) {
			s.changes = slices.Clone(s.changes)
			s.changes[0].Standing, s.changes[0].Ended = proof.PolicyPending, 0
			s.changeMember(3, func(m *Member) { m.Until = NoEnd })
		},
		"a name twice":          func(s *state) { s.changeMember(4, func(m *Member) { m.Name = "node-x" }) },
		"no sealed log key":     func(s *state) { s.changeMember(5, func(m *Member) { m.SealedLogKey = nil }) },
		"a transition too soon": func(s *state) { s.changes = slices.Clone(s.changes); s.changes[2].Cut.Size = 1 },
	} {
		m := base.twin()
		forge(m.state)
		if err := m.state.consistent(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := base.m.state.consistent(); err != nil {
		t.Error(err)
	}
}
