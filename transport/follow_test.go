package transport_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
	"github.com/tallyvault/tallyvault/transport/client/outbox"
)

// attesting lets the three oracles accept every plausible reading until the test ends.
func (c *threeNodes) attesting(t *testing.T) {
	t.Helper()
	step := api.Uint64(1_000_000)
	policy := agent.Policy{Rules: []agent.Rule{{Market: energy, Meter: "*", MaxRegisterStep: &step}}}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	for _, oracle := range []string{"oracle-a", "oracle-b", "oracle-c"} {
		a, err := agent.New(agent.Config{Client: c.Client(oracle), Key: c.Key(oracle), Cluster: c.Genesis.Cluster, Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- a.Run(ctx) }()
	}
	t.Cleanup(func() {
		stop()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

// Who follows hears of every reading once and in order, and of its being final, though
// the node that tells stops, and the leader, and both come back.
func TestFollowThroughLeaderChanges(t *testing.T) {
	c := start(t, nil)
	c.World()
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	const readings = 30
	var ids []string
	told := make(chan []string, 1)
	go func() {
		var heard []string
		last, final := api.Uint64(0), api.Uint64(0)
		for e, err := range c.Client("ada").Follow(ctx, client.EventFilter{Kinds: []string{api.EventAccepted, api.EventCheckpoint}}, 0) {
			if err != nil {
				t.Errorf("following: %v", err)
				break
			}
			if e.Checkpoint != nil {
				if e.Checkpoint.Size <= final {
					t.Errorf("a checkpoint of %d leaves comes behind one of %d", e.Checkpoint.Size, final)
				}
				final = e.Checkpoint.Size
			} else {
				if e.Leaf <= last {
					t.Errorf("leaf %d comes behind leaf %d", e.Leaf, last)
				}
				last = e.Leaf
				heard = append(heard, e.Outcome.ID)
			}
			if len(heard) == readings && final > last {
				break
			}
		}
		told <- heard
	}()
	for i := range readings {
		switch i {
		case 8, 18:
			c.Stop(c.Leader())
		case 12, 22:
			for n := range c.Nodes {
				if c.Nodes[n].Cluster.Status().Role != "stopped" {
					continue
				}
				c.Restart(n)
			}
		}
		e := c.Reading(uint64(i+1), uint64(1000+i), base.Add(time.Duration(i)*time.Second))
		o, err := c.Client("").Submit(c.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID)
	}
	if heard := <-told; !slices.Equal(heard, ids) {
		t.Errorf("heard of\n%v\nwant\n%v", heard, ids)
	}
}

// What a node refuses to tell ends the sequence with the refusal; so does the caller's
// own end.
func TestFollowEnds(t *testing.T) {
	c := start(t, nil)
	c.World()
	for _, err := range c.Client("").Follow(c.Context(), client.EventFilter{Kinds: []string{api.EventOutcome}}, 0) {
		if !client.IsCode(err, "Unauthorized") {
			t.Errorf("without a token: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	var last error
	events := 0
	for _, err := range c.Client("ada").Follow(ctx, client.EventFilter{}, 0) {
		if last = err; err == nil {
			events++
			cancel()
		}
	}
	if events == 0 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d events, %v", events, last)
	}
	one := c.Client("ada", 0)
	status, err := one.Status(c.Context())
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range one.Follow(c.Context(), client.EventFilter{}, client.FromNow) {
		// The newest checkpoint is told once; else it is something that is new.
		if err != nil || e.Checkpoint == nil && e.Leaf < status.TreeSize {
			t.Errorf("the first thing told from now on, with %d leaves, is %+v, %v", status.TreeSize, e, err)
		}
		break
	}
}

// dialWrong is a client whose clock is off.
func (c *threeNodes) dialWrong(t *testing.T, who string, ahead time.Duration) *client.Client {
	t.Helper()
	config := client.Config{Genesis: c.Genesis, Key: c.Key(who), Clock: func() time.Time { return time.Now().Add(ahead) }}
	for _, n := range c.Nodes {
		config.URLs = append(config.URLs, n.URL)
	}
	cl, err := client.Dial(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// A client whose clock is wrong is told the time, by tokens and by commands.
func TestClockIsCorrected(t *testing.T) {
	c := start(t, nil)
	c.World()
	nonce := uint64(0)
	for _, ahead := range []time.Duration{time.Hour, -time.Hour, 48 * time.Hour, -20 * 365 * 24 * time.Hour} {
		reader := c.dialWrong(t, "ada", ahead)
		if _, err := reader.Status(c.Context()); err != nil {
			t.Errorf("a clock off by %s: %v", ahead, err)
		}
		provider := c.dialWrong(t, "", ahead)
		for try := 0; ; try++ {
			nonce++
			e, err := c.Signer("sunny").Reading(client.Reading{
				Market: energy, Meter: meterA, Register: 1000 + nonce, MeasuredAt: base.Add(time.Duration(nonce) * time.Minute),
			}, nonce, provider.Now(), 4*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = provider.Submit(c.Context(), e); err == nil {
				break
			}
			if try > 0 || !client.IsCode(err, "TimestampSkew") && !client.IsCode(err, "Expired") {
				t.Fatalf("a clock off by %s: %v", ahead, err)
			}
		}
		for _, cl := range []*client.Client{reader, provider} {
			if off := time.Until(cl.Now()).Abs(); off > 30*time.Second {
				t.Errorf("a clock that was off by %s is off by %s now", ahead, off)
			}
		}
	}
}

// A gateway with a wrong clock brings everything to its end, through the loss of its
// leader and of its disk; receipts verify by genesis alone.
func TestOutbox(t *testing.T) {
	c := start(t, nil)
	c.World()
	c.attesting(t)
	cl := c.dialWrong(t, "sunny", 20*time.Minute)
	config := outbox.Config{Path: filepath.Join(t.TempDir(), "outbox"), Cluster: cl, Signer: c.Signer("sunny"), Provider: "sunny"}
	open := func() (*outbox.Outbox, func()) {
		box, err := outbox.Open(config)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(c.Context())
		ended := make(chan error, 1)
		go func() { ended <- box.Run(ctx) }()
		return box, func() {
			cancel()
			if err := errors.Join(<-ended, box.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	measure := func(box *outbox.Outbox, from, to int) {
		for i := from; i < to; i++ {
			if err := box.Store(outbox.Measurement{Market: energy, Meter: meterA, Register: uint64(1000 + 100*i), MeasuredAt: base.Add(time.Duration(i) * 30 * time.Minute)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ends := func(box *outbox.Outbox, n int, what string) {
		c.Until(what, func() bool {
			over := 0
			for fate, err := range box.Fates(meterA, time.Time{}) {
				if err != nil {
					t.Fatal(err)
				}
				if fate.Final && (fate.Stage == outbox.Paid || fate.Stage == outbox.Baseline || fate.Stage == outbox.Refused) {
					over++
				}
			}
			return over == n
		})
	}
	box, stop := open()
	measure(box, 0, 4)
	leader := c.Leader()
	c.Stop(leader)
	measure(box, 4, 6)
	ends(box, 6, "six measurements being paid")
	c.Restart(leader)
	c.verify(t, cl, box, 6)
	stop()

	config.Path += "-new" // the disk is lost
	box, stop = open()
	measure(box, 4, 8)
	ends(box, 4, "two more being paid")
	for i := 4; i < 8; i++ {
		fate, ok, err := box.Fate(meterA, base.Add(time.Duration(i)*30*time.Minute))
		want := outbox.Paid
		if i < 6 {
			want = outbox.Refused
		}
		if err != nil || !ok || fate.Stage != want {
			t.Errorf("measurement %d: %+v, %v", i, fate, err)
		}
	}
	stop()
	var meters api.Meters
	if err := c.Client("ada").Get(c.Context(), "/v1/meters", map[string][]string{"meter": {meterA}}, &meters); err != nil || meters.Meters[0].Base.Register != 1700 {
		t.Errorf("meters %+v, %v", meters, err)
	}
}

// verify proves the last receipt of each measurement that was paid.
func (c *threeNodes) verify(t *testing.T, cl *client.Client, box *outbox.Outbox, want int) {
	t.Helper()
	evidence, err := cl.Evidence(c.Context())
	if err != nil {
		t.Fatal(err)
	}
	proven := 0
	for fate, err := range box.Fates(meterA, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		file, err := cl.Receipt(c.Context(), fate.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		p, err := evidence.Verify(file)
		if err != nil {
			t.Fatal(err)
		}
		switch b := p.Body.(type) {
		case *fsm.ReleaseReceipt:
			if fate.Stage == outbox.Paid && b.Settlement == fate.Settlement && p.Leaf == fate.Leaf && len(p.Cosigners) >= 2 {
				proven++
			}
		case *fsm.ReadingReceipt:
			if fate.Stage == outbox.Baseline && b.Number == fate.Number {
				proven++
			}
		}
		file[len(file)/2] ^= 1
		if _, err := evidence.Verify(file); err == nil {
			t.Error("an altered proof verifies")
		}
	}
	if proven != want {
		t.Errorf("%d receipts were proven, want %s", proven, fmt.Sprint(want))
	}
}
