package oracle

// The modes and stages of a market.
const (
	ModeRealTime = "real_time"

	StageRehearsal = "rehearsal"
	StageLive      = "live"
)

// Limits of a market row. They keep every sum and product of this package
// inside its integer type and every table inside memory.
const (
	MaxPendingPerMeter = 10_000
	MaxLiveReadings    = 1_000_000
	maxName            = 32
	maxBlocks          = 1 << 32
	maxSkewMs          = 24 * 3_600_000
	maxReadingAgeMs    = 10 * 366 * 24 * 3_600_000
	million            = 1_000_000
	wholeBps           = 10_000
)

// Market is one row of parameters. There is no code for any single market:
// what is traded is a noun and a unit.
type Market struct {
	ID, Noun, Unit string

	// UnitPrice is in minor units of Asset for one whole unit.
	UnitPrice uint64
	Asset     string
	FeeBps    uint32

	// SkewMs bounds how far a signer's clock may be from the cluster's, and
	// MaxReadingAgeMs how long ago a reading may have been measured.
	SkewMs, MaxReadingAgeMs int64

	DeviationPpm       uint32
	QuorumThresholdPpm uint32

	ExpiryBlocks, DisputeWindowBlocks uint64

	MaxPendingPerMeter uint32
	MaxLiveReadings    uint32

	Mode  string
	Stage string
}

// Validate says whether a row could be a market's at any time.
func (m Market) Validate() *Refusal {
	if !ValidID(m.ID) {
		return malformed("id", ReasonMalformedID)
	}
	if !validAsset(m.Asset) {
		return malformed("asset", ReasonMalformedID)
	}
	if m.Mode != ModeRealTime {
		return malformed("mode", ReasonUnsupported)
	}
	if m.Stage != StageRehearsal && m.Stage != StageLive {
		return malformed("stage", ReasonUnsupported)
	}
	for _, bound := range [...]struct {
		field  string
		within bool
	}{
		{"noun", validName(m.Noun)},
		{"unit", validName(m.Unit)},
		{"fee_bps", m.FeeBps <= wholeBps},
		{"skew_ms", m.SkewMs >= 1 && m.SkewMs <= maxSkewMs},
		{"max_reading_age_ms", m.MaxReadingAgeMs >= 1 && m.MaxReadingAgeMs <= maxReadingAgeMs},
		{"deviation_ppm", m.DeviationPpm <= million},
		{"quorum_threshold_ppm", m.QuorumThresholdPpm > million/2 && m.QuorumThresholdPpm <= million},
		{"expiry_blocks", m.ExpiryBlocks >= 1 && m.ExpiryBlocks <= maxBlocks},
		{"dispute_window_blocks", m.DisputeWindowBlocks >= 1 && m.DisputeWindowBlocks <= maxBlocks},
		{"max_pending_per_meter", m.MaxPendingPerMeter >= 1 && m.MaxPendingPerMeter <= MaxPendingPerMeter},
		{"max_live_readings", m.MaxLiveReadings >= 1 && m.MaxLiveReadings <= MaxLiveReadings},
	} {
		if !bound.within {
			return malformed(bound.field, ReasonOutOfRange)
		}
	}
	return nil
}

// validName reports whether s is a short word for people: 1 to 32 bytes of
// printable ASCII.
func validName(s string) bool {
	if len(s) < 1 || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// ValidID reports whether s can name a market, a meter or a principal:
// [a-z][a-z0-9._-]{0,63}.
func ValidID(s string) bool {
	return len(s) <= 64 && named(s, func(c byte) bool { return 'a' <= c && c <= 'z' })
}

// validAsset reports whether s can name an asset: [A-Za-z][A-Za-z0-9._-]{0,31}.
func validAsset(s string) bool {
	return len(s) <= 32 && named(s, func(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' })
}

// named reports whether s begins with a letter and goes on with letters,
// digits, dots, underscores and dashes.
func named(s string, letter func(byte) bool) bool {
	if s == "" || !letter(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		c := s[i]
		if !letter(c) && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
