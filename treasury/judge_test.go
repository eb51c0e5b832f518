package treasury

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// judge is the slow twin of the book: it hears nothing but what was asked for and
// what is said to have happened, and works out from that alone, in big integers and
// plain maps, whether it may have happened and where the money must be.
type judge struct {
	t       *rapid.T
	status  map[ID]Status
	body    map[ID]Body
	since   map[ID]uint64 // treasury height of the last transition
	weights map[string]uint64
	roll    map[ID]map[string]uint64
	ballots map[ID]map[string]bool
	blocks  uint64 // treasury height, counted by itself
	paused  bool
	funded  *big.Int
	held    map[ID]bool // reserved
}

func newJudge(t *rapid.T) *judge {
	return &judge{
		t: t, status: map[ID]Status{}, body: map[ID]Body{}, since: map[ID]uint64{}, weights: map[string]uint64{"ann": 1, "ben": 1, "cat": 1},
		roll: map[ID]map[string]uint64{}, ballots: map[ID]map[string]bool{}, funded: new(big.Int), held: map[ID]bool{},
	}
}

// arrows are the transitions of the state diagram, written down a second time.
var arrows = map[string]bool{
	" draft": true, "draft draft": true, "draft voting": true, "draft cancelled": true, "draft expired": true,
	"voting voting": true, "voting queued": true, "voting rejected": true, "voting cancelled": true,
	"queued queued": true, "queued timelocked": true, "queued cancelled": true, "queued expired": true,
	"timelocked timelocked": true, "timelocked executed": true, "timelocked cancelled": true, "timelocked expired": true,
	"executed executed": true, "executed finalized": true, "executed rolled_back": true,
}

// hears one step.
func (j *judge) hears(s Step) {
	if j.status[s.ID] != s.From || !arrows[s.From.String()+" "+s.Status.String()] {
		j.t.Fatalf("%s went from %s to %s, and was %s", s.ID, s.From, s.Status, j.status[s.ID])
	}
	j.body[s.ID] = s.Body
	epochs := func(n uint64) uint64 { return j.since[s.ID] + 10*n }
	switch s.Action {
	case ActOpen:
		j.roll[s.ID], j.ballots[s.ID] = map[string]uint64{}, map[string]bool{}
		for who, w := range j.weights {
			j.roll[s.ID][who] = w
		}
	case ActVote:
		if _, twice := j.ballots[s.ID][s.By]; twice || j.roll[s.ID][s.By] == 0 {
			j.t.Fatalf("%s votes twice or without weight", s.By)
		}
		j.ballots[s.ID][s.By] = s.Facts[0].Value == "approve"
	case ActCount:
		j.counts(s)
	case ActReserve:
		j.held[s.ID] = true
	case ActTimelock:
		for _, dep := range s.Body.Deps {
			if j.status[dep] != Finalized {
				j.t.Fatalf("%s goes on before %s", s.ID, dep)
			}
		}
		if !j.held[s.ID] {
			j.t.Fatal("timelocked without money")
		}
	case ActExecute:
		if j.blocks < epochs(1) || j.paused {
			j.t.Fatal("executed too early, or while paused")
		}
		delete(j.held, s.ID)
	case ActFinalize:
		if j.blocks < epochs(1) || j.paused {
			j.t.Fatal("finalized too early, or while paused")
		}
	case ActRollback:
		if j.blocks >= epochs(1) {
			j.t.Fatal("rolled back too late")
		}
	default:
	}
	if s.Status != s.From {
		j.since[s.ID] = j.blocks
	}
	if s.Status == Cancelled || s.Status == Expired {
		delete(j.held, s.ID)
	}
	j.status[s.ID] = s.Status
}

// counts looks at the end of a vote.
func (j *judge) counts(s Step) {
	var yes, no, all uint64
	for who, w := range j.roll[s.ID] {
		all += w
		if approve, voted := j.ballots[s.ID][who]; voted && approve {
			yes += w
		} else if voted {
			no += w
		}
	}
	passed := yes*million >= all*600_000
	if over := j.blocks >= j.since[s.ID]+10; !passed && !over && (all-no)*million >= all*600_000 {
		j.t.Fatalf("%s was decided with %d for and %d against of %d", s.ID, yes, no, all)
	}
	switch s.Status {
	case Queued:
		if !passed {
			j.t.Fatal("queued below the floor")
		}
	case Rejected:
		if passed {
			j.t.Fatal("rejected at the floor")
		}
	default:
	}
}

