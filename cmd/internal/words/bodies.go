package words

import (
	"fmt"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// says is the one switch over commands.
func says(body any) ([]string, error) {
	switch b := body.(type) {
	case *fsm.SubmitReading:
		return submitReading(b), nil
	case *fsm.Attest:
		return attest(b), nil
	case *fsm.RotateKey:
		return []string{
			fmt.Sprintf("Replaces the signing key by key %s of the same principal.", keyID(b.PublicKey)),
			fmt.Sprintf("The old key still counts for %s.", Plural(b.OverlapBlocks, "block")),
		}, nil
	case *fsm.RevokeKey:
		return []string{fmt.Sprintf("Ends the signer's own key %s at once and for ever.", envelope.KeyID(b.Key))}, nil
	case *fsm.RegisterPrincipal:
		return registerPrincipal(b), nil
	case *fsm.RegisterKey:
		return registerKey(b), nil
	case *fsm.RevokePrincipalKey:
		return []string{fmt.Sprintf("Ends key %s at once and for ever, whoever owns it.", envelope.KeyID(b.Key))}, nil
	case *fsm.RegisterMeters:
		return registerMeters(b), nil
	case *fsm.RebaseMeter:
		return []string{
			fmt.Sprintf("Starts the register of meter %s anew at %s register units, measured %s.", name(b.Meter), grouped(b.Register), Time(b.MeasuredAt)),
			fmt.Sprintf("Reason: %+q. What lies between the old and the new register is never paid.", b.Reason),
		}, nil
	case *fsm.SetOracleWeight:
		return setOracleWeight(b), nil
	case *fsm.SetMarket:
		return append([]string{
			fmt.Sprintf("Sets the whole row of market %s; a known market takes it up with epoch %s, a new one at once.",
				name(b.Market.Market), grouped(b.ActivationEpoch)),
		}, Market(b.Market)...), nil
	case *fsm.Deposit:
		return []string{
			fmt.Sprintf("Puts %s minor units of %s into account %s, as money that came in from outside.", Grouped(b.Amount.String()), name(b.Asset), name(b.Account)),
			fmt.Sprintf("Reference %+q counts once for ever.", b.Reference),
		}, nil
	case *fsm.ReplaceNode:
		return replaceNode(b), nil
	case *fsm.CancelReplacement:
		return cancelReplacement(b), nil
	}
	return saysTreasury(body)
}

func submitReading(b *fsm.SubmitReading) []string {
	lines := []string{
		fmt.Sprintf("Claims that meter %s of market %s stood at %s register units on %s.", name(b.Meter), name(b.Market), grouped(b.Register), Time(b.MeasuredAt)),
		fmt.Sprintf("The meter says of itself: clock %+q, status %+q.", b.Quality.ClockSync, b.Quality.MeterStatus),
	}
	if b.Supersedes != nil {
		lines = append(lines, fmt.Sprintf("Takes the place of the pending reading of command %x.", *b.Supersedes))
	}
	return lines
}

func attest(b *fsm.Attest) []string {
	var readings uint64
	var spans []string
	for _, r := range b.Ranges {
		if r.To >= r.From {
			readings += r.To - r.From + 1
		}
		spans = append(spans, fmt.Sprintf("%d to %d (%s)", r.From, r.To, ShortHash(r.Hash[:])))
	}
	lines := []string{
		fmt.Sprintf("Votes on %s of market %s: accepts all but the %d it rejects.", Plural(readings, "reading"), name(b.Market), len(b.Rejects)),
		"Readings " + strings.Join(spans, ", ") + "; in brackets, the hash over what they are.",
	}
	if len(b.Rejects) > 0 {
		lines = append(lines, "Rejects "+numbers(b.Rejects)+".")
	}
	if len(b.Values) > 0 {
		values := make([]string, 0, len(b.Values))
		for _, v := range b.Values {
			values = append(values, fmt.Sprintf("reading %d at %s", v.Number, grouped(v.Register)))
		}
		lines = append(lines, "Observed itself, in register units: "+strings.Join(values, ", ")+".")
	}
	return lines
}

func registerPrincipal(b *fsm.RegisterPrincipal) []string {
	return []string{
		fmt.Sprintf("Lets %s in as %s with key %s.", name(b.Principal), name(b.Role), keyID(b.PublicKey)),
		scopes(b.Scopes),
	}
}

func registerKey(b *fsm.RegisterKey) []string {
	lines := []string{fmt.Sprintf("Gives principal %s another key, %s.", name(b.Principal), keyID(b.PublicKey)), scopes(b.Scopes)}
	if b.Replaces != nil {
		lines = append(lines, fmt.Sprintf("Key %s ends at once and for ever.", envelope.KeyID(*b.Replaces)))
	}
	return lines
}

func scopes(list []string) string {
	if len(list) == 0 {
		return "The key may do all that the role may."
	}
	return "The key may only: " + strings.Join(names(list), ", ") + "."
}

func registerMeters(b *fsm.RegisterMeters) []string {
	lines := []string{fmt.Sprintf("Registers %s of market %s:", Plural(uint64(len(b.Meters)), "meter"), name(b.Market))}
	for _, m := range b.Meters {
		lines = append(lines, fmt.Sprintf("  %s: %s is paid by %s; at most %s units an hour (the market's unit has %d decimals here), read every %s",
			name(m.Meter), name(m.Provider), name(m.Payer), Register(m.Capacity, m.Decimals), m.Decimals, Span(time.Duration(m.IntervalMs)*time.Millisecond)))
	}
	return lines
}

func setOracleWeight(b *fsm.SetOracleWeight) []string {
	w := b.OracleWeight
	if w.Weight == 0 {
		return []string{fmt.Sprintf("Takes oracle %s its vote in market %s, from the next epoch on.", name(w.Oracle), name(w.Market))}
	}
	return []string{fmt.Sprintf("Gives oracle %s the weight %s in market %s, from the next epoch on.", name(w.Oracle), grouped(w.Weight), name(w.Market))}
}

// Market says a whole row of market parameters, one line a matter.
func Market(m genesis.Market) []string {
	return []string{
		fmt.Sprintf("Price: %s minor units of %s per %s (a %s's register), of which %s are fee.",
			grouped(m.UnitPrice), name(m.Asset), name(m.Unit), name(m.Noun), Percent(uint64(m.FeeBps)*100)),
		fmt.Sprintf("Quorum: %s of the oracle weight within %s; a claim may be %s off the oracles' median.",
			Percent(uint64(m.QuorumThresholdPpm)), Plural(m.ExpiryBlocks, "block"), Percent(uint64(m.DeviationPpm))),
		fmt.Sprintf("Times: clocks may be %s off, readings %s old; disputes stay open for %s.",
			Span(time.Duration(m.SkewMs)*time.Millisecond), Span(time.Duration(m.MaxReadingAgeMs)*time.Millisecond), Plural(m.DisputeWindowBlocks, "block")),
		fmt.Sprintf("Room: %s pending readings a meter, %s in all. Mode %s, stage %s.",
			grouped(uint64(m.MaxPendingPerMeter)), grouped(uint64(m.MaxLiveReadings)), name(m.Mode), name(m.Stage)),
	}
}

// maxNumbers bounds a list that is read by a person.
const maxNumbers = 20

func numbers(list []uint64) string {
	var said []string
	for i, n := range list {
		if i == maxNumbers {
			said = append(said, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		said = append(said, fmt.Sprint(n))
	}
	return strings.Join(said, ", ")
}

func keyID(public [32]byte) envelope.KeyID { return envelope.KeyIDOf(public[:]) }
