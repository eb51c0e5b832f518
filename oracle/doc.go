// Package oracle holds the rules of readings: who may submit one, how oracles
// vote on it, when it closes, and what it is worth then.
//
// The package is pure. Time comes in as a [Clock], identities come in as
// hashes, money leaves as figures. Every command is one method that either
// returns a [Refusal] and has changed nothing, or changes the [State] and
// returns [Effect] values in order: due items to remember, receipts to write,
// amounts to move. The same calls in the same order give the same state and
// the same effects on every machine.
//
// # Markets, meters, parties
//
// A market is a row of parameters ([Market]): noun, unit, price, limits. There
// is no code for any single market. A row is replaced as a whole, from a later
// epoch on ([State.ScheduleMarket]); only its asset is fixed. The price, the
// fee, the tolerance and the windows that apply to a reading are those of the
// row valid when it closes; the threshold is frozen with the electorate.
//
// A meter belongs to one market, one provider and one payer, and has a base:
// the reading closed last. Registers are cumulative, in 10^-decimals of the
// market's unit. The base is changed by closing a reading and by an explicit
// rebase after a rollover or an exchange of the device
// ([State.RebaseMeter]), which credits nothing.
//
// # Submitting
//
// [State.Submit] asks in this order, and the first "no" is the answer:
//
//	market known, meter known           NotFound            kind, id
//	meter of the market, of the signer  MeterMismatch       other_market, other_provider
//	provider active                     ProviderInactive
//	quality two short words             MalformedPayload    out_of_range
//	|now - issued_at| <= skew           TimestampSkew       now, issued_at, skew_ms
//	measured_at > base's measured_at    SettlementConflict  closed
//	measured_at <= min(issued_at, now) + skew
//	                                    TimestampSkew       measured_at besides
//	measured_at >= now - max age        SettlementConflict  too_old
//	(meter, measured_at) is free        SettlementConflict  duplicate
//	  or supersedes names who holds it  NotFound, SettlementConflict  decided
//	the market has an electorate        InvalidTransition   current no_electorate
//	room for the meter, in the market   LimitExceeded       pending_per_meter, live_readings
//
// An accepted reading gets the market's next number, from 1 without gaps, and
// is live until it closes. A reading that supersedes another takes its place:
// the old one closes as superseded with its votes, the new one is numbered
// afresh. Only a reading without quorum can be superseded, and only by one
// with the same measured_at: a wrong time is for oracles to reject.
//
// # Voting
//
// An electorate is a numbered, frozen list of oracles with weights and a
// threshold. [State.BeginEpoch] freezes a new one in every market whose
// weights or threshold changed. A reading is tallied wholly under the newest
// electorate at its acceptance; electorates that no live reading needs and
// that are not the newest are dropped.
//
// An [Attestation] names ranges of numbers, each with the SHA-256 over the
// identities behind them, so that an oracle can never vote on another reading
// than the one it saw. It accepts every reading of its ranges except those it
// lists as rejects, and may state the register it observed itself. Ranges may
// include closed readings, as long as their identities are kept: those of the
// newest [IdentityWindow] numbers, and of live readings of any age.
//
//	market known                        NotFound
//	1 <= ranges <= 64, ascending, disjoint
//	                                    MalformedPayload, LimitExceeded  ranges
//	no number above the last            NotFound
//	at most 1,024 readings              LimitExceeded       readings_attested
//	rejects, values ascend, in ranges   MalformedPayload    not_ascending, outside_ranges
//	a vote in the newest electorate or
//	  on a live reading of the ranges   Unauthorized        not_in_electorate
//	identities kept                     NotFound
//	hash of each range                  SettlementConflict  range_hash
//
// Each verdict is then counted in exactly one way ([AttestResult]). The first
// vote of an oracle on a reading stands. The same again is repeated; accept
// against reject, or two different observed values, is an equivocation: the
// first is recorded as [Equivocated], once per reading and oracle, and changes
// nothing else. A first vote is late on a reading that is decided, and from the
// height of its [DueExpire] on: heights decide, not how soon the caller comes to
// its due items. Saying a value later that was left out at first is a repetition,
// not a contradiction.
//
// With accept and reject the weights of the two camps and
//
//	required = ceil(threshold x total / 10^6)
//
// a reading is accepted once accept >= required, and rejected (outvoted) once
// total - reject < required. As the camps share no member, at most one of
// these ever holds, and which one depends on the set of votes, not on their
// order. The tally is decided by the vote that fulfils one of them: votes and
// values that come later are no part of it. A reading that is neither by the
// height of its [DueExpire] closes as quorum_failed.
//
// # Closing
//
// Accepted readings of a meter close strictly in order of measured_at. One
// that still has an earlier live reading before it waits; it cannot expire or
// be superseded any more. A reading that is outvoted or expires closes at once
// wherever it stands, credits nothing and leaves the base as it is, so that the
// next reading covers its time. Every closing lets the accepted readings
// that are now first close too. One call closes as many readings as its votes
// decide, at most [MaxAttested], and at most [MaxCascade] that had been
// waiting; for a meter with more it asks to be called again by [DueClose].
//
// The reading that closes is judged against the base, which is final then:
//
//	no base                             baseline: credits nothing
//	register < base                     rejected, decreasing
//	delta > 1.2 x capacity x elapsed    rejected, over_capacity
//	|claim - median| x 10^6 > deviation_ppm x |median - base|
//	                                    rejected, deviation
//
// The median is the lower weighted one of the registers that accepting members
// observed: the smallest register such that at least half of their weight lies
// at or below it. Without values there is nothing to deviate from. A baseline
// is not judged by capacity, and the measure of its deviation is capacity x
// interval, the most the meter registers in one interval: a share of the whole
// register would let an old meter begin far too low and credit the difference
// with the next reading. A claim is rejected or stands; it is never corrected.
//
// # Money
//
//	gross = floor((delta x unit_price + remainder) / 10^decimals)
//	fee   = floor(gross x fee_bps / 10,000)
//	net   = gross - fee
//
// What flooring leaves over stays with the meter as its remainder, so that any
// number of settlements together pay for their total delta to within one minor
// unit. A [Settlement] is kept until its dispute window is over. The window
// starts when the caller says that the amounts are held ([State.Funded]), or at
// once for a settlement that moves no money: zero gross, or stage rehearsal.
// [State.Release] ends it.
//
// # Example
//
// A market pays 25 per kWh with a fee of 100 bps; meters count watt-hours (3
// decimals). Three oracles weigh 1 each and the threshold is 660,000, so
// required = ceil(0.66 x 3) = 2.
//
//	11:45 reading 1 says 1,000,000. Two oracles accept it: baseline.
//	12:00 reading 2 says 1,001,230. One oracle accepts, one rejects, the third
//	      accepts and observed 1,001,230 itself: accepted, and first of its
//	      meter. Delta 1,230; 1,230 x 25 = 30,750; gross 30, remainder 750;
//	      fee 0, net 30.
//	12:15 reading 3 says 1,002,000, and 12:30 reading 4 says 1,003,000.
//	      Two oracles accept 4: it waits for 3. Two oracles reject 3: outvoted.
//	      Now 4 is first. Delta 1,003,000 - 1,001,230 = 1,770;
//	      1,770 x 25 + 750 = 45,000; gross 45, remainder 0.
//
// In all 3,000 Wh were credited, from the baseline to the last register, and
// 75 paid: 3 kWh at 25.
//
// # Image
//
// [State.Image] writes everything that influences later behaviour as rows,
// [State.Load] is its strict inverse, and [State.Consistent] checks a whole
// state. Tables are tagged: 1 market, 2 scheduled row, 3 weight, 4 electorate,
// 5 provider, 6 meter, 7 identities, 8 reading, 9 settlement. Integers are
// big-endian; strings have one byte of length before them.
package oracle
