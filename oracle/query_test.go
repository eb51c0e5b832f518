package oracle

import (
	"fmt"
	"strings"
	"testing"
)

// TestPages reads every table from somewhere in the middle, one row at a time,
// and asks for what is not there.
func TestPages(t *testing.T) {
	s := populated(t)
	var got []string
	page := func(what string, n any) bool {
		got = append(got, fmt.Sprint(what, " ", n))
		return false
	}
	s.Markets(func(m Market) bool { return page("market", m.ID) })
	s.Scheduled("water", func(epoch uint64, _ Market) bool { return page("scheduled", epoch) })
	s.Providers("moon", func(p Provider) bool { return page("provider", p.ID) })
	s.Meters("cellar", func(m Meter) bool { return page("meter", m.ID) })
	s.Meters("d", func(m Meter) bool { return page("meter", m.ID) })
	s.Pending("energy", 3, func(r Reading) bool { return page("reading", r.Number) })
	s.PendingOfMeter("roof", func(r Reading) bool { return page("of roof", r.Number) })
	s.Settlements("energy", 0, func(set Settlement) bool { return page("settlement", set.Number) })
	s.Settlements("energy", 1, func(set Settlement) bool { return page("settlement", set.Number) })
	want := "market energy, scheduled 9, provider sun, meter roof, meter roof, reading 4, of roof 3, settlement 1"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s", strings.Join(got, ", "))
	}
	if p, ok := s.Provider("moon"); !ok || p.Active {
		t.Errorf("the provider is %+v", p)
	}

	none := func(what string, ok bool) {
		t.Helper()
		if ok {
			t.Errorf("there is a %s that is not", what)
		}
	}
	for _, market := range []string{"gas", "energy"} {
		_, ok := s.Reading(market, 1)
		none("reading", ok)
		_, ok = s.Settlement(market, 2)
		none("settlement", ok)
		_, ok = s.Electorate(market, 7)
		none("electorate", ok)
		_, ok = s.Identity(market, 5)
		none("identity", ok)
		_, ok = s.Identity(market, 0)
		none("identity", ok)
		_, _, total, _ := s.Tally(Reading{Market: market, Electorate: 7})
		none("tally", total != 0)
	}
	_, ok := s.Market("gas")
	none("market", ok)
	_, ok = s.Meter("gas")
	none("meter", ok)
	none("number", s.LastNumber("gas") != 0 || s.LastSettlement("gas") != 0 || s.Weights("gas") != nil)
	s.Pending("gas", 0, func(Reading) bool { none("reading", true); return true })
	s.PendingOfMeter("gas", func(Reading) bool { none("reading", true); return true })
	s.Settlements("gas", 0, func(Settlement) bool { none("settlement", true); return true })
	s.Scheduled("gas", func(uint64, Market) bool { none("row", true); return true })
}

// What questions return is the caller's: changing it changes no state.
func TestAnswersAreCopies(t *testing.T) {
	s := populated(t)
	before := told(s)
	s.Weights("energy")[0].Weight = 99
	e, _ := s.Electorate("energy", 0)
	e.Members[0].Weight = 99
	r, _ := s.Reading("energy", 3)
	r.Values[0].Register = 99
	set, _ := s.Settlement("energy", 1)
	set.Readings[0] = Identity{}
	if told(s) != before {
		t.Error("an answer shares memory with the state")
	}
}
