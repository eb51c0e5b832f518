package cluster

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/fsm"
)

// Of the state whose snapshots are measured.
const (
	liveMeters    = 1_000
	appliesInTurn = 1_000
	readingsEach  = 16
)

// While a snapshot of many live readings is written, an entry takes at most 10 ms longer
// at the 99th percentile, which is as long as the scheduler lets one goroutine hold a
// core. TALLYVAULT_MEASURE=200000 runs it with so many: it needs a quiet machine and
// three minutes.
func TestApplyDuringSnapshot(t *testing.T) {
	liveReadings, err := strconv.Atoi(os.Getenv("TALLYVAULT_MEASURE"))
	if err != nil {
		t.Skip("TALLYVAULT_MEASURE names no number of readings")
	}
	h := newHistory(t, newCommittee(t))
	for from := 0; from < liveMeters; from += fsm.MaxMetersPerCommand {
		body := fsm.RegisterMeters{ThresholdHeader: h.c.threshold(), Market: "energy"}
		for i := from; i < min(from+fsm.MaxMetersPerCommand, liveMeters); i++ {
			body.Meters = append(body.Meters, fsm.MeterRow{
				Meter: fmt.Sprintf("m-%d", i), Provider: "sunny", Payer: "city", Capacity: 1_000_000, IntervalMs: 1_000, Decimals: 3,
			})
		}
		h.commands(h.c.command(body, "register_meters", "alice", "bob"))
	}
	sent := 0
	for sent < liveReadings {
		h.commands(h.readings(&sent, 200)...)
		if err := h.r.journal.Sync(); err != nil { // as a node that cosigns; it seals, too
			t.Fatal(err)
		}
	}
	h.stated()
	h.cosign(0, 1)
	if live := h.view().Oracle().LastNumber("energy"); live != uint64(liveReadings) {
		t.Fatalf("%d readings are live", live)
	}
	h.measure(&sent, nil) // what is slow the first time counts for nobody
	alone := h.measure(&sent, nil)
	files, err := openSnapshotFiles(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	beside := h.measure(&sent, files)
	t.Logf("an entry of %d readings, alone: p50 %v, p99 %v, most %v; beside a snapshot: p50 %v, p99 %v, most %v", readingsEach,
		alone[appliesInTurn/2], alone[appliesInTurn*99/100], alone[appliesInTurn-1],
		beside[appliesInTurn/2], beside[appliesInTurn*99/100], beside[appliesInTurn-1])
	if more := beside[appliesInTurn*99/100] - alone[appliesInTurn*99/100]; more > 10*time.Millisecond {
		t.Errorf("Apply takes %v longer beside a snapshot", more)
	}
}

// readings are the next ones of all meters in turns.
func (h *history) readings(sent *int, n int) []*fsm.Command {
	var out []*fsm.Command
	for range n {
		meter, round := fmt.Sprintf("m-%d", *sent%liveMeters), *sent/liveMeters
		out = append(out, h.c.command(fsm.SubmitReading{
			Header: h.c.single("sunny", "m/"+meter), Market: "energy", Meter: meter, Register: uint64(round),
			MeasuredAt: h.c.genesis.CreatedAt - 3_600_000 + int64(round)*10_000, Quality: fsm.Quality{ClockSync: "ok", MeterStatus: "ok"},
		}, "submit_reading", "sunny"))
		*sent++
	}
	return out
}

// measure applies entries that were made before and returns how long each took, in
// order of length; while snapshots are written one after the other, if there is a
// place for them.
func (h *history) measure(sent *int, files *snapshotFiles) []time.Duration {
	h.c.t.Helper()
	var logs []*raft.Log
	for i := range uint64(appliesInTurn) {
		e := &fsm.Entry{Number: h.view().Number() + 1 + i, At: h.at, Commands: h.readings(sent, readingsEach)}
		logs = append(logs, command(uint64(len(h.logs))+1+i, 2, 2, e))
	}
	h.logs = append(h.logs, logs...)
	var written chan error
	begin := func(index uint64) {
		s, err := h.r.Snapshot() // between two entries, as Raft does
		if err != nil {
			h.c.t.Fatal(err)
		}
		_, wire := raft.NewInmemTransport("")
		sink, err := files.Create(1, index, 2, raft.Configuration{}, 1, wire)
		if err != nil {
			h.c.t.Fatal(err)
		}
		written = make(chan error, 1)
		go func() { written <- s.Persist(sink) }()
	}
	var took []time.Duration
	snapshots, since := 0, time.Now()
	for _, l := range logs {
		if files != nil && written == nil {
			begin(l.Index)
		}
		began := time.Now()
		result, ok := h.r.ApplyBatch([]*raft.Log{l})[0].(*fsm.Result)
		took = append(took, time.Since(began))
		if !ok || result.Refused {
			h.c.t.Fatalf("entry %d is refused", l.Index)
		}
		if refusal := result.Outcomes[readingsEach-1].Refusal; refusal != nil {
			h.c.t.Fatal(refusal)
		}
		select {
		case err := <-written:
			if err != nil {
				h.c.t.Fatal(err)
			}
			written = nil
			snapshots++
		default:
		}
	}
	if written != nil {
		if err := <-written; err != nil {
			h.c.t.Fatal(err)
		}
	}
	h.c.t.Logf("%d entries in %v, %d snapshots written meanwhile", len(logs), time.Since(since), snapshots)
	slices.Sort(took)
	return took
}
