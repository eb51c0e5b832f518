package agent

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
)

// Source is a file or a server that has the registers of independent meters.
type Source struct {
	Comment  string   `json:"comment,omitempty" doc:"words for people"`
	File     string   `json:"file,omitempty" doc:"path; a relative one begins at the policy's directory"`
	URL      string   `json:"url,omitempty" doc:"instead of file; https, or http of this machine"`
	Format   string   `json:"format,omitempty" enum:"csv,json" doc:"csv (when absent): a header with meter, measured_at and register; json: a list of objects with these members. Times are RFC 3339 with an offset, or unix milliseconds"`
	Timeout  Duration `json:"timeout,omitempty" doc:"most time for one answer (10s when absent)"`
	Refresh  Duration `json:"refresh,omitempty" doc:"time between two looks at it (5m when absent)"`
	MaxAge   Duration `json:"max_age,omitempty" doc:"what was read last counts for so long while it cannot be read again (24h when absent)"`
	MaxBytes int64    `json:"max_bytes,omitempty" minimum:"1" maximum:"268435456" doc:"a longer answer is refused (16777216 when absent)"`
}

// Reference says how near a reading must be to an independent series.
type Reference struct {
	Series       string     `json:"series" doc:"name of one of the policy's references"`
	Meter        string     `json:"meter,omitempty" doc:"name of the meter in the series (the meter's id when absent)"`
	ScalePPM     api.Uint64 `json:"scale_ppm,omitempty" pattern:"^(0|[1-9][0-9]*)$" doc:"millionths: what the series adds is multiplied with this, for a series of another unit or of a plant of another size (1000000 when absent)"`
	Tolerance    api.Uint64 `json:"tolerance" pattern:"^(0|[1-9][0-9]*)$" doc:"register units by which what was added may differ"`
	TolerancePPM api.Uint64 `json:"tolerance_ppm,omitempty" pattern:"^(0|[1-9][0-9]*)$" doc:"millionths of what the series says, besides"`
	Over         Duration   `json:"over,omitempty" doc:"compare what was added in about so much time up to the reading, as far as the agent remembers it, so that a lasting difference shows (since the earlier register when absent)"`
	MaxGap       Duration   `json:"max_gap,omitempty" doc:"between two registers of the series no further apart it is taken to rise evenly (1h when absent)"`
	Missing      Vote       `json:"missing,omitempty" enum:"abstain,accept,reject" doc:"vote when the series cannot be read or says nothing about the time (abstain when absent)"`
	Wait         Duration   `json:"wait,omitempty" doc:"before that, wait so long since the reading was taken in (0s when absent)"`
	Report       bool       `json:"report,omitempty" doc:"state the register that follows from the series in the attestation, for the committee's median"`
}

const (
	defaultGap = time.Hour
	wholePPM   = 1_000_000
)

// compared is the last limit: it alone needs what is not in the cluster.
func (s scene) compared() Verdict {
	fine := Verdict{Vote: Accept, Reason: Plausible, Words: "within the limits"}
	ref := s.limits.Reference
	if ref == nil {
		return fine
	}
	since := *s.earlier
	if ref.Over > 0 {
		since = s.since(since, s.MeasuredAt, time.Duration(ref.Over).Milliseconds())
	}
	added, why := s.expected(since)
	if why != "" {
		v := Verdict{Vote: ref.Missing.or(Abstain), Reason: NoReference, Words: "reference " + ref.Series + " " + why}
		if ref.Wait > 0 {
			v.Until = s.AcceptedAt + time.Duration(ref.Wait).Milliseconds()
		}
		return v
	}
	allowed := scaled(added, uint64(ref.TolerancePPM), uint64(ref.Tolerance))
	v := fine
	mine := s.Value - since.Value
	if off := distance(mine, added); off > allowed {
		value := fmt.Sprintf("%d in %s", mine, span(s.MeasuredAt-since.MeasuredAt))
		v = *exceeded(Reject, OffReference, value, fmt.Sprintf("%d ± %d", added, allowed),
			"%s is %d away from the %d of reference %s, more than %d", value, off, added, ref.Series, allowed)
	}
	if observed := since.Value + added; ref.Report && observed >= added {
		v.Observed = &observed
	}
	return v
}

// expected is what the reference added since a register, or why that is not known.
func (s scene) expected(since Register) (added uint64, why string) {
	ref := s.limits.Reference
	if s.book == nil {
		return 0, "cannot be read"
	}
	meter, gap := ref.Meter, time.Duration(ref.MaxGap)
	if meter == "" {
		meter = s.Meter
	}
	if gap == 0 {
		gap = defaultGap
	}
	from, ok := s.book.at(meter, since.MeasuredAt, gap)
	if !ok {
		return 0, "says nothing about " + meter + " at " + moment(since.MeasuredAt)
	}
	to, ok := s.book.at(meter, s.MeasuredAt, gap)
	if !ok {
		return 0, "says nothing about " + meter + " at " + moment(s.MeasuredAt)
	}
	scale := uint64(ref.ScalePPM)
	if scale == 0 {
		scale = wholePPM
	}
	return scaled(to-from, scale, 0), ""
}

// scaled is plus + n x ppm / 10^6; what does not fit is the greatest number.
func scaled(n, ppm, plus uint64) uint64 {
	high, low := bits.Mul64(n, ppm)
	if high >= wholePPM {
		return ^uint64(0)
	}
	product, _ := bits.Div64(high, low, wholePPM)
	sum, carry := bits.Add64(product, plus, 0)
	if carry > 0 {
		return ^uint64(0)
	}
	return sum
}
