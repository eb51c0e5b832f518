package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// rowFlags change single parameters of a market's row. The same flags shape the
// row in a genesis and the one in a set_market command.
func rowFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "noun", Usage: "what is read, such as meter"},
		&cli.StringFlag{Name: "unit", Usage: "what it counts, such as kWh"},
		&cli.Uint64Flag{Name: "unit-price", Usage: "minor units of the asset for one unit"},
		&cli.UintFlag{Name: "fee-bps", Usage: "fee for the treasury, in hundredths of a percent of gross"},
		&cli.DurationFlag{Name: "skew", Usage: "how far a signer's clock may be off"},
		&cli.DurationFlag{Name: "max-reading-age", Usage: "how old a reading may be"},
		&cli.UintFlag{Name: "deviation-ppm", Usage: "how far a claim may be off the oracles' median, in parts per million"},
		&cli.UintFlag{Name: "quorum-ppm", Usage: "share of the oracle weight that accepts a reading, in parts per million, above 500000"},
		&cli.Uint64Flag{Name: "expiry-blocks", Usage: "blocks after which a reading without quorum expires"},
		&cli.Uint64Flag{Name: "dispute-window-blocks", Usage: "blocks for which settled amounts are held"},
		&cli.UintFlag{Name: "max-pending-per-meter", Usage: "most pending readings of one meter"},
		&cli.UintFlag{Name: "max-live-readings", Usage: "most readings under way in the market"},
		&cli.StringFlag{Name: "stage", Usage: "live, or rehearsal: everything runs and no money moves"},
	}
}

// shape changes the members of a row whose flags are set.
func shape(c *cli.Context, m *genesis.Market) {
	for name, into := range map[string]*string{"noun": &m.Noun, "unit": &m.Unit, "stage": &m.Stage} {
		if c.IsSet(name) {
			*into = c.String(name)
		}
	}
	for name, into := range map[string]*uint64{
		"unit-price": &m.UnitPrice, "expiry-blocks": &m.ExpiryBlocks, "dispute-window-blocks": &m.DisputeWindowBlocks,
	} {
		if c.IsSet(name) {
			*into = c.Uint64(name)
		}
	}
	for name, into := range map[string]*uint32{
		"fee-bps": &m.FeeBps, "deviation-ppm": &m.DeviationPpm, "quorum-ppm": &m.QuorumThresholdPpm,
		"max-pending-per-meter": &m.MaxPendingPerMeter, "max-live-readings": &m.MaxLiveReadings,
	} {
		if c.IsSet(name) {
			*into = small(c.Uint(name))
		}
	}
	for name, into := range map[string]*int64{"skew": &m.SkewMs, "max-reading-age": &m.MaxReadingAgeMs} {
		if c.IsSet(name) {
			*into = c.Duration(name).Milliseconds()
		}
	}
}

// small fits a number into 32 bits. One that is too large becomes the largest,
// which every rule on these members refuses: it must not wrap to a harmless one.
func small(n uint) uint32 { return uint32(min(n, 1<<32-1)) }

// blockFlags shape the time of a cluster.
func blockFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "block", Usage: "length of a block interval"},
		&cli.Uint64Flag{Name: "epoch-blocks", Usage: "blocks in an epoch"},
		&cli.DurationFlag{Name: "allowance", Usage: "how far a leader's clock may move time ahead of the committee's"},
	}
}

func shapeTime(c *cli.Context, g *genesis.Genesis) {
	if c.IsSet("block") {
		g.BlockMs = small(uint(max(0, c.Duration("block")/time.Millisecond)))
	}
	if c.IsSet("allowance") {
		g.AllowanceMs = small(uint(max(0, c.Duration("allowance")/time.Millisecond)))
	}
	if c.IsSet("epoch-blocks") {
		g.EpochBlocks = c.Uint64("epoch-blocks")
	}
}
