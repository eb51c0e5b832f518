package oracle

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// again loads the image of a state into a new one.
func again(t interface{ Fatal(...any) }, s *State) *State {
	out := NewState()
	s.Image(func(row []byte) {
		if err := out.Load(row); err != nil {
			t.Fatal(err)
		}
	})
	consistent(t, out)
	return out
}

// same compares two states by their images, and by everything that can be
// asked: what the image forgets would be equal in both images.
func same(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, a, b *State,
) {
	if rows(a) != rows(b) {
		t.Fatalf("images differ:\n%s\n%s", rows(a), rows(b))
	}
	if x, y := told(a), told(b); x != y {
		t.Fatalf("answers differ:\n%s\n%s", x, y)
	}
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// told is everything a state answers, as one string.
func told(s *State) string {
	var b strings.Builder
	line := func(v any) { fmt.Fprintf(&b, "%+v\n", v) }
	s.Markets(func(m Market) bool {
		line(m)
		s.Scheduled(m.ID, func(epoch uint64, m Market) bool {
			line(epoch)
			line(m)
			return true
		})
		line(s.Weights(m.ID))
		newest, _ := s.Electorate(m.ID, 0)
		for back := range min(newest.Number, 20) {
			e, ok := s.Electorate(m.ID, newest.Number-back)
			line(ok)
			line(e)
		}
		line(s.LastNumber(m.ID))
		line(s.LastSettlement(m.ID))
		s.Pending(m.ID, 0, func(r Reading) bool {
			line(r)
			return true
		})
		s.Settlements(m.ID, 0, func(set Settlement) bool {
			line(set)
			return true
		})
		return true
	})
	s.Providers("", func(p Provider) bool {
		line(p)
		return true
	})
	s.Meters("", func(m Meter) bool {
		line(m)
		s.PendingOfMeter(m.ID, func(r Reading) bool {
			line(r.Number)
			return true
		})
		return true
	})
	return b.String()
}

// populated is a small state with something in every table.
func populated(t testing.TB) *State {
	t.Helper()
	s := world(t, energy(), 3, "cellar", "roof")
	take(t, s, at(0), "roof", 100)
	attest(t, s, at(0), oracleNamed(0), 1, 1)
	attest(t, s, at(0), oracleNamed(1), 1, 1)
	take(t, s, at(hourMs), "roof", 8_110)
	attest(t, s, at(hourMs), oracleNamed(0), 2, 2)
	attest(t, s, at(hourMs), oracleNamed(1), 2, 2)
	allowed(t, s.AddProvider("moon"))
	allowed(t, s.SetProviderActive("moon", false))
	allowed(t, s.SetOracleWeight("energy", oracleNamed(2), 7))
	s.BeginEpoch(1)
	take(t, s, at(2*hourMs), "roof", 9_000)
	take(t, s, at(3*hourMs), "roof", 9_900)
	for _, rejects := range [][]uint64{nil, {3}} {
		_, _, ref := s.Attest(at(3*hourMs), oracleNamed(1), Attestation{
			Market: "energy", Ranges: []Range{span(t, s, 3, 3)}, Rejects: rejects, Values: []Value{{3, 9_001}},
		})
		allowed(t, ref)
	}
	attest(t, s, at(3*hourMs), oracleNamed(2), 4, 4)
	water := energy()
	water.ID, water.Unit, water.Stage = "water", "m3", StageRehearsal
	allowed(t, s.AddMarket(water))
	water.UnitPrice = 3
	allowed(t, s.ScheduleMarket(water, 9, 1))
	consistent(t, s)
	return s
}

func TestImageAgain(t *testing.T) { same(t, populated(t), again(t, populated(t))) }

// TestImageGolden pins rows of every table in bytes.
func TestImageGolden(t *testing.T) {
	text := func(s string) string { return fmt.Sprintf("%02x%x", len(s), s) }
	u64 := func(v uint64) string { return fmt.Sprintf("%016x", v) }
	u32 := func(v uint32) string { return fmt.Sprintf("%08x", v) }
	energyKey, id2 := text("energy"), identity(2)
	terms := func(unit string, price uint64, stage string) string {
		return text("electricity") + text(unit) + u64(price) + text("BLOCK") + u32(100) + u64(300_000) + u64(7*24*hourMs) +
			u32(50_000) + u32(660_000) + u64(100_000) + u64(100) + u32(1_000) + u32(MaxLiveReadings) + text(ModeRealTime) + text(stage)
	}
	want := []string{
		"01" + energyKey + terms("kWh", 25, "live") + u64(2) + u64(4) + u64(1),
		"01" + text("water") + terms("m3", 25, "rehearsal") + u64(0) + u64(0) + u64(0),
		"02" + text("water") + u64(9) + terms("m3", 3, "rehearsal"),
		"03" + energyKey + text("oracle00") + u64(1),
		"03" + energyKey + text("oracle01") + u64(1),
		"03" + energyKey + text("oracle02") + u64(7),
		"04" + energyKey + u64(2) + u64(1) + u32(660_000) + "03" + text("oracle00") + u64(1) + text("oracle01") + u64(1) + text("oracle02") + u64(7),
		"05" + text("moon") + "00",
		"05" + text("sun") + "01",
		"06" + text("cellar") + energyKey + text("sun") + text("grid") + u64(10_000) + u64(quarter) + "03" + "00" + u64(0) + u64(0) + u64(0),
		"06" + text("roof") + energyKey + text("sun") + text("grid") + u64(10_000) + u64(quarter) + "03" + "01" + u64(8_110) + u64(morning+hourMs) + u64(250),
		"07" + energyKey + u64(1) + "04" + identity(1).String() + id2.String() + identity(3).String() + identity(4).String(),
		"08" + energyKey + u64(3) + identity(3).String() + text("roof") + u64(9_000) + u64(morning+2*hourMs) + u64(morning+2*hourMs) +
			u64(morning+2*hourMs) + u64(7_200) + u64(107_200) + u64(2) + text("synced") + text("ok") + u64(0b010) + u64(0) + "00" + u64(0b010) + "01" + "01" + u64(9_001),
		"08" + energyKey + u64(4) + identity(4).String() + text("roof") + u64(9_900) + u64(morning+3*hourMs) + u64(morning+3*hourMs) +
			u64(morning+3*hourMs) + u64(10_800) + u64(110_800) + u64(2) + text("synced") + text("ok") + u64(0b100) + u64(0) + "01" + u64(0) + "00",
		"09" + energyKey + u64(1) + text("roof") + text("sun") + text("grid") + text("BLOCK") + "0001" + id2.String() +
			u64(2) + u64(2) + u64(100) + u64(8_110) + u64(8_010) + u64(morning) + u64(morning+hourMs) + u64(25) + u64(0) + u64(250) +
			u64(3_600) + u64(0) + u64(0) + u64(200) + u64(0) + u64(2) + u64(0) + u64(198) + "03" + u32(100) + "00",
	}
	got := image(populated(t))
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i, row := range got {
		if hex.EncodeToString(row) != want[i] {
			t.Errorf("row %d is\n%x, want\n%s", i, row, want[i])
		}
	}
}

// TestImageSeesEverything changes one thing at a time and expects the image to
// tell.
func TestImageSeesEverything(t *testing.T) {
	base := populated(t)
	seen := map[string]string{rows(base): "nothing"}
	for name, change := range map[string]func(s *State){
		"weight":     func(s *State) { s.SetOracleWeight("energy", oracleNamed(0), 2) },
		"active":     func(s *State) { s.SetProviderActive("moon", true) },
		"provider":   func(s *State) { s.AddProvider("star") },
		"meter":      func(s *State) { s.AddMeter(meterNamed("attic")) },
		"scheduled":  func(s *State) { s.ScheduleMarket(energy(), 99, 1) },
		"activated":  func(s *State) { s.BeginEpoch(9) },
		"vote":       func(s *State) { attest(t, s, at(4*hourMs), oracleNamed(0), 3, 3) },
		"other vote": func(s *State) { say(t, s, at(4*hourMs), 0, 3, false) },
		"value":      func(s *State) { say(t, s, at(4*hourMs), 0, 3, true, 1) },
		"contra":     func(s *State) { say(t, s, at(4*hourMs), 2, 4, false) },
		"expired":    func(s *State) { s.Expire(at(4*hourMs), "energy", 3) },
		"funded":     func(s *State) { s.Funded("energy", 1, at(4*hourMs)) },
		"released":   func(s *State) { s.Funded("energy", 1, at(0)); s.Release("energy", 1) },
		"reading":    func(s *State) { take(t, s, at(4*hourMs), "cellar", 1) },
		"balance":    func(s *State) { m, _ := s.meters.Get("roof"); m.remainder++; s.meters.Set("roof", m) },
	} {
		s := base.Copy()
		change(s)
		if other, ok := seen[rows(s)]; ok {
			t.Errorf("%s looks like %s", name, other)
		}
		seen[rows(s)] = name
	}
}
