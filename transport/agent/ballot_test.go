package agent

import (
	"log/slog"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

func identityOf(n uint64) oracle.Identity { return oracle.Identity{byte(n >> 8), byte(n)} }

// Whatever is voted on, the attestations say exactly those votes, within the
// limits, and their ranges name the readings by the right hash.
func TestAttestationsSayTheVotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ballots []ballot
		n := uint64(rapid.IntRange(1, 5).Draw(t, "first"))
		for range rapid.IntRange(0, 3000).Draw(t, "votes") {
			ballots = append(ballots, ballot{n, identityOf(n), rapid.IntRange(0, 9).Draw(t, "reject") == 0})
			n += uint64(rapid.SampledFrom([]int{1, 1, 1, 1, 1, 1, 1, 1, 2, 50}).Draw(t, "gap"))
		}
		said := map[uint64]bool{}
		last := uint64(0)
		for _, a := range attestations("energy", ballots) {
			rejects := map[uint64]bool{}
			for _, r := range a.Rejects {
				rejects[r] = true
			}
			readings := 0
			for _, r := range a.Ranges {
				if r.From <= last || r.To < r.From {
					t.Fatalf("range %d-%d after %d", r.From, r.To, last)
				}
				var identities []oracle.Identity
				for i := r.From; i <= r.To; i++ {
					identities = append(identities, identityOf(i))
					said[i] = rejects[i]
					readings++
				}
				if r.Hash != oracle.RangeHash(identities) {
					t.Fatalf("range %d-%d has the wrong hash", r.From, r.To)
				}
				last = r.To
			}
			if len(a.Ranges) > oracle.MaxRanges || readings > oracle.MaxAttested || readings == 0 {
				t.Fatalf("%d ranges with %d readings", len(a.Ranges), readings)
			}
		}
		if len(said) != len(ballots) {
			t.Fatalf("%d votes said, %d cast", len(said), len(ballots))
		}
		for _, b := range ballots {
			if reject, ok := said[b.number]; !ok || reject != b.reject {
				t.Fatalf("vote on %d is lost or turned", b.number)
			}
		}
	})
}

func TestMemory(t *testing.T) {
	m := memory{}
	base := &api.Base{Register: 100, MeasuredAt: 1000}
	if got := m.earlier("m", nil, 5000); got != nil {
		t.Errorf("nothing known, yet %+v", got)
	}
	m.add("m", register{300, 3000})
	m.add("m", register{200, 2000})
	m.add("m", register{201, 2000}) // superseded
	for before, want := range map[int64]register{1001: {100, 1000}, 2000: {100, 1000}, 2001: {201, 2000}, 3000: {201, 2000}, 9000: {300, 3000}} {
		if got := m.earlier("m", base, before); got == nil || *got != want {
			t.Errorf("before %d: %+v, want %+v", before, got, want)
		}
	}
	if got := m.earlier("m", base, 1000); got != nil {
		t.Errorf("the base is not earlier than itself: %+v", got)
	}
	m.forget("m", &api.Base{Register: 201, MeasuredAt: 2000})
	if len(m["m"]) != 1 {
		t.Errorf("remembered %v", m["m"])
	}
	m.forget("m", &api.Base{Register: 300, MeasuredAt: 3000})
	if len(m) != 0 {
		t.Errorf("meters without registers are kept: %v", m)
	}
	for i := range maxRemembered + 10 {
		m.add("m", register{uint64(i), int64(i)})
	}
	if len(m["m"]) != maxRemembered || m["m"][0].measuredAt != 10 {
		t.Errorf("%d remembered from %d on", len(m["m"]), m["m"][0].measuredAt)
	}
}

func reading(number uint64, register uint64, measuredAt int64, votes ...api.Vote) api.Reading {
	value := api.Uint64(register)
	id := identityOf(number)
	return api.Reading{
		Market: "energy", Meter: "m", Number: api.Uint64(number), Identity: id.String(), Register: &value,
		MeasuredAt: measuredAt, AcceptedAt: measuredAt, Votes: votes,
		Base: &api.Base{Register: 1000, MeasuredAt: 0},
	}
}

func watcherWith(limit uint64) *watcher {
	step := api.Uint64(limit)
	a := &Agent{config: Config{Policy: Policy{Default: Abstain, Rules: []Rule{{Market: "energy", Meter: "*", MaxRegisterStep: &step}}}}}
	return &watcher{
		agent: a, market: "energy", oracle: "me", seen: memory{}, cast: map[uint64]bool{}, log: slog.New(slog.DiscardHandler),
	}
}

// Readings are compared in order of measuring, whatever order they came in, and
// an implausible one is no measure for the next.
func TestJudgeAPage(t *testing.T) {
	w := watcherWith(10)
	got := w.judge([]api.Reading{reading(5, 1020, 300), reading(6, 1010, 200), reading(7, 5000, 400), reading(8, 1025, 500)})
	want := []ballot{{5, identityOf(5), false}, {6, identityOf(6), false}, {7, identityOf(7), true}, {8, identityOf(8), false}}
	if len(got) != len(want) {
		t.Fatalf("votes %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("vote %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// An oracle never says anything different about a reading a second time: not
// after a restart, when it sees its vote, nor when a page is tried again after
// the meter's base has moved.
func TestNoSecondOpinion(t *testing.T) {
	w := watcherWith(10)
	page := []api.Reading{
		reading(1, 9000, 100, api.Vote{Oracle: "me", Vote: "accept"}),
		reading(2, 9005, 200, api.Vote{Oracle: "other", Vote: "accept"}),
		reading(3, 9999, 300, api.Vote{Oracle: "me", Vote: "reject"}),
	}
	// What it accepted before counts as plausible: 9,005 is near 9,000.
	if got := w.judge(page); len(got) != 1 || got[0].number != 2 || got[0].reject {
		t.Errorf("votes %+v", got)
	}
	w = watcherWith(10)
	far := reading(4, 2000, 100)
	if got := w.judge([]api.Reading{far}); len(got) != 1 || !got[0].reject {
		t.Fatalf("votes %+v", got)
	}
	far.Base = &api.Base{Register: 1995, MeasuredAt: 50}
	if got := w.judge([]api.Reading{far}); len(got) != 1 || !got[0].reject {
		t.Errorf("the second opinion differs: %+v", got)
	}
}
