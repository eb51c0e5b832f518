package treasury

import "lukechampine.com/uint128"

// Asset is what the treasury holds and pays.
const Asset = "BLOCK"

// Limits of what the committee may set.
const (
	MaxBrackets = 16
	MaxFloors   = 8
	// MaxWindowEpochs bounds every window, so that no sum of heights overflows.
	MaxWindowEpochs = 100_000_000
	maxEpochBlocks  = 10_000_000

	million = 1_000_000
	// leastFloor keeps a house from passing what more of it is against.
	leastFloor = million/2 + 1
)

// Floor is how much of a house's weight must approve, in millionths.
type Floor struct {
	House string
	Ppm   uint32
}

// Terms are the conditions under which a disbursement is decided and paid.
// Windows are in epochs, each as long as Params.EpochBlocks heights.
type Terms struct {
	Quorum         []Floor // in order of house
	VoteEpochs     uint64
	TimelockEpochs uint64
	RollbackEpochs uint64
}

// Bracket is the least that disbursements from an amount on must satisfy.
type Bracket struct {
	From Amount
	Terms
}

// Params are the committee's rules for its treasury.
type Params struct {
	// EpochBlocks is how many heights an epoch has. It is the cluster's and never
	// changes.
	EpochBlocks uint64
	// GraceEpochs is how long a draft waits to be opened, and a queued or
	// timelocked disbursement to become executable.
	GraceEpochs uint64
	// The caps and the amount above which two people must confirm an execution;
	// zero means none.
	EpochCap       Amount // executed in one epoch
	DestinationCap Amount // executed in one epoch to one destination
	FourEyesAbove  Amount
	// Brackets are in order of From, the first from zero.
	Brackets []Bracket
}

// Validate asks whether the parameters can be kept to.
func (p Params) Validate() *Refusal {
	switch {
	case p.EpochBlocks == 0 || p.EpochBlocks > maxEpochBlocks:
		return malformed("epoch_blocks", ReasonOutOfRange)
	case p.GraceEpochs == 0 || p.GraceEpochs > MaxWindowEpochs:
		return malformed("grace_epochs", ReasonOutOfRange)
	case len(p.Brackets) == 0 || len(p.Brackets) > MaxBrackets:
		return malformed("brackets", ReasonOutOfRange)
	case !p.Brackets[0].From.IsZero():
		return malformed("brackets", ReasonNotFromZero)
	case p.EpochCap.Cmp(maxMoney) > 0 || p.DestinationCap.Cmp(maxMoney) > 0 || p.FourEyesAbove.Cmp(maxMoney) > 0:
		return malformed("caps", ReasonOutOfRange)
	}
	for i, b := range p.Brackets {
		if i > 0 && b.From.Cmp(p.Brackets[i-1].From) <= 0 {
			return malformed("brackets", ReasonNotAscending)
		}
		if b.VoteEpochs == 0 || b.RollbackEpochs == 0 || len(b.Quorum) == 0 {
			return malformed("brackets", ReasonOutOfRange)
		}
		if r := b.validate("brackets"); r != nil {
			return r
		}
	}
	return nil
}

// validate asks what must hold of terms in a bracket and in a proposal alike.
func (t Terms) validate(field string) *Refusal {
	if t.VoteEpochs > MaxWindowEpochs || t.TimelockEpochs > MaxWindowEpochs || t.RollbackEpochs > MaxWindowEpochs {
		return malformed(field, ReasonOutOfRange)
	}
	if len(t.Quorum) > MaxFloors {
		return malformed(field, ReasonOutOfRange)
	}
	for i, f := range t.Quorum {
		if !ValidID(f.House) {
			return malformed(field, ReasonMalformedID)
		}
		if i > 0 && f.House <= t.Quorum[i-1].House {
			return malformed(field, ReasonNotAscending)
		}
		if f.Ppm < leastFloor || f.Ppm > million {
			return malformed(field, ReasonOutOfRange)
		}
	}
	return nil
}

// bracket finds the least terms for an amount.
func (p Params) bracket(amount Amount) Terms {
	at := p.Brackets[0]
	for _, b := range p.Brackets[1:] {
		if b.From.Cmp(amount) <= 0 {
			at = b
		}
	}
	return at.Terms
}

// weaker names the first window or house in which terms ask for less than the
// bracket demands. Zero windows and houses left out ask for nothing of their own.
func (t Terms) weaker(least Terms) *Refusal {
	for _, w := range [...]struct {
		name        string
		asked, most uint64
	}{
		{"vote_window_epochs", t.VoteEpochs, least.VoteEpochs},
		{"timelock_epochs", t.TimelockEpochs, least.TimelockEpochs},
		{"rollback_window_epochs", t.RollbackEpochs, least.RollbackEpochs},
	} {
		if w.asked != 0 && w.asked < w.most {
			return refuse(LimitExceeded, Field{"limit", w.name}, Field{"min", u64(w.most)})
		}
	}
	for _, f := range t.Quorum {
		if least := least.floor(f.House); f.Ppm < least {
			return refuse(LimitExceeded, Field{"limit", "quorum_ppm"}, Field{"house", f.House}, Field{"min", u64(uint64(least))})
		}
	}
	return nil
}

func (t Terms) floor(house string) uint32 {
	for _, f := range t.Quorum {
		if f.House == house {
			return f.Ppm
		}
	}
	return 0
}

// atLeast is the stricter of both in every respect.
func (t Terms) atLeast(least Terms) Terms {
	out := Terms{
		VoteEpochs:     max(t.VoteEpochs, least.VoteEpochs),
		TimelockEpochs: max(t.TimelockEpochs, least.TimelockEpochs),
		RollbackEpochs: max(t.RollbackEpochs, least.RollbackEpochs),
	}
	a, b := t.Quorum, least.Quorum
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].House < b[0].House:
			out.Quorum, a = append(out.Quorum, a[0]), a[1:]
		case len(a) == 0 || b[0].House < a[0].House:
			out.Quorum, b = append(out.Quorum, b[0]), b[1:]
		default:
			out.Quorum = append(out.Quorum, Floor{a[0].House, max(a[0].Ppm, b[0].Ppm)})
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// above reports whether a limit that may be absent lies below v.
func above(v, limit uint128.Uint128) bool { return !limit.IsZero() && v.Cmp(limit) > 0 }
