package agent

import (
	"log/slog"
	"testing"

	"github.com/tallyvault/tallyvault/transport/api"
)

func reading(number uint64, register uint64, measuredAt int64, votes ...api.Vote) api.Reading {
	value := api.Uint64(register)
	id := identityOf(number)
	return api.Reading{
		Market: "energy", Meter: "m", Number: api.Uint64(number), Identity: id.String(), Register: &value,
		MeasuredAt: measuredAt, AcceptedAt: measuredAt, Votes: votes,
		Base: &api.Base{Register: 1000, MeasuredAt: 0},
	}
}

func watcherBy(p Policy) *watcher {
	a := &Agent{config: Config{Policy: p}, oracle: "me", metrics: newMetrics(nil)}
	return &watcher{agent: a, market: "energy", judge: NewJudge(p, nil), said: map[uint64]ballot{}, news: newNews(), log: slog.New(slog.DiscardHandler)}
}

func watcherWith(limit uint64) *watcher {
	step := api.Uint64(limit)
	return watcherBy(Policy{Default: Abstain, Rules: []Rule{{Market: "energy", Meter: "*", MaxRegisterStep: &step}}})
}

func votesOf(ballots []ballot) string {
	text := ""
	for _, b := range ballots {
		text += decimal(b.number) + " " + string(b.vote) + ";"
	}
	return text
}

// Readings are compared in order of measuring, whatever order they came in, and
// an implausible one is no measure for the next.
func TestVoteOnAPage(t *testing.T) {
	w := watcherWith(10)
	got, waiting, decided := w.vote([]api.Reading{reading(5, 1020, 300), reading(6, 1010, 200), reading(7, 5000, 400), reading(8, 1025, 500)})
	if votesOf(got) != "5 accept;6 accept;7 reject;8 accept;" || len(waiting) != 0 || len(decided) != 4 {
		t.Errorf("votes %s, %d waiting, %d decided", votesOf(got), len(waiting), len(decided))
	}
	for i, n := range []api.Uint64{6, 5, 7, 8} {
		if decided[i].Number != n || decided[i].Words == "" || decided[i].Rule != 1 {
			t.Errorf("decision %+v", decided[i])
		}
	}
	if d := decided[2]; d.Reason != AboveStep || d.Value != "3980" || d.Limit != "10" || d.Earlier == nil || d.Earlier.Register != 1020 {
		t.Errorf("decision %+v", d)
	}
}

// An oracle never says anything different about a reading a second time: not
// after a restart, when it sees its vote or finds its decision, nor when a page is
// tried again after the meter's base has moved.
func TestNoSecondOpinion(t *testing.T) {
	w := watcherWith(10)
	page := []api.Reading{
		reading(1, 9000, 100, api.Vote{Oracle: "me", Vote: "accept"}),
		reading(2, 9005, 200, api.Vote{Oracle: "other", Vote: "accept"}),
		reading(3, 9999, 300, api.Vote{Oracle: "me", Vote: "reject"}),
	}
	// What it accepted before counts as plausible: 9,005 is near 9,000.
	if got, _, _ := w.vote(page); votesOf(got) != "2 accept;" {
		t.Errorf("votes %s", votesOf(got))
	}
	w = watcherWith(10)
	far := reading(4, 2000, 100)
	got, _, decided := w.vote([]api.Reading{far})
	if votesOf(got) != "4 reject;" {
		t.Fatalf("votes %s", votesOf(got))
	}
	far.Base = &api.Base{Register: 1995, MeasuredAt: 50}
	if got, _, _ := w.vote([]api.Reading{far}); votesOf(got) != "4 reject;" {
		t.Errorf("the second opinion differs: %s", votesOf(got))
	}
	again := watcherWith(10)
	again.recall(decided)
	if got, _, decided := again.vote([]api.Reading{far}); votesOf(got) != "4 reject;" || len(decided) != 0 {
		t.Errorf("after a restart the second opinion differs: %s", votesOf(got))
	}
	// Without the memory it would say otherwise, so that the above shows something.
	if got, _, _ := watcherWith(10).vote([]api.Reading{far}); votesOf(got) != "4 accept;" {
		t.Errorf("votes %s", votesOf(got))
	}
	// The same number in another history is another reading.
	far.Identity = identityOf(77).String()
	if got, _, _ := again.vote([]api.Reading{far}); votesOf(got) != "4 accept;" {
		t.Errorf("another reading was taken for the one before: %s", votesOf(got))
	}
}

// A reading waits for its reference, and the meter's later ones wait for it.
func TestVotesWaitForReferences(t *testing.T) {
	p := Policy{
		Default: Abstain, References: map[string]Source{"grid": {File: "x"}},
		Rules: []Rule{{Market: "energy", Meter: "*", Reference: &Reference{Series: "grid", Wait: Duration(hourMs * 1e6), Report: true}}},
	}
	w := watcherBy(p)
	now := w.agent.skew.now().UnixMilli()
	first, second, other := reading(1, 1010, now-2000), reading(2, 1020, now-1000), reading(3, 1010, now-1000)
	second.Base, other.Meter = nil, "n"
	late := reading(4, 1010, now-2000)
	late.Meter, late.AcceptedAt = "late", now-hourMs-1
	got, waiting, _ := w.vote([]api.Reading{first, second, other, late})
	if votesOf(got) != "" || len(waiting) != 3 {
		t.Fatalf("votes %s, %d waiting", votesOf(got), len(waiting))
	}
	w.judge.references = map[string]*Book{"grid": {rows: map[string][]Register{
		"m": {{500, 0}, {510, now - 2000}, {520, now - 1000}}, "n": {{500, 0}, {520, now - 1000}},
	}}}
	got, waiting, decided := w.vote(waiting)
	if votesOf(got) != "1 accept;2 accept;3 reject;" || len(waiting) != 0 || *got[0].observed != 1010 || *got[2].observed != 1020 {
		t.Errorf("votes %s, %d waiting: %+v", votesOf(got), len(waiting), decided)
	}
}