// weighs compares where the money is with where it must be.
func (j *judge) weighs(m *committee) {
	free, reserved, held := new(big.Int).Set(j.funded), new(big.Int), new(big.Int)
	paid := map[AccountID]*big.Int{}
	for id, status := range j.status {
		amount := j.body[id].Amount.Big()
		switch {
		case j.held[id]:
			reserved.Add(reserved, amount)
			free.Sub(free, amount)
		case status == Executed:
			held.Add(held, amount)
			free.Sub(free, amount)
		case status == Finalized:
			free.Sub(free, amount)
			to := j.body[id].Destination
			if paid[to] == nil {
				paid[to] = new(big.Int)
			}
			paid[to].Add(paid[to], amount)
		}
	}
	for id, want := range map[AccountID]*big.Int{Treasury: free, TreasuryReserved: reserved, ProviderHeld("sun"): held, Provider("sun"): paid[Provider("sun")]} {
		if want == nil {
			want = new(big.Int)
		}
		if got := m.balance(id); got != want.String() {
			j.t.Fatalf("%s has %s, want %s", id, got, want)
		}
	}
	b := m.b.Balance()
	if b.Free.Big().Cmp(free) != 0 || b.Reserved.Big().Cmp(reserved) != 0 || b.Held.Big().Cmp(held) != 0 || b.Accrued.Big().Cmp(j.funded) != 0 {
		j.t.Fatalf("%+v", b)
	}
}

// nags looks, when nothing is due, for what should have happened and did not.
func (j *judge) nags(m *committee) {
	if j.paused {
		return
	}
	for id, status := range j.status {
		d, _ := m.b.Get(id)
		ready := true
		for _, dep := range j.body[id].Deps {
			ready = ready && j.status[dep] == Finalized
		}
		switch {
		case status == Voting && j.blocks >= j.since[id]+10, status == Executed && j.blocks >= j.since[id]+10:
			j.t.Fatalf("%s is still %s", id, status)
		case status == Queued && j.held[id] && ready:
			j.t.Fatalf("%s waits for nothing", id)
		case status == Queued && !j.held[id] && m.balance(Treasury) != "0" && m.b.Balance().Free.Cmp(j.body[id].Amount) >= 0:
			j.t.Fatalf("%s waits for money that is there", id)
		case status == Timelocked && j.blocks >= j.since[id]+10 && d.Failure.Code == "":
			j.t.Fatalf("%s was not tried", id)
		case (status == Queued || status == Voting) && m.b.stale(d) != nil:
			j.t.Fatalf("%s depends on what has ended", id)
		}
	}
}

var names = []string{"a", "b", "c", "d", "e", "f", "g", "h"}

