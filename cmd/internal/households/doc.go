// Package households makes up meter data that could be real, from a number.
//
// A household has a base load, a fridge that cycles, meals and showers in the
// morning and in the evening, washing on some days, later mornings and busier
// middays at weekends, heating and cooling by season, and, one in three, an
// electric car. A PV plant feeds in what the sun at its latitude allows on that
// day of the year, under the day's clouds, which all plants share, and under
// passing ones of its own; at night it feeds in exactly nothing.
//
// The same seed gives the same bytes on every machine. So there are no floats,
// which some processors round differently, and random numbers come from PCG by
// way of this package's own reduction. A minute is the smallest step; what a
// meter shows at some minute depends on the seed, the meter and the minute, not
// on how much else was asked for, except that every series begins at its own
// first register.
//
// Local time is that of [Config.Start]'s offset, throughout: people here do not
// change their clocks, and the sun stands highest at noon.
package households
