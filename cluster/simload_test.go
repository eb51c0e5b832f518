package cluster

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/oracle"
)

// simMeters is how many meters a simulated cluster has, and lanes of readings.
const simMeters = 4

// simSkew is how old a reading may be before the state machine rightly refuses it, with
// something off for what the committee's time may be ahead.
const simSkew = 4 * time.Minute

// A simLoad is the people of a simulated cluster: meters that read, oracles that attest,
// and somebody who looks. They go to any node, and again to another until they know what
// became of what they sent.
type simLoad struct {
	w   *simWorld
	ctx context.Context // ends with the simulation, whether or not all is answered
	end context.CancelFunc

	closing context.Context // ends when nothing new is to begin
	close   context.CancelFunc
	wait    sync.WaitGroup

	salt uint64 // of threshold commands, which the bubble's first goroutine makes

	mu    sync.Mutex
	acts  []*simAct
	looks []simLook
}

// A simAct is a reading that was sent.
type simAct struct {
	id           fsm.Identity
	lane         string
	nonce        uint64
	began, ended time.Time
	outcome      *fsm.Outcome // nil while it is not known
}

// A simLook is a linearizable read of a lane's last nonce.
type simLook struct {
	lane         string
	last         uint64
	began, ended time.Time
}

func newSimLoad(w *simWorld) *simLoad {
	l := &simLoad{w: w}
	l.ctx, l.end = context.WithCancel(context.Background())
	l.closing, l.close = context.WithCancel(l.ctx)
	return l
}

// begin registers the meters and sets everybody to work.
func (l *simLoad) begin() {
	rows := make([]fsm.MeterRow, simMeters)
	for i := range rows {
		rows[i] = fsm.MeterRow{Meter: fmt.Sprintf("m-%d", i), Provider: "sunny", Payer: "city", Capacity: 1_000_000, IntervalMs: 1_800_000, Decimals: 3}
	}
	l.mustSoon("the meters are registered", l.command(fsm.RegisterMeters{ThresholdHeader: l.threshold(), Market: "energy", Meters: rows}, "register_meters", "alice", "bob"))
	l.mustSoon("a deposit is made", l.deposit(1<<50))
	people := 0
	begin := func(every time.Duration, act func(random *rand.Rand)) {
		people++
		random := rand.New(rand.NewPCG(l.w.rand.Uint64(), uint64(people)))
		l.wait.Add(1)
		go func() {
			defer l.wait.Done()
			for pause(l.closing, every/2+time.Duration(random.Int64N(int64(every)))) {
				act(random)
			}
		}()
	}
	for i := range simMeters {
		m := &simMeter{name: fmt.Sprintf("m-%d", i), register: 1_000}
		begin(l.w.pace.each, func(random *rand.Rand) { l.read(random, m) })
	}
	for _, who := range []string{"oracle-a", "oracle-b", "oracle-c"} {
		agent := &simAgent{name: who, voted: map[uint64]bool{}}
		begin(l.w.pace.each, func(random *rand.Rand) { l.attest(random, agent) })
	}
	for range 2 {
		begin(l.w.pace.each/2, l.look)
	}
}

// finish lets everybody find out what became of the last they sent.
func (l *simLoad) finish(within time.Duration) {
	l.close()
	done := make(chan struct{})
	go func() {
		l.wait.Wait()
		close(done)
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		l.w.errorf("%s after everything is whole, somebody has no answer", within)
	}
	l.end()
	<-done
}

func (l *simLoad) command(body any, name string, signers ...string) *fsm.Command {
	e := envelope.Envelope{PayloadType: fsmPayloadType(l.w.t, name), Payload: strict.Encode(body)}
	for _, who := range signers {
		e.Signatures = append(e.Signatures, envelope.Sign(l.w.people[who], e.PayloadType, e.Payload))
	}
	cmd, refusal := fsm.FromEnvelope(e)
	if refusal != nil {
		l.w.errorf("%s: %v", name, refusal)
	}
	return cmd
}

func (l *simLoad) single(lane string, nonce uint64) fsm.Header {
	now := time.Now()
	return fsm.Header{
		Cluster: l.w.genesis.Cluster, Era: l.w.era, Lane: lane, Nonce: nonce,
		IssuedAt: now.UnixMilli(), ExpiresAt: now.Add(12 * time.Hour).UnixMilli(),
	}
}

func (l *simLoad) threshold() fsm.ThresholdHeader {
	l.salt++
	now := time.Now()
	h := fsm.ThresholdHeader{Cluster: l.w.genesis.Cluster, Era: l.w.era, IssuedAt: now.UnixMilli(), ExpiresAt: now.Add(time.Hour).UnixMilli()}
	copy(h.Salt[:], fmt.Sprintf("%016d", l.salt))
	return h
}

func (l *simLoad) deposit(amount uint64) *fsm.Command {
	h := l.threshold()
	return l.command(fsm.Deposit{
		ThresholdHeader: h, Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: amount}, Reference: fmt.Sprint(l.salt),
	}, "deposit", "alice", "bob")
}

// try asks one node once. Without an answer in time it says nothing.
func (l *simLoad) try(m *member, cmd *fsm.Command, within time.Duration) (*fsm.Outcome, *fsm.Refusal) {
	ctx, cancel := context.WithTimeout(l.ctx, within)
	defer cancel()
	answers, err := m.Submit(ctx, []*fsm.Command{again(l.w.t, cmd)})
	if err != nil || answers[0].Err != nil {
		return nil, nil
	}
	return answers[0].Outcome, answers[0].Refusal
}

