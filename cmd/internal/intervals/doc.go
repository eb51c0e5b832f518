// Package intervals turns files of interval energy values into cumulative
// registers, the form in which meters are read here.
//
// The input is RFC 4180 CSV with a header, in one of two layouts:
//
//	long: one value a row              wide: one meter a column
//	customer,from,kwh                  from,B01,B02
//	17,2013-10-05 00:00:00,0.056       2022-01-01 00:00,2.2758,1e-07
//	17,2013-10-05 00:30:00,0.052       2022-01-01 01:00,0.85116667,0.5
//
// A time is the start of its interval. Times without an offset are local times
// of [Options.TZ]; a wide file without usable times is given [Options.Start]
// and [Options.Interval]. The output for the first meter above, in Wh:
//
//	m-17  2013-10-05 00:00   0     the baseline, at the start of the first interval
//	m-17  2013-10-05 00:30  56
//	m-17  2013-10-05 01:00 108
//
// Readers of other formats hand their values to a [Collector], which makes the same
// of them. What was read is a [File], whose [Series] keep the exact values: registers
// are made of them in the resolution that a meter has.
//
// # Promises
//
//   - Arithmetic is exact. A value is a decimal number, never a float; what is
//     below the resolution of the register stays with the meter and joins its
//     next interval, so a register is always the exact sum so far, rounded down.
//   - No energy is dropped in silence: a row that cannot be used is counted and
//     named in the [Summary], or ends the reading when [Options.Strict] is set.
//   - No energy is counted twice: a second row for the same meter and instant is
//     refused.
//   - Each meter's points have strictly rising times, and points come in time
//     order over all meters.
//   - What a file says of a value's quality stays with the value ([QualityWord]).
//   - Memory has a bound whatever a file is, and an archive no larger one than a file:
//     bytes, records, meters and values are counted over all its parts, and no line,
//     record or element is kept that is longer than [MaxLineBytes].
//
// # Local time and the change of clocks
//
// When clocks go back an hour of labels exists twice. The first row with such a
// label is the earlier instant, the second the later; which other rows stand
// between them does not matter, since files are often sorted by label.
//
// When clocks go forward an hour of labels does not exist, and still there are
// files that have it, even twice: the meter counted on and the label was made
// up afterwards. Such a row goes to the instant at which the label would have
// come without the change, and rows that then meet at one instant share its
// interval in equal parts, in file order. So every value keeps a point of its
// own and the total is right, while the times inside that hour are a guess.
//
// # Gaps and oddities
//
// An empty value is a gap: the register stays and the next row continues.
// Negative values are refused, because a register cannot run backwards; export
// belongs to a meter of its own, in a long file by [Options.ExportColumn]. Meter names become ids as [MeterID] says, and
// two names that become the same id are refused. A value whose format says how long
// its interval is may not reach into another one; the second is refused.
package intervals
