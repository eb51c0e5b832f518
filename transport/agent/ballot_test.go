package agent

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/oracle"
)

// someBallot votes somehow, and states a register now and then.
func someBallot(t *rapid.T, n uint64) ballot {
	b := ballot{number: n, identity: identityOf(n), vote: Accept}
	if rapid.IntRange(0, 9).Draw(t, "reject") == 0 {
		b.vote = Reject
	}
	if rapid.IntRange(0, 3).Draw(t, "observed") == 0 {
		register := n * 10
		b.observed = &register
	}
	return b
}

func identityOf(n uint64) oracle.Identity { return oracle.Identity{byte(n >> 8), byte(n)} }

// Whatever is voted on, the attestations say exactly those votes, within the
// limits, and their ranges name the readings by the right hash.
func TestAttestationsSayTheVotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ballots []ballot
		n := uint64(rapid.IntRange(1, 5).Draw(t, "first"))
		for range rapid.IntRange(0, 3000).Draw(t, "votes") {
			ballots = append(ballots, someBallot(t, n))
			n += uint64(rapid.SampledFrom([]int{1, 1, 1, 1, 1, 1, 1, 1, 2, 50}).Draw(t, "gap"))
		}
		said := map[uint64]ballot{}
		last := uint64(0)
		for _, a := range attestations("energy", ballots) {
			votes, values := map[uint64]Vote{}, map[uint64]uint64{}
			for _, n := range a.Rejects {
				votes[n] = Reject
			}
			for _, v := range a.Values {
				values[v.Number] = v.Register
			}
			readings := 0
			for _, r := range a.Ranges {
				if r.From <= last || r.To < r.From {
					t.Fatalf("range %d-%d after %d", r.From, r.To, last)
				}
				var identities []oracle.Identity
				for i := r.From; i <= r.To; i++ {
					identities = append(identities, identityOf(i))
					said[i] = ballot{number: i, vote: votes[i].or(Accept)}
					if register, ok := values[i]; ok {
						said[i] = ballot{number: i, vote: votes[i].or(Accept), observed: &register}
					}
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
			got := said[b.number]
			if got.vote != b.vote || (got.observed == nil) != (b.observed == nil) || b.observed != nil && *got.observed != *b.observed {
				t.Fatalf("vote on %d is lost or turned", b.number)
			}
		}
	})
}

// A part of an attestation says of its ranges what the whole said.
func TestWithin(t *testing.T) {
	var ballots []ballot
	for n := uint64(1); n < 100; n += 2 {
		register := n
		ballots = append(ballots, ballot{number: n, identity: identityOf(n), vote: []Vote{Accept, Reject}[n/2%2], observed: &register})
	}
	whole := attestations("energy", ballots)[0]
	for half, ranges := range map[string][]fsm.AttestedRange{"first": whole.Ranges[:25], "second": whole.Ranges[25:]} {
		got := within(whole, ranges)
		want := attestations("energy", ballots[:25])[0]
		if half == "second" {
			want = attestations("energy", ballots[25:])[0]
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s half: %+v, want %+v", half, got, want)
		}
	}
}
