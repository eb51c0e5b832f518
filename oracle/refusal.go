package oracle

import (
	"strconv"
	"strings"
)

// Code is the wire name of a refusal. The set is closed.
type Code string

// The refusals of this floor.
const (
	MalformedPayload   Code = "MalformedPayload"
	Unauthorized       Code = "Unauthorized"
	NotFound           Code = "NotFound"
	MeterMismatch      Code = "MeterMismatch"
	ProviderInactive   Code = "ProviderInactive"
	TimestampSkew      Code = "TimestampSkew"
	SettlementConflict Code = "SettlementConflict"
	InvalidTransition  Code = "InvalidTransition"
	LimitExceeded      Code = "LimitExceeded"
)

// The values of the field "reason" of a refusal. The set is closed; the table
// in the package documentation says which code carries which.
const (
	ReasonOutOfRange     = "out_of_range"
	ReasonMalformedID    = "malformed_id"
	ReasonUnsupported    = "unsupported"
	ReasonNotAscending   = "not_ascending"
	ReasonOutsideRanges  = "outside_ranges"
	ReasonEmpty          = "empty"
	ReasonOtherMarket    = "other_market"
	ReasonOtherProvider  = "other_provider"
	ReasonClosed         = "closed"
	ReasonTooOld         = "too_old"
	ReasonDuplicate      = "duplicate"
	ReasonDecided        = "decided"
	ReasonRangeHash      = "range_hash"
	ReasonPending        = "pending_readings"
	ReasonNotElectorate  = "not_in_electorate"
	ReasonFixed          = "fixed"
	ReasonNotInTheFuture = "not_in_the_future"
)

// The values of the field "limit" of a LimitExceeded. The set is closed.
const (
	LimitMarkets          = "markets"
	LimitScheduled        = "scheduled_rows"
	LimitProviders        = "providers"
	LimitMeters           = "meters"
	LimitOracles          = "oracles"
	LimitWeight           = "weight"
	LimitPendingPerMeter  = "pending_per_meter"
	LimitLiveReadings     = "live_readings"
	LimitRanges           = "ranges"
	LimitReadingsAttested = "readings_attested"
)

// The values of the field "kind" of a NotFound. The set is closed.
const (
	KindMarket   = "market"
	KindMeter    = "meter"
	KindProvider = "provider"
	KindReading  = "reading"
)

// Field is one named fact of a refusal, as the canonical string of its value.
type Field struct {
	Name, Value string
}

// Refusal is an expected "no". It is part of the replicated outcome, so its
// fields are ordered and depend on nothing but state and question.
type Refusal struct {
	Code   Code
	Fields []Field
}

// Error says the refusal in one line.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(string(r.Code))
	for _, f := range r.Fields {
		b.WriteByte(' ')
		b.WriteString(f.Name)
		b.WriteByte('=')
		b.WriteString(f.Value)
	}
	return b.String()
}

func refuse(code Code, fields ...Field) *Refusal {
	return &Refusal{Code: code, Fields: fields}
}

// malformed refuses the value of one field of a payload.
func malformed(field, reason string) *Refusal {
	return refuse(MalformedPayload, Field{"field", field}, Field{"reason", reason})
}

// unknown refuses a name that stands for nothing.
func unknown(kind, id string) *Refusal {
	return refuse(NotFound, Field{"kind", kind}, Field{"id", id})
}

// full refuses what would go beyond a named limit.
func full(limit string, most uint64) *Refusal {
	return refuse(LimitExceeded, Field{"limit", limit}, Field{"max", strconv.FormatUint(most, 10)})
}

func u64(v uint64) string { return strconv.FormatUint(v, 10) }

func i64(v int64) string { return strconv.FormatInt(v, 10) }
