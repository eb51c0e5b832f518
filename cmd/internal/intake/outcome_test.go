package intake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func refusal(code string, fields ...string) client.Result {
	r := &client.Refused{Code: code, Cause: "cause", Recovery: "recovery", Fields: map[string]string{}}
	for i := 0; i < len(fields); i += 2 {
		r.Fields[fields[i]] = fields[i+1]
	}
	return client.Result{Err: fmt.Errorf("sending: %w", r)}
}

// TestTake says what becomes of a reading after each kind of answer.
func TestTake(t *testing.T) {
	ahead := time.Now().Add(time.Hour).UnixMilli()
	for _, c := range []struct {
		name             string
		got              client.Result
		fate             fate
		accepted, there  int
		refused          int
		nonce            uint64
		stopped, unknown bool
	}{
		{name: "accepted", fate: settled, accepted: 1, nonce: 7},
		{name: "sent by somebody else", got: refusal("SettlementConflict", "reason", "duplicate"), fate: settled, there: 1, nonce: 7},
		{name: "closed meanwhile", got: refusal("SettlementConflict", "reason", "closed"), fate: settled, there: 1, nonce: 7},
		{name: "too old", got: refusal("SettlementConflict", "reason", "too_old"), fate: settled, refused: 1, nonce: 7},
		{name: "of the future", got: refusal("TimestampSkew", "measured_at", "5"), fate: settled, refused: 1, nonce: 7},
		{name: "a full meter", got: refusal("LimitExceeded", "limit", "pending_per_meter"), fate: waits, nonce: 7},
		{name: "a full market", got: refusal("LimitExceeded", "limit", "live_readings"), fate: waits, nonce: 7},
		{name: "a nonce that is used", got: refusal("NonceReplay"), fate: anew, nonce: 0},
		{name: "a nonce too far on", got: refusal("LimitExceeded", "limit", "nonce_gap"), fate: anew, nonce: 0},
		{name: "a clock behind", got: refusal("TimestampSkew", "now", strconv.FormatInt(ahead, 10)), fate: anew, nonce: 7},
		{name: "another provider's meter", got: refusal("MeterMismatch"), fate: settled, refused: 1, nonce: 7, stopped: true},
		{name: "a key that is not known", got: refusal("UnknownKey"), fate: settled, refused: 1, nonce: 7, stopped: true},
		{name: "unknown", got: client.Result{Err: fmt.Errorf("%w: reset", client.ErrUnknown)}, fate: open, nonce: 7, unknown: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &sender{Config: Config{Market: api.Market{MaxPendingPerMeter: 5}}}
			l := &lot{meter: "a", nonce: 7}
			got, err := s.take(l, Reading{MeasuredAt: ms(30)}, envelope.Envelope{}, c.got)
			if got != c.fate || errors.Is(err, client.ErrUnknown) != c.unknown {
				t.Errorf("fate %d, %v, want %d", got, err, c.fate)
			}
			if s.result.Accepted != c.accepted || s.result.There != c.there || s.result.Refused() != c.refused {
				t.Errorf("result %+v", s.result)
			}
			if (got == settled) != (s.done == 1) || l.nonce != c.nonce || (l.stopped != nil) != c.stopped {
				t.Errorf("%d done, nonce %d, stopped by %v", s.done, l.nonce, l.stopped)
			}
			if (got == waits) != (l.open == 5) {
				t.Errorf("%d open", l.open)
			}
			if behind := s.behind > 59*time.Minute; behind != (c.name == "a clock behind") {
				t.Errorf("the clock is taken to be %v behind", s.behind)
			}
		})
	}
}

