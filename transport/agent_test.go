package transport_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/api"
)

// runner runs agents of oracles and ends them.
type runner struct {
	t *testing.T
	c *threeNodes
}

func (r runner) start(oracle string, node int) (stop func()) {
	r.t.Helper()
	step := api.Uint64(1000)
	a, err := agent.New(agent.Config{
		Client: r.c.Client(oracle, node), Key: r.c.Key(oracle), Cluster: r.c.Genesis.Cluster,
		Policy: agent.Policy{RejectUnknownMeters: true, Rules: []agent.Rule{{Market: energy, Meter: "*", MaxRegisterStep: &step}}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.c.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	done := false
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	}
	r.t.Cleanup(stop)
	return stop
}

func (r runner) reading(number int) api.OneReading {
	r.t.Helper()
	var one api.OneReading
	if err := r.c.Client("ada").Get(r.c.Context(), fmt.Sprintf("/v1/readings/%s/%d", energy, number), nil, &one); err != nil {
		r.t.Fatal(err)
	}
	return one
}

func (r runner) until(number int, status string) {
	r.t.Helper()
	r.c.Until(fmt.Sprintf("reading %d being %s", number, status), func() bool {
		one := r.reading(number)
		if one.Receipt != nil && one.Status != status {
			r.t.Fatalf("reading %d: %+v", number, one)
		}
		return one.Status == status
	})
}

// Plausible readings are settled soon after they came in, implausible ones are
// voted down, and an agent that is stopped and started goes on without saying
// anything twice.
func TestAgentsAttest(t *testing.T) {
	c := start(t, nil)
	c.World()
	r := runner{t, c}
	submit := func(nonce, register uint64) {
		t.Helper()
		if _, err := c.Client("").Submit(c.Context(), c.Reading(nonce, register, base.Add(time.Duration(nonce)*time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	stopA, stopB := r.start("oracle-a", 0), r.start("oracle-b", 1)
	submit(1, 5000)
	r.until(1, "baseline")
	begun := time.Now()
	submit(2, 5500)
	r.until(2, "settled")
	t.Logf("settled %s after it was sent", time.Since(begun))
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("settled after %s", took)
	}
	submit(3, 9000)
	r.until(3, "rejected")
	if one := r.reading(3); one.Reason != "outvoted" {
		t.Errorf("reading %+v", one)
	}
	// One oracle alone decides nothing; its vote is there when it comes back.
	stopB()
	submit(4, 5600)
	c.Until("the first vote", func() bool { return len(r.reading(4).Votes) == 1 })
	stopA()
	submit(5, 5700)
	r.start("oracle-a", 2)
	c.Until("the first vote on the second", func() bool { return len(r.reading(5).Votes) == 1 })
	if one := r.reading(4); len(one.Votes) != 1 || one.Votes[0].Vote != "accept" || one.Votes[0].Oracle != "oracle-a" || one.Tally.Accept != 10 {
		t.Errorf("reading %+v", one)
	}
	r.start("oracle-b", 0)
	r.until(4, "settled")
	r.until(5, "settled")
	var readings api.Readings
	if err := c.Client("ada").Get(c.Context(), "/v1/readings", url.Values{"market": {energy}}, &readings); err != nil || len(readings.Readings) != 0 {
		t.Errorf("live readings %+v, %v", readings, err)
	}
}
