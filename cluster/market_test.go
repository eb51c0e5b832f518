package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// read submits one reading of meter m-1 and lets two oracles attest to it.
func (c *committee) read(i int, register uint64, measuredAt int64) *fsm.Outcome {
	c.t.Helper()
	reading := c.command(fsm.SubmitReading{
		Header: c.single("sunny", "m/m-1"), Market: "energy", Meter: "m-1", Register: register, MeasuredAt: measuredAt,
		Quality: fsm.Quality{ClockSync: "ok", MeterStatus: "ok"},
	}, "submit_reading", "sunny")
	outcome := c.must(i, reading)[0].Outcome
	n := c.members[c.leader()].View().Oracle().LastNumber("energy")
	id := reading.Identity()
	for k, who := range []string{"oracle-a", "oracle-b"} {
		c.must((i+k)%3, c.command(fsm.Attest{
			Header: c.single(who, "0"), Market: "energy", Ranges: []fsm.AttestedRange{{From: n, To: n, Hash: sha256.Sum256(id[:])}},
		}, "attest", who))
	}
	return outcome
}

// A reading goes all the way: accepted, attested, settled, released after its
// window by ticks alone, with receipts that anybody can find and verify, and each of
// it counted once.
func TestReadingToReceipt(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := newCommittee(t, func(config *Config) {
		if strings.HasSuffix(config.Dir, "n0") {
			config.Registry = registry
		}
	}).startAll()
	c.must(0, c.deposit("credit"), c.command(fsm.RegisterMeters{
		ThresholdHeader: c.threshold(), Market: "energy",
		Meters: []fsm.MeterRow{{Meter: "m-1", Provider: "sunny", Payer: "city", Capacity: 1_000_000, IntervalMs: 1_800_000, Decimals: 3}},
	}, "register_meters", "alice", "bob"))
	hour := time.Now().Add(-2 * time.Hour)
	c.read(0, 10_000, hour.UnixMilli())
	second := c.read(1, 14_000, hour.Add(time.Hour).UnixMilli())

	number := fsm.NumberKey("energy", 1)
	m := c.members[2]
	var leaves []uint64
	c.eventually("the settlement is released", func() error {
		var err error
		if leaves, err = m.Refs(fsm.RefSettlement, number); err == nil && len(leaves) < 2 {
			err = fmt.Errorf("%d receipts", len(leaves))
		}
		return err
	})
	for i, kind := range []string{"settlement", "release"} {
		c.final(2, leaves[i]+1)
		r, err := m.Receipt(leaves[i])
		if err != nil {
			t.Fatal(err)
		}
		verified, err := proof.VerifyProof(c.genesis.Policy(), r.File)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := fsm.ParseReceipt(verified.Leaf); err != nil || got != kind {
			t.Errorf("receipt %d is a %s, want a %s: %v", leaves[i], got, kind, err)
		}
	}
	if byReading, err := m.Refs(fsm.RefReading, fsm.NumberKey("energy", 2)); err != nil || len(byReading) != 1 || byReading[0] != leaves[0] {
		t.Errorf("the reading leads to %v, %v", byReading, err)
	}
	if second.Type != fsm.TypeSubmitReading || second.Entry == 0 {
		t.Errorf("outcome %+v", second)
	}
	c.agree()
	c.eventually("all of it is counted", func() error { return counted(registry) })
}

func counted(registry *prometheus.Registry) error {
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()] += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	var errs []error
	for name, want := range map[string]float64{
		"energy_settlements_total": 1, "energy_settlement_total": 1, "energy_kwh_traded_total": 4, "oracle_latency_seconds": 2,
		"oracle_reading_latency_seconds": 2, "energy_provider_fulfillment_ms": 1, "energy_provider_total": 1, "oracle_active_count": 3,
		"energy_pending_credits_total": 0, "treasury_balance": 1, "energy_reading_reject_total": 0,
	} {
		if got[name] != want {
			errs = append(errs, fmt.Errorf("%s is %v, want %v", name, got[name], want))
		}
	}
	return errors.Join(errs...)
}