// TestTakePart keeps in its lot what has no outcome, in order, and gives up on a lot
// that is signed anew again and again.
func TestTakePart(t *testing.T) {
	s := &sender{Config: Config{Market: api.Market{MaxPendingPerMeter: 5}}}
	l := &lot{meter: "a", left: []Reading{{MeasuredAt: 1}, {MeasuredAt: 2}, {MeasuredAt: 3}, {MeasuredAt: 4}}}
	outcomes := []client.Result{refusal("NonceReplay"), {}, refusal("LimitExceeded", "limit", "pending_per_meter")}
	if err := s.takePart(part{l, l.left[:3]}, make([]envelope.Envelope, 3), outcomes); err != nil {
		t.Fatal(err)
	}
	if len(l.left) != 3 || l.left[0].MeasuredAt != 1 || l.left[1].MeasuredAt != 3 || l.left[2].MeasuredAt != 4 || l.rebuilds != 1 {
		t.Errorf("left %v after %d rebuilds", l.left, l.rebuilds)
	}
	for range maxRebuilds {
		if err := s.takePart(part{l, l.left[:1]}, make([]envelope.Envelope, 1), outcomes[:1]); err != nil {
			t.Fatal(err)
		}
	}
	if l.stopped == nil || len(l.left) != 2 || s.result.Refused() != 1 {
		t.Errorf("%v left, stopped by %v, %+v", l.left, l.stopped, s.result)
	}
	if again := (&lot{left: l.left}); len((&sender{lots: []*lot{again, {stopped: errNoRoom, left: l.left}, {}}}).wanting()) != 1 {
		t.Error("a lot that was given up or is empty wants to go on")
	}
}

// TestCompose shares a request among the lots that have room.
func TestCompose(t *testing.T) {
	many := make([]Reading, 3*maxInRequest)
	s := &sender{Config: Config{Market: api.Market{MaxPendingPerMeter: 10_000}}, lots: []*lot{
		{meter: "new", left: many},
		{meter: "a", left: many, proven: true},
		{meter: "b", left: many, proven: true, open: 9_990},
		{meter: "full", left: many, proven: true, open: 10_000},
		{meter: "over", left: many, proven: true, open: 10_001},
	}}
	got := ""
	for _, p := range s.compose() {
		got += fmt.Sprintf("%s %d ", p.lot.meter, len(p.readings))
	}
	if got != "new 1 a 204 b 10 " {
		t.Errorf("composed %s", got)
	}
	s.lots = nil
	for range 2 * maxInRequest {
		s.lots = append(s.lots, &lot{left: many})
	}
	if n := len(s.compose()); n != maxInRequest {
		t.Errorf("%d readings in a request", n)
	}
}

func TestRefusalsAreGathered(t *testing.T) {
	s := &sender{}
	for i, code := range []string{"MeterMismatch", "UnknownKey", "MeterMismatch"} {
		refused, _ := errors.AsType[*client.Refused](refusal(code).Err)
		s.note(&lot{meter: fmt.Sprint("m", i)}, Reading{MeasuredAt: int64(i)}, refused)
	}
	r := s.result
	if len(r.Refusals) != 2 || r.Refusals[0].Readings != 2 || r.Refusals[0].Meter != "m0" || r.Refusals[0].Recovery != "recovery" || r.Refused() != 3 {
		t.Errorf("%+v", r.Refusals)
	}
	for want, reason := range map[string]string{
		"interrupted":         reasonOf(nil, fmt.Errorf("x: %w", context.Canceled)),
		"no node answered":    reasonOf(nil, fmt.Errorf("%w: x", client.ErrUnavailable)),
		errNoRoom.Error():     reasonOf(errNoRoom, client.ErrUnknown),
		"something different": reasonOf(nil, errors.New("something different")),
	} {
		if reason != want {
			t.Errorf("%q, want %q", reason, want)
		}
	}
}

// TestUnits turns a market's unit into decimals of a kWh.
func TestUnits(t *testing.T) {
	for unit, want := range map[string]int{"Wh": 5, "kWh": 2, "MWH": -1} {
		if got, err := Decimals(unit, 2); got != want || err != nil {
			t.Errorf("%s with 2 decimals: %d of a kWh, %v", unit, got, err)
		}
	}
	if _, err := Decimals("GiB", 2); err == nil {
		t.Error("bytes were taken for energy")
	}
	base, newest := &api.Base{Register: 5, MeasuredAt: 50}, &api.Base{Register: 7, MeasuredAt: 70}
	if MarkOf(api.Meter{}) != nil || MarkOf(api.Meter{Base: base}).Register != 5 || *MarkOf(api.Meter{Base: base, Newest: newest}) != (Mark{7, 70}) {
		t.Error("the mark is not the newest register")
	}
	b := Within(api.Market{MaxReadingAgeMs: 600_000}, at(0))
	if b.Oldest != ms(-9) || b.Latest != ms(0) {
		t.Errorf("%+v", b)
	}
}
