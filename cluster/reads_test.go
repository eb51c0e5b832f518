package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
)

// What was acknowledged anywhere is seen by a linearizable read anywhere.
func TestReadIndex(t *testing.T) {
	c := newCommittee(t).startAll()
	for i := range 6 {
		a := c.must(i%3, c.deposit("read "+number(uint64(i))))[0]
		reader := c.members[(i+1)%3]
		entry, err := reader.ReadIndex(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		if entry < a.Outcome.Entry {
			t.Errorf("read index %d after entry %d was acknowledged", entry, a.Outcome.Entry)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := reader.WaitApplied(ctx, entry); err != nil {
			t.Fatal(err)
		}
		cancel()
		if o, _, err := reader.Outcome(a.ID); err != nil || o == nil {
			t.Errorf("read %d: the outcome is not there: %v", i, err)
		}
		if entry, err := reader.ReadIndex(t.Context(), false); err != nil || entry < a.Outcome.Entry {
			t.Errorf("the leader's own index is %d, %v", entry, err)
		}
	}
}

// Waiting ends with its context, and with the node.
func TestWaits(t *testing.T) {
	c := newCommittee(t).startAll()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.members[0].WaitApplied(ctx, 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("wait for an entry: %v", err)
	}
	if err := c.members[0].WaitFinal(ctx, 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("wait for a checkpoint: %v", err)
	}
	ended := make(chan error, 1)
	m := c.members[0]
	go func() { ended <- m.WaitApplied(context.Background(), 1<<40) }()
	c.stop(0)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the entry has come")
		}
	case <-time.After(patience):
		t.Error("a wait outlives its node")
	}
}

// Receipts that do not exist and such that are not final yet are told apart, and
// objects lead to their receipts.
func TestReceipts(t *testing.T) {
	c := newCommittee(t).startAll()
	m := c.members[0]
	a := c.must(0, c.deposit("receipt"))[0]
	if _, err := m.Receipt(1 << 40); !errors.Is(err, ErrNoLeaf) {
		t.Errorf("a leaf that is not there: %v", err)
	}
	if _, err := m.Leaf(1 << 40); !errors.Is(err, ErrNoLeaf) {
		t.Errorf("a leaf that is not there: %v", err)
	}
	leaf := a.Outcome.Receipts[0]
	c.final(0, leaf+1)
	if o, final, err := m.Outcome(a.ID); err != nil || o == nil || !final {
		t.Errorf("outcome %+v, final %v, %v", o, final, err)
	}
	if o, _, err := m.Outcome(fsm.Identity{1}); o != nil || err != nil {
		t.Errorf("the outcome of nothing is %+v, %v", o, err)
	}
	// The newest leaf becomes final only by a checkpoint that covers it.
	early := false
	for range 1000 {
		c.must(0, c.deposit("newest"))
		size := m.View().TreeSize()
		_, err := m.Receipt(size - 1)
		if early = errors.Is(err, ErrNotFinal); early {
			break
		}
		if err != nil || m.FinalSize() < size {
			t.Fatalf("the newest leaf of %d with %d final: %v", size, m.FinalSize(), err)
		}
	}
	if !early {
		t.Error("a new leaf was never too new for a receipt")
	}
	if got, err := m.Refs(fsm.RefReading, "energy/1"); err != nil || len(got) != 0 {
		t.Errorf("refs of a reading that is not there: %v, %v", got, err)
	}
}

// Metrics are there under their names, count what was decided once, and leave out
// what is replayed.
func TestMetrics(t *testing.T) {
	registries := map[string]*prometheus.Registry{}
	c := newCommittee(t, func(config *Config) {
		registry := prometheus.NewRegistry()
		registries[config.Dir] = registry
		config.Registry = registry
	})
	c.startAll()
	c.must(0, c.deposits("metric", 4)...)
	c.agree()
	emitted := func(i int) float64 {
		total := 0.0
		families, err := registries[c.nodeDir(i)].Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "receipt_emitted_total" {
				for _, m := range f.GetMetric() {
					total += m.GetCounter().GetValue()
				}
			}
		}
		return total
	}
	for i := range c.members {
		c.eventually("receipts are counted", func() error {
			if got := emitted(i); got < 4 {
				return fmt.Errorf("node %d counts %v", i, got)
			}
			return nil
		})
	}
	families, err := registries[c.nodeDir(0)].Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	all := " " + strings.Join(names, " ") + " "
	for _, want := range []string{
		"energy_provider_total", "energy_pending_credits_total", "oracle_active_count", "receipt_pending_depth", "treasury_balance", "treasury_disbursement_backlog", "treasury_disbursement_overdue",
		"tallyvault_applied_entry", "tallyvault_final_lag_leaves", "tallyvault_queue_depth", "tallyvault_peer_refused_total",
		"settlement_audit_balance_total", "settlement_audit_conservation_failures_total", "tallyvault_final_seconds",
	} {
		if !strings.Contains(all, " "+want+" ") {
			t.Errorf("%s is missing in%s", want, all)
		}
	}
	c.kill(1)
	c.start(1)
	c.ready(1)
	c.agree()
	if got := emitted(1); got >= 4 {
		t.Errorf("the replay is counted: %v receipts", got)
	}
}
