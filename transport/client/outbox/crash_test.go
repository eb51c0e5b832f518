package outbox

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
)

// life is a gateway through all its crashes.
type life struct {
	t      *testing.T
	c      *committee
	random *rand.Rand
	path   string
	files  int
	stored map[string]Measurement // what Store has acknowledged
}

// process is one run of the gateway's program.
type process struct {
	*life
	box    *Outbox
	cancel context.CancelFunc
	ended  chan error

	mu    sync.Mutex
	left  int  // steps until it crashes; 0 is never
	dead  bool // nothing of it reaches the disk or the committee any more
	image string
}

var seeds = flag.Int("seeds", 10, "lives of a gateway that TestCrashAtEveryStep goes through")

var errCrashed = errors.New("crashed")

// begin runs the program on the disk as it is.
func (l *life) begin(crashAfter int, ahead time.Duration) *process {
	l.t.Helper()
	p := &process{life: l, left: crashAfter, ended: make(chan error, 1)}
	p.start(Config{
		Path: l.path, Cluster: &link{committee: l.c, ahead: ahead, met: p.step}, Signer: l.c.signer("sunny"), Provider: "sunny",
		Changed: func(Fate) { _ = p.step("changed") },
	})
	return p
}

func (p *process) start(c Config) {
	p.t.Helper()
	var err error
	if p.box, err = Open(c); err != nil {
		p.t.Fatal(err)
	}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	go func() { p.ended <- p.box.Run(ctx) }()
}

// step counts what the program does with others. At its last one the disk is copied as
// it is: whatever the program does afterwards is lost.
func (p *process) step(where string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errCrashed
	}
	if p.left > 0 {
		if p.left--; p.left == 0 {
			p.dead = true
			p.image = p.next()
			if err := p.box.db.View(func(tx *bbolt.Tx) error { return tx.CopyFile(p.image, 0o600) }); err != nil {
				p.t.Fatal(err)
			}
			p.cancel()
			return fmt.Errorf("%w at %s", errCrashed, where)
		}
	}
	return nil
}

func (l *life) next() string {
	l.files++
	return filepath.Join(filepath.Dir(l.path), fmt.Sprintf("outbox-%d", l.files))
}

// end stops the program, and puts the disk of its crash in place, if it crashed.
func (p *process) end() {
	p.t.Helper()
	p.cancel()
	if err := <-p.ended; err != nil {
		p.t.Fatalf("the outbox ended: %v", err)
	}
	if err := p.box.Close(); err != nil {
		p.t.Fatal(err)
	}
	if p.image != "" {
		p.path = p.image
	}
}

// measure stores something new, and something old again.
func (p *process) measure(base time.Time) {
	p.t.Helper()
	p.mu.Lock()
	dead := p.dead
	p.mu.Unlock()
	if dead {
		return
	}
	var ms []Measurement
	for range 1 + p.random.IntN(3) {
		meter, n := p.random.IntN(3), p.random.IntN(12)
		ms = append(ms, Measurement{
			Market: energy, Meter: meterOf(meter), Register: 1000 + uint64(n)*10,
			MeasuredAt: base.Add(time.Duration(n) * time.Minute), ClockSync: "ntp", MeterStatus: "ok",
		})
	}
	if err := p.box.Store(ms...); err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return // the disk of the crash may be of before
	}
	for _, m := range ms {
		p.stored[fmt.Sprintf("%s %d", m.Meter, m.MeasuredAt.UnixMilli())] = m
	}
}

// Whatever was stored is accepted or refused once, whenever the program crashes, the
// disk is lost, the clock is wrong or messages are, and the outbox knows its end.
func TestCrashAtEveryStep(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { crash(t, uint64(seed)) }) })
	}
}

func crash(t *testing.T, seed uint64) {
	l := &life{
		t: t, c: found(t, 3), random: rand.New(rand.NewPCG(seed, 1)), path: filepath.Join(t.TempDir(), "outbox"),
		stored: map[string]Measurement{},
	}
	base := time.Now().Add(-time.Hour)
	lost := false
	for range 6 {
		ahead := []time.Duration{0, 0, 20 * time.Minute, -20 * time.Minute}[l.random.IntN(4)]
		p := l.begin(1+l.random.IntN(25), ahead)
		for range 1 + l.random.IntN(4) {
			p.measure(base)
			l.pass(1 + l.random.IntN(90))
		}
		p.end()
		if l.random.IntN(6) == 0 {
			l.path, lost = l.next(), true // the disk is lost
			again := l.begin(0, 0)
			for _, m := range l.stored {
				if err := again.box.Store(m); err != nil {
					t.Fatal(err)
				}
			}
			again.end()
		}
	}
	p := l.begin(0, 0)
	l.pass(900)
	l.judge(p, lost)
	p.end()
}

// pass lets so many seconds go by; the oracle attests now and then.
func (l *life) pass(seconds int) {
	for range seconds {
		<-time.After(time.Second)
		l.c.tick()
		if l.random.IntN(3) == 0 {
			l.c.attest()
		}
		synctest.Wait()
	}
}

func (l *life) judge(p *process, lost bool) {
	l.c.mu.Lock()
	accepted, credited := l.c.accepted, l.c.credited
	l.c.mu.Unlock()
	for moment, times := range accepted {
		// Who has lost the disk cannot know that a reading was rejected before.
		if times != 1 && !lost || credited[moment] > 1 {
			l.t.Errorf("%s was accepted %d times and credited %d times", moment, times, credited[moment])
		}
	}
	seen := 0
	for fate, err := range p.box.Fates("", time.Time{}) {
		if err != nil {
			l.t.Fatal(err)
		}
		seen++
		moment := fmt.Sprintf("%s %d", fate.Meter, fate.MeasuredAt.UnixMilli())
		switch {
		case !fate.Stage.over() || !fate.Final:
			l.t.Errorf("%s has not come to its end: %+v", moment, fate)
		case fate.Stage == Refused && fate.Code != "SettlementConflict":
			l.t.Errorf("%s: %+v", moment, fate)
		case fate.Stage != Refused && accepted[moment] == 0:
			l.t.Errorf("%s is %s and was never accepted", moment, fate.Stage)
		case (fate.Stage == Paid || fate.Stage == Baseline) && credited[moment] != 1:
			l.t.Errorf("%s is %s and was credited %d times", moment, fate.Stage, credited[moment])
		case fate.Stage == Refused && accepted[moment] > 0 && !lost:
			l.t.Errorf("%s was accepted, and the outbox says %+v", moment, fate)
		}
		if (fate.Stage == Paid) != (fate.Settlement > 0 && fate.Stage != Settled) {
			l.t.Errorf("%s: %+v", moment, fate)
		}
	}
	for moment := range l.stored {
		meter, at := "", int64(0)
		if _, err := fmt.Sscan(moment, &meter, &at); err != nil {
			l.t.Fatal(err)
		}
		if _, ok, err := p.box.Fate(meter, time.UnixMilli(at)); err != nil || !ok {
			l.t.Errorf("%s was stored and is not there: %v", moment, err)
		}
	}
	if seen == 0 {
		l.t.Error("nothing was stored")
	}
}