// deliver sends a command until somebody knows what became of it, and now and then once
// more: then the answer must be the same.
func (l *simLoad) deliver(random *rand.Rand, cmd *fsm.Command) (*fsm.Outcome, *fsm.Refusal) {
	outcome, refusal := l.send(random, cmd)
	if outcome == nil || outcome.Refusal != nil || random.IntN(4) > 0 {
		return outcome, refusal
	}
	if again, _ := l.send(random, cmd); again != nil && (again.Entry != outcome.Entry || again.Leaf != outcome.Leaf) {
		l.w.errorf("%s is in entry %d, leaf %d, and sent again in entry %d, leaf %d", cmd.Identity(), outcome.Entry, outcome.Leaf, again.Entry, again.Leaf)
	}
	return outcome, refusal
}

// send goes from node to node until one knows what became of a command.
func (l *simLoad) send(random *rand.Rand, cmd *fsm.Command) (*fsm.Outcome, *fsm.Refusal) {
	for {
		if m := l.w.member(random.IntN(len(l.w.nodes))); m != nil {
			if outcome, refusal := l.try(m, cmd, time.Minute); outcome != nil || refusal != nil {
				return outcome, refusal
			}
		}
		if !pause(l.ctx, time.Second+time.Duration(random.Int64N(int64(l.w.pace.raft)/2))) {
			return nil, nil
		}
	}
}

// mustSoon demands that a command which only the nodes that can talk to each other are
// asked for is accepted before long.
func (l *simLoad) mustSoon(what string, cmd *fsm.Command) {
	began, bound := time.Now(), simResume*l.w.pace.raft
	for time.Since(began) < bound {
		for _, i := range l.w.majority() {
			m := l.w.member(i)
			if m == nil {
				continue
			}
			// A client does not wait for one node alone.
			outcome, refusal := l.try(m, cmd, min(time.Minute, 4*l.w.pace.raft))
			if outcome != nil {
				refusal = outcome.Refusal
			}
			if refusal != nil {
				l.w.errorf("%s: refused: %v", what, refusal)
			}
			if outcome != nil || refusal != nil {
				if took := time.Since(began); took > bound {
					l.w.errorf("%s: after %s, want %s", what, took, bound)
				}
				l.w.waited = max(l.w.waited, time.Since(began)/l.w.pace.raft)
				return
			}
		}
		l.w.sleep(l.w.pace.raft / 4)
	}
	l.w.errorf("not within %s: %s", time.Since(began), what)
}

type simMeter struct {
	name     string
	nonce    uint64
	register uint64
}

// read sends a meter's next reading.
func (l *simLoad) read(random *rand.Rand, m *simMeter) {
	m.nonce++
	// A tenth of the meter's capacity, about.
	m.register += 1 + random.Uint64N(uint64(l.w.pace.each.Milliseconds()/16))
	lane, now := "m/"+m.name, time.Now()
	cmd := l.command(fsm.SubmitReading{
		Header: l.single(lane, m.nonce), Market: "energy", Meter: m.name, Register: m.register, MeasuredAt: now.UnixMilli(),
		Quality: fsm.Quality{ClockSync: "ok", MeterStatus: "ok"},
	}, "submit_reading", "sunny")
	act := &simAct{id: cmd.Identity(), lane: lane, nonce: m.nonce, began: now}
	l.mu.Lock()
	l.acts = append(l.acts, act)
	l.mu.Unlock()
	outcome, refusal := l.deliver(random, cmd)
	if outcome != nil {
		refusal = outcome.Refusal
	}
	if refusal != nil && (refusal.Code != fsm.TimestampSkew || time.Since(now) < simSkew) {
		l.w.errorf("reading %d of %s, %s old, is refused: %v", m.nonce, m.name, time.Since(now), refusal)
	}
	l.mu.Lock()
	act.outcome, act.ended = outcome, time.Now()
	l.mu.Unlock()
}

type simAgent struct {
	name  string
	nonce uint64
	voted map[uint64]bool
}

// attest votes for what a node holds and this oracle has not seen.
func (l *simLoad) attest(random *rand.Rand, a *simAgent) {
	m := l.w.member(random.IntN(len(l.w.nodes)))
	if m == nil {
		return
	}
	var ranges []fsm.AttestedRange
	m.View().Oracle().Pending("energy", 0, func(r oracle.Reading) bool {
		if !a.voted[r.Number] {
			ranges = append(ranges, fsm.AttestedRange{From: r.Number, To: r.Number, Hash: sha256.Sum256(r.Identity[:])})
		}
		return len(ranges) < oracle.MaxRanges
	})
	if len(ranges) == 0 {
		return
	}
	a.nonce++
	cmd := l.command(fsm.Attest{Header: l.single("0", a.nonce), Market: "energy", Ranges: ranges}, "attest", a.name)
	outcome, refusal := l.deliver(random, cmd)
	if outcome != nil {
		refusal = outcome.Refusal
	}
	if refusal != nil {
		l.w.errorf("%s is refused: %v", a.name, refusal)
	}
	if outcome != nil {
		for _, r := range ranges {
			a.voted[r.From] = true
		}
	}
}

// look reads a lane from some node. A read that no answer came to says nothing.
func (l *simLoad) look(random *rand.Rand) {
	m := l.w.member(random.IntN(len(l.w.nodes)))
	if m == nil {
		return
	}
	lane := fmt.Sprintf("m/m-%d", random.IntN(simMeters))
	ctx, cancel := context.WithTimeout(l.closing, l.w.pace.raft)
	defer cancel()
	began := time.Now()
	entry, err := m.ReadIndex(ctx, true)
	if err == nil {
		err = m.WaitApplied(ctx, entry)
	}
	if err != nil {
		return
	}
	seen := simLook{lane: lane, last: m.View().Lane(l.w.provider, lane), began: began, ended: time.Now()}
	l.mu.Lock()
	l.looks = append(l.looks, seen)
	l.mu.Unlock()
}
