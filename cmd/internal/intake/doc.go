// Package intake brings the interval values of a file into a cluster, as readings
// of cumulative registers that go on from what the cluster has.
//
// # What is sent
//
// The truth about what was sent is the cluster's state, nothing kept here: a
// meter's newest live reading, or its base where none is live, is its [Mark]. The
// intervals of the file that end at or before the mark are there already. Each
// later one becomes a reading at its end, with the mark's register and what the
// file has counted since:
//
//	mark 12:00 1,000 Wh   file 11:30-12:00 400   there already
//	                           12:00-12:30 250   12:30  1,250
//	                           12:30-13:00  50   13:00  1,300
//
// A meter without a mark begins with a baseline of 0 at the start of its first
// interval. Sums are exact; a register is rounded down in the same places whenever
// the same file is taken in, so that a file that was interrupted ends where it
// would have ended. A file that begins elsewhere may round a sum differently,
// by less than one unit of the register.
//
// So running the same file again sends nothing, and running one that overlaps
// sends what is new, from whatever machine. Where two do it at once, or a request
// of a crashed one arrives late, the cluster's own rules hold: one reading for a
// meter and moment, none at or before the base, and the register counts an
// interval once however it came.
//
// # What is left out
//
//   - An interval that begins before the mark and ends behind it: what of it is
//     counted cannot be told. It is named.
//   - Readings older than the market takes are not sent. Their energy is part of the
//     next reading if the meter has a mark; without one the baseline comes later.
//   - Readings of the future are not sent. Times of the file are wrong then, or
//     another zone was meant.
//
// # Sending
//
// Readings go out in order of time within a meter, all meters side by side, signed
// when they are sent. A meter whose first reading is refused for a reason that
// holds for all of them is given up at once. Where the cluster takes no more until
// some are closed, sending waits; readings that close without being settled, as
// many as a meter may have open, end it for that meter. An outcome that stays unknown ends everything: the same
// file run again finds out what there is.
package intake
