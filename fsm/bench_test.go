package fsm

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"testing"

	"github.com/tallyvault/tallyvault/oracle"
)

// perEntry is how many readings a busy leader packs into one entry.
const perEntry = 128

// fleet is a rig with that many meters of one provider.
func fleet(b *testing.B, meters int) *rig {
	r := world(b)
	for start := 0; start < meters; start += MaxMetersPerCommand {
		body := &RegisterMeters{Market: "energy"}
		for i := start; i < min(start+MaxMetersPerCommand, meters); i++ {
			body.Meters = append(body.Meters, MeterRow{
				Meter: siteName(i), Provider: "sunny", Payer: "city", Capacity: 10_000, IntervalMs: 1_800_000, Decimals: 3,
			})
		}
		r.must(r.threshold(body))
	}
	return r
}

func siteName(i int) string { return fmt.Sprintf("site-%06d.main", i) }

// batches are entries full of readings as they lie in the log, a few rounds over
// all meters.
func (r *rig) batches(meters, rounds int) [][]byte {
	var raws [][]byte
	e := &Entry{Number: r.m.Number(), At: r.now}
	for round := range rounds {
		for i := range meters {
			at := r.now - int64(rounds-round)*1_800_000
			e.Commands = append(e.Commands, r.sign("sunny", r.reading(siteName(i), uint64(1_000+100*round), at)))
			if len(e.Commands) == perEntry {
				e.Number++
				raws = append(raws, e.Encode())
				e.Commands = nil
			}
		}
	}
	return raws
}

func decodeAll(b *testing.B, raws [][]byte) []*Entry {
	entries := make([]*Entry, len(raws))
	for i, raw := range raws {
		e, err := DecodeEntry(raw)
		if err != nil {
			b.Fatal(err)
		}
		entries[i] = e
	}
	return entries
}

func perCommand(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perEntry, "ns/command")
}

// BenchmarkApplyReadings applies entries of 128 readings, whose signatures are
// verified, of 10,000 meters. A view is kept of every entry, as cluster does.
func BenchmarkApplyReadings(b *testing.B) {
	const meters = 10_000
	r := fleet(b, meters)
	raws := r.batches(meters, 3)
	entries := decodeAll(b, raws)
	for _, e := range entries {
		VerifyCommands(rand.Reader, r.m.Keys(), e.Commands)
	}
	m := r.twin()
	var view *View
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(entries) == 0 {
			m = r.twin()
		}
		result := m.Apply(raws[i%len(raws)], entries[i%len(entries)])
		if o := result.Outcomes[perEntry-1]; o.Refusal != nil {
			b.Fatal(o.Refusal)
		}
		view = m.View()
	}
	perCommand(b)
	runtime.KeepAlive(view)
}

// BenchmarkApplyVotes applies entries of three attestations of 128 readings each:
// the second makes the quorum, and every reading is settled.
func BenchmarkApplyVotes(b *testing.B) {
	const meters = 10_000
	r := fleet(b, meters)
	for _, raw := range r.batches(meters, 2) {
		e, _ := DecodeEntry(raw)
		r.apply(e)
	}
	base := r.twin()
	var raws [][]byte
	last := r.m.state.oracle.LastNumber("energy")
	for n := uint64(1); n+perEntry-1 <= last; n += perEntry {
		e := &Entry{Number: r.m.Number() + 1 + uint64(len(raws)), At: r.now}
		for _, who := range []string{"oracle-a", "oracle-b", "oracle-c"} {
			e.Commands = append(e.Commands, r.sign(who, r.attestation(n, n+perEntry-1)))
		}
		raws = append(raws, e.Encode())
	}
	entries := decodeAll(b, raws)
	for _, e := range entries {
		VerifyCommands(rand.Reader, r.m.Keys(), e.Commands)
	}
	m := r.twin()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(entries) == 0 {
			m = &Machine{state: base.state.copy(), frozen: base.frozen, digest: base.digest}
		}
		m.Apply(raws[i%len(raws)], entries[i%len(entries)])
		m.View()
	}
	perCommand(b)
}

// BenchmarkDecodeEntry parses entries of 128 readings.
func BenchmarkDecodeEntry(b *testing.B) {
	raws := fleet(b, perEntry).batches(perEntry, 1)
	b.SetBytes(int64(len(raws[0])))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeEntry(raws[0]); err != nil {
			b.Fatal(err)
		}
	}
	perCommand(b)
}

// BenchmarkVerifyCommands checks the signatures of 128 readings in one batch.
func BenchmarkVerifyCommands(b *testing.B) {
	r := fleet(b, perEntry)
	e := decodeAll(b, r.batches(perEntry, 1))[0]
	keys := r.m.Keys()
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range e.Commands {
			c.marks[0] = unchecked
		}
		VerifyCommands(rand.Reader, keys, e.Commands)
	}
	perCommand(b)
}

// BenchmarkEncodeReceipt writes one settlement receipt.
func BenchmarkEncodeReceipt(b *testing.B) {
	r := world(b)
	r.must(r.sign("sunny", r.reading("m-1", 0, r.now-7_200_000)), r.sign("sunny", r.reading("m-1", 500, r.now)))
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
	body := r.last.Receipts[1].Body.(*SettlementReceipt)
	b.SetBytes(int64(len(encodeReceipt(body))))
	b.ReportAllocs()
	for b.Loop() {
		encodeReceipt(body)
	}
}

// BenchmarkOutcome encodes the outcome of a reading: its link in the chain, its
// record beside the journal, and the JSON of an answer.
func BenchmarkOutcome(b *testing.B) {
	r := world(b)
	o := r.must(r.sign("sunny", r.reading("m-1", 0, r.now)))[0]
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"link", func() { o.link(o.ID) }},
		{"record", func() { o.Record() }},
		{"json", func() { o.JSON() }},
	} {
		b.Run(part.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				part.run()
			}
		})
	}
}

// crowded is a rig with live readings put straight into the oracle floor.
func crowded(b *testing.B, readings int) *rig {
	const meters = 10_000
	r := fleet(b, meters)
	clock := oracleClock(r.m.state)
	for i := range readings {
		at := r.now - int64(readings/meters-i/meters)*1_800_000
		id := oracle.Identity{byte(i), byte(i >> 8), byte(i >> 16), 1}
		_, fx, refusal := r.m.state.oracle.Submit(clock, "sunny", oracle.SubmitReading{
			Market: "energy", Meter: siteName(i % meters), Register: uint64(i), MeasuredAt: at, IssuedAt: r.now,
		}, id)
		if refusal != nil {
			b.Fatal(refusal)
		}
		for _, f := range fx {
			due := f.(oracle.DueExpire)
			r.m.state.scheduleExpiry(due.Height, due.Market, due.Number)
		}
	}
	return r
}

// BenchmarkDigest walks a state with 200,000 live readings.
func BenchmarkDigest(b *testing.B) {
	view := crowded(b, 200_000).m.View()
	b.ReportAllocs()
	for b.Loop() {
		view.Digest()
	}
}

// BenchmarkView takes a view of a state with 200,000 live readings.
func BenchmarkView(b *testing.B) {
	r := crowded(b, 200_000)
	b.ReportAllocs()
	for b.Loop() {
		r.m.View()
	}
}

// BenchmarkReadSnapshot restores a state with 200,000 live readings.
func BenchmarkReadSnapshot(b *testing.B) {
	r := crowded(b, 200_000)
	whole := snapshotOf(b, r.m.View())
	b.SetBytes(int64(len(whole)))
	b.ReportAllocs()
	for b.Loop() {
		readSnapshot(b, r, whole)
	}
}
