package oracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
)

// The world of the tests: one market of electricity in watt-hours, meters of
// 10 kW read every quarter of an hour, and a provider behind each of them.
const (
	quarter = 15 * 60_000
	morning = 1_700_000_000_000
)

func energy() Market {
	return Market{
		ID: "energy", Noun: "electricity", Unit: "kWh", UnitPrice: 25, Asset: "BLOCK", FeeBps: 100,
		SkewMs: 300_000, MaxReadingAgeMs: 7 * 24 * hourMs, DeviationPpm: 50_000, QuorumThresholdPpm: 660_000,
		ExpiryBlocks: 100_000, DisputeWindowBlocks: 100, MaxPendingPerMeter: 1_000, MaxLiveReadings: MaxLiveReadings,
		Mode: ModeRealTime, Stage: StageLive,
	}
}

func meterNamed(id string) Meter {
	return Meter{
		ID: id, Market: "energy", Provider: "sun", Payer: "grid",
		Capacity: 10_000, IntervalMs: quarter, Decimals: 3,
	}
}

// world returns a state with the market, the oracles a to ... of equal weight,
// the provider sun and the meters named.
func world(t testing.TB, m Market, oracles int, meters ...string) *State {
	t.Helper()
	s := NewState()
	allowed(t, s.AddMarket(m))
	for i := range oracles {
		allowed(t, s.SetOracleWeight(m.ID, oracleNamed(i), 1))
	}
	allowed(t, s.AddProvider("sun"))
	for _, id := range meters {
		allowed(t, s.AddMeter(meterNamed(id)))
	}
	s.BeginEpoch(0)
	return s
}

func oracleNamed(i int) string { return fmt.Sprintf("oracle%02d", i) }

func allowed(t testing.TB, r *Refusal) {
	t.Helper()
	if r != nil {
		t.Fatalf("refused: %v", r)
	}
}

// identity makes a distinct identity for every n.
func identity(n uint64) Identity {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
}

// at is the cluster's clock a while after the morning.
func at(ms int64) Clock { return Clock{Now: morning + ms, Height: uint64(ms / 1000)} }

// take submits a reading at the clock, measured then, and returns its number.
func take(t testing.TB, s *State, c Clock, meter string, register uint64) uint64 {
	t.Helper()
	n, _, ref := s.Submit(c, "sun", reading(c, meter, register), identity(s.LastNumber("energy")+1))
	allowed(t, ref)
	return n
}

func reading(c Clock, meter string, register uint64) SubmitReading {
	return SubmitReading{
		Market: "energy", Meter: meter, Register: register, MeasuredAt: c.Now, IssuedAt: c.Now,
		Quality: Quality{"synced", "ok"},
	}
}

// span is the range of the numbers with the hash it must have.
func span(t testing.TB, s *State, from, to uint64) Range {
	t.Helper()
	var ids []Identity
	for n := from; n <= to; n++ {
		id, ok := s.Identity("energy", n)
		if !ok {
			t.Fatalf("number %d has no identity", n)
		}
		ids = append(ids, id)
	}
	return Range{from, to, RangeHash(ids)}
}

// attest lets an oracle accept the numbers and returns what that caused.
func attest(t testing.TB, s *State, c Clock, oracle string, from, to uint64) (AttestResult, []Effect) {
	t.Helper()
	res, fx, ref := s.Attest(c, oracle, Attestation{Market: "energy", Ranges: []Range{span(t, s, from, to)}})
	allowed(t, ref)
	return res, fx
}

// image collects the rows of a state.
func image(s *State) [][]byte {
	var rows [][]byte
	s.Image(func(row []byte) { rows = append(rows, bytes.Clone(row)) })
	return rows
}