// anyAct draws one act and says what came of it.
func (m *committee) anyAct(t *rapid.T, j *judge) (fx []Effect, r *Refusal) {
	name := rapid.SampledFrom(names).Draw(t, "name")
	id := idOf(name)
	body := pay(rapid.Uint64Range(1, 60).Draw(t, "amount"))
	for _, dep := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, rapid.ID[string]).Draw(t, "deps") {
		body.Deps = append(body.Deps, idOf(dep))
	}
	who := rapid.SampledFrom([]string{"ann", "ben", "cat", "dan"}).Draw(t, "who")
	switch rapid.SampledFrom([]string{
		"propose", "propose", "open", "open", "open", "vote", "vote", "vote", "vote", "pass", "pass", "pass", "amend", "cancel", "veto", "rollback",
		"queue", "execute", "pause", "unpause", "unpause", "fund", "house",
	}).Draw(t, "act") {
	case "propose":
		return m.b.Propose(m.c, "ann", id, body)
	case "open":
		return m.b.Open(m.c, "ann", id)
	case "vote":
		d, known := m.b.Get(id)
		if !known {
			return nil, nil
		}
		return m.b.Vote(m.c, who, id, d.Content, rapid.IntRange(0, 4).Draw(t, "no") > 0)
	case "amend":
		return m.b.Amend(m.c, "ann", id, body)
	case "cancel":
		return m.b.Cancel(m.c, "ann", id)
	case "veto":
		if rapid.Bool().Draw(t, "really") {
			return m.b.Veto(m.l, m.c, who, id, "")
		}
	case "rollback":
		return m.b.Rollback(m.l, m.c, who, id, "")
	case "queue":
		return m.b.Queue(m.l, m.c, id)
	case "execute":
		return m.b.Execute(m.l, m.c, who, id)
	case "pause":
		if r = m.b.Pause(ScopeTreasury); r == nil {
			j.paused = true
		}
	case "unpause":
		if r = m.b.Unpause(ScopeTreasury); r == nil {
			j.paused = false
		}
	case "fund":
		m.fund(body.Amount.Lo)
		j.funded.Add(j.funded, body.Amount.Big())
	case "house":
		h := House{Name: "operators", Members: []Member{{who, rapid.Uint64Range(1, 3).Draw(t, "weight")}, {"zoe", 1}}}
		if r = m.b.SetHouse(h); r == nil {
			j.weights = map[string]uint64{who: h.Members[0].Weight, "zoe": 1}
		}
	case "pass":
		blocks := uint64(rapid.IntRange(1, 12).Draw(t, "blocks"))
		m.c.Height, m.c.Now = m.c.Height+blocks, m.c.Now+int64(blocks)*1_000
		m.b.Advance(blocks)
		if !j.paused {
			j.blocks += blocks
		}
	}
	return nil, r
}

// Random histories beside the slow twin: every step is one that the diagram has,
// money is where it must be after each of them, nothing that could go on stands
// still, refusals change nothing, copies and restored images are equal.
func TestBookLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, j := found(t, 0), newJudge(rt)
		var copies []*Book
		var said []string
		for range rapid.IntRange(10, 120).Draw(rt, "acts") {
			before := m.b.Copy()
			fx, r := m.anyAct(rt, j)
			if r != nil && bookRows(before) != bookRows(m.b) {
				rt.Fatalf("%v changed the book", r)
			}
			for _, f := range fx {
				j.hears(f.(Step))
			}
			budget := rapid.SampledFrom([]int{1, 3, 500}).Draw(rt, "budget")
			for again := true; again; again = m.b.DueNow() {
				fx, _ := m.b.Tick(m.l, m.c, budget)
				for _, f := range fx {
					j.hears(f.(Step))
				}
			}
			j.weighs(m)
			j.nags(m)
			if err := m.b.Consistent(m.l); err != nil {
				rt.Fatal(err)
			}
			if rapid.IntRange(0, 9).Draw(rt, "copy") == 0 {
				copies, said = append(copies, m.b.Copy()), append(said, bookRows(m.b))
			}
		}
		for i, c := range copies {
			if bookRows(c) != said[i] {
				rt.Fatalf("copy %d changed after it was taken", i)
			}
		}
		m.sound()
	})
}

// FuzzBookLoad offers any rows, each behind two bytes of length. Whatever loads and
// is consistent can go on: time passes over it without a panic.
func FuzzBookLoad(f *testing.F) {
	m := found(f, 1_000)
	m.decide("a", pay(10))
	m.decide("b", pay(10, "a"))
	m.decide("c", pay(5_000))
	m.propose("d", pay(10, "c"))
	m.open("d")
	m.vote("d", "ann", true)
	m.pass(10)
	var seed []byte
	m.b.Image(func(row []byte) { seed = append(append(seed, byte(len(row)>>8), byte(len(row))), row...) })
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		b := RestoredBook()
		for len(data) >= 2 {
			n := min(int(data[0])<<8|int(data[1]), len(data)-2)
			if b.Load(data[2:2+n]) != nil {
				return
			}
			data = data[2+n:]
		}
		l := m.l.Copy()
		if b.Consistent(l) != nil {
			return
		}
		c := m.c
		for range 30 {
			c.Height += 10
			c.Now += 10_000
			b.Advance(10)
			b.Tick(l, c, 100)
			if err := b.Balanced(l); err != nil {
				t.Fatal(err)
			}
		}
		_ = fmt.Sprint(b.Health())
	})
}
