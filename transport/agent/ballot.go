package agent

import (
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/oracle"
)

// ballot is a vote on one reading.
type ballot struct {
	number   uint64
	identity oracle.Identity
	vote     Vote
	observed *uint64 // register that the oracle states itself
}

// attestations packs votes, which are in order of number, into as few payloads
// as the limits of an attestation allow. A gap in the numbers ends a range.
func attestations(market string, ballots []ballot) []fsm.Attest {
	var out []fsm.Attest
	for len(ballots) > 0 {
		attestation, rest := pack(market, ballots)
		out = append(out, attestation)
		ballots = rest
	}
	return out
}

func pack(market string, ballots []ballot) (fsm.Attest, []ballot) {
	out := fsm.Attest{Market: market}
	room := oracle.MaxAttested
	for len(ballots) > 0 && room > 0 && len(out.Ranges) < oracle.MaxRanges {
		run := runOf(ballots, room)
		identities := make([]oracle.Identity, 0, len(run))
		for _, b := range run {
			identities = append(identities, b.identity)
			if b.vote == Reject {
				out.Rejects = append(out.Rejects, b.number)
			}
			if b.observed != nil {
				out.Values = append(out.Values, fsm.ObservedValue{Number: b.number, Register: *b.observed})
			}
		}
		out.Ranges = append(out.Ranges, fsm.AttestedRange{
			From: run[0].number, To: run[len(run)-1].number, Hash: oracle.RangeHash(identities),
		})
		room -= len(run)
		ballots = ballots[len(run):]
	}
	return out, ballots
}

// runOf is the longest start of ballots without a gap, up to a limit.
func runOf(ballots []ballot, limit int) []ballot {
	n := 1
	for n < len(ballots) && n < limit && ballots[n].number == ballots[n-1].number+1 {
		n++
	}
	return ballots[:n]
}
