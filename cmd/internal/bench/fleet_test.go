package bench

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Whatever is signed in portions, each meter's readings rise by one, all of one
// meter lie with one client, and no meter is ahead of its client's others by more
// than one.
func TestReadingsOfAMeterAreInOrder(t *testing.T) {
	signer := client.Signer{Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	f := newFleet("energy", "x", trial.Parties{Suffix: "0"}, 10)
	owner, nonce := map[string]int{}, map[string]uint64{}
	for _, total := range []int{0, 7, 50, 33} {
		requests, err := f.sign(context.Background(), signer, 3, 4, total)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for c, mine := range requests {
			for _, r := range mine {
				count += r.n
				for line := range bytes.Lines(r.body) {
					reading := readingIn(t, line)
					if last, ok := owner[reading.Meter]; ok && last != c {
						t.Fatalf("clients %d and %d both send for %s", last, c, reading.Meter)
					}
					owner[reading.Meter] = c
					if nonce[reading.Meter]++; reading.Nonce != nonce[reading.Meter] {
						t.Fatalf("%s has nonce %d, want %d", reading.Meter, reading.Nonce, nonce[reading.Meter])
					}
					if age := time.Since(time.UnixMilli(reading.MeasuredAt)); age < 0 || age > history {
						t.Fatalf("a reading is measured %v ago", age)
					}
				}
			}
		}
		if total == 0 && count != 10 || count < total {
			t.Errorf("%d readings were signed, wanted %d", count, total)
		}
	}
	for i, id := range f.ids {
		for j, other := range f.ids {
			if owner[id] == owner[other] && max(f.next[i], f.next[j])-min(f.next[i], f.next[j]) > 1 {
				t.Errorf("%s is at %d and %s at %d", id, f.next[i], other, f.next[j])
			}
		}
	}
}

func readingIn(t *testing.T, line []byte) fsm.SubmitReading {
	t.Helper()
	e, err := envelope.Parse(bytes.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	var reading fsm.SubmitReading
	if err := strict.Decode(e.Payload, &reading); err != nil {
		t.Fatal(err)
	}
	return reading
}

// Signing stops where the meters' time is used up.
func TestSigningEndsWithHistory(t *testing.T) {
	signer := client.Signer{Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	f := newFleet("energy", "x", trial.Parties{Suffix: "0"}, 1)
	f.next[0] = mostOfMeter - 1
	requests, err := f.sign(context.Background(), signer, 1, 4, 8)
	if err != nil || len(requests[0]) != 1 || requests[0][0].n != 2 {
		t.Errorf("%d requests, %v; want one of two readings", len(requests[0]), err)
	}
}

func TestRoom(t *testing.T) {
	f := &fleet{ids: make([]string, 10)}
	for _, c := range []struct{ pending, live, sent, want int }{
		{5, 1000, 0, 50},
		{5, 30, 0, 30},
		{5, 30, 25, 5},
		{1 << 30, 1 << 30, 0, 100_000},
	} {
		if got := f.room(c.pending, c.live, c.sent); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestFinality(t *testing.T) {
	start := time.Unix(1, 0)
	f := &finality{}
	for i, size := range []uint64{10, 10, 8, 20} {
		f.note(start.Add(time.Duration(i)*time.Second), size)
	}
	h, err := f.judge(context.Background(), []sample{{start, 9}, {start, 10}, {start, 19}})
	if err != nil {
		t.Fatal(err)
	}
	if p1, p99 := h.quantile(1), h.quantile(99); p1 != 0 || p99 < 3*time.Second || p99 > 3100*time.Millisecond {
		t.Errorf("quickest %v, slowest %v; want none and 3 s", p1, p99)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.judge(ended, []sample{{start, 20}}); err == nil {
		t.Error("leaf 20 counts as final under a checkpoint of size 20")
	}
}
