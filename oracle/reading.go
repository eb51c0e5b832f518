package oracle

import (
	"crypto/sha256"
	"encoding/hex"
)

// Identity names a reading for ever: the identity of the command that
// submitted it.
type Identity [sha256.Size]byte

// String is the identity in lower-case hex.
func (id Identity) String() string { return hex.EncodeToString(id[:]) }

// Quality is what the provider says about the measurement. Both are words of
// the provider's choosing, kept for oracles and auditors; no rule reads them.
type Quality struct {
	ClockSync, MeterStatus string
}

// ReadingState is where a live reading stands.
type ReadingState uint8

const (
	// ReadingPending still collects votes.
	ReadingPending ReadingState = iota
	// ReadingAccepted has its quorum and waits for an earlier reading of the
	// same meter to close.
	ReadingAccepted
)

// String is the word for the state.
func (s ReadingState) String() string {
	if s == ReadingAccepted {
		return "accepted"
	}
	return "pending"
}

// Observed is the register that a member of the electorate saw itself.
type Observed struct {
	Member   uint8
	Register uint64
}

// Reading is a live reading: what was signed, when it was taken in, and the
// votes so far.
type Reading struct {
	Number        uint64
	Identity      Identity
	Market, Meter string

	Register             uint64
	MeasuredAt, IssuedAt int64
	Quality              Quality

	// AcceptedHeight and AcceptedAt are the cluster's clock when it came in.
	AcceptedHeight uint64
	AcceptedAt     int64
	// ExpiresHeight is when its time to find a quorum is over.
	ExpiresHeight uint64

	// Electorate is the number of the electorate that tallies it.
	Electorate uint64
	// Accept, Reject and Equivocal are bit masks over the members of that
	// electorate: who voted which way first, and who contradicted it later.
	Accept, Reject, Equivocal uint64
	Values                    []Observed

	State ReadingState
}

// submission is the part of a reading that never changes. Submissions are
// shared by copies of the state.
type submission struct {
	number               uint64
	identity             Identity
	meter                *meterSpec
	register             uint64
	measuredAt, issuedAt int64
	acceptedAt           int64
	acceptedHeight       uint64
	expires              uint64 // the height from which on no vote counts
	electorate           uint64
	quality              Quality
}

// testimony is what members said beyond yes and no. It is rare, so a reading
// points to it; it is replaced as a whole, since copies of the state share it.
type testimony struct {
	values    []Observed
	equivocal uint64
}

// liveRow is a live reading as the table holds it.
type liveRow struct {
	sub            *submission
	accept, reject uint64
	said           *testimony
	decided        bool
}

func (r liveRow) reading() Reading {
	out := Reading{
		Number: r.sub.number, Identity: r.sub.identity, Market: r.sub.meter.market, Meter: r.sub.meter.id,
		Register: r.sub.register, MeasuredAt: r.sub.measuredAt, IssuedAt: r.sub.issuedAt, Quality: r.sub.quality,
		AcceptedHeight: r.sub.acceptedHeight, ExpiresHeight: r.sub.expires, AcceptedAt: r.sub.acceptedAt, Electorate: r.sub.electorate,
		Accept: r.accept, Reject: r.reject,
	}
	if r.said != nil {
		out.Values = append(out.Values, r.said.values...)
		out.Equivocal = r.said.equivocal
	}
	if r.decided {
		out.State = ReadingAccepted
	}
	return out
}

// observed returns the register a member gave, if it gave one.
func (r liveRow) observed(member int) (uint64, bool) {
	if r.said == nil {
		return 0, false
	}
	for _, v := range r.said.values {
		if int(v.Member) == member {
			return v.Register, true
		}
	}
	return 0, false
}

// equivocated reports whether a contradiction of the member is on record.
func (r liveRow) equivocated(member int) bool {
	return r.said != nil && r.said.equivocal&(1<<member) != 0
}

// RangeHash is what an oracle signs for a range: SHA-256 over the identities
// of all its readings in order of number.
func RangeHash(identities []Identity) [sha256.Size]byte {
	h := sha256.New()
	for i := range identities {
		h.Write(identities[i][:])
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}
