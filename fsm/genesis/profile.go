package genesis

import "fmt"

// Profile names.
const (
	ProfileDemo       = "demo"
	ProfileProduction = "production"
	ProfileCustom     = "custom"
)

// Preset is the starting point of a profile: time parameters and an energy
// market row. People change what they need before they sign.
func Preset(profile string) (Genesis, error) {
	g := Genesis{Profile: profile, BlockMs: 1_000, AllowanceMs: 12_000, EpochBlocks: 3_600}
	m := Market{
		Market: "energy", Noun: "meter", Unit: "kWh", Asset: "BLOCK",
		UnitPrice: 25, FeeBps: 100,
		SkewMs: 300_000, MaxReadingAgeMs: 7 * 24 * 3_600_000,
		DeviationPpm: 20_000, QuorumThresholdPpm: 670_000,
		ExpiryBlocks: 3_600, DisputeWindowBlocks: 3 * 24 * 3_600,
		MaxPendingPerMeter: 256, MaxLiveReadings: 262_144,
		Mode: "real_time", Stage: "live",
	}
	switch profile {
	case ProfileProduction, ProfileCustom:
	case ProfileDemo:
		g.EpochBlocks = 5
		m.MaxReadingAgeMs = 400 * 24 * 3_600_000
		m.QuorumThresholdPpm = 600_000
		m.ExpiryBlocks, m.DisputeWindowBlocks = 8, 4
	default:
		return Genesis{}, fmt.Errorf("profile %q: want demo, production or custom", profile)
	}
	g.Markets = []Market{m}
	return g, nil
}
