// Package nem12 reads AEMO's Meter Data File Format: NEM12 for interval values and
// NEM13 for what was counted between two reads.
//
// A NEM12 file has a record a line, told by its first field:
//
//	100,NEM12,200405011135,MDP1,Ret1                  header
//	200,VABD000163,E1Q1,1,E1,N1,METSER123,kWh,30,     channel: NMI, …, suffix, …, unit, minutes
//	300,20040201,1.1,1.2,…,1.3,A,,,20040202120025,    a day: date, its values, quality, reason
//	400,1,20,F14,76,                                  quality of intervals 1 to 20 of that day
//	500,O,S01009,20040201120000,001123.5              an order of the retailer; not needed here
//	900                                               end
//
// A NEM13 file has 250 records, each with the quantity between a previous and a
// current read, and 550 in the place of 500.
//
// # What becomes of it
//
// Each pair of NMI and suffix is a meter, VABD000163/E1. Suffixes A, B and C say
// what a customer fed into the grid (export), D, E and F what came out of it
// (import); the file itself says these words as seen from the grid. In NEM13 the
// direction indicator says so. A 250 record whose previous register is the current one
// of the record before it goes on from there, whatever its dates say. Units of energy are Wh, kWh and MWh in any case;
// what is in another unit is no energy and is only counted.
//
// Times are market time, UTC+10 all the year. Interval i of a day with minutes m
// ends i x m minutes after its midnight.
//
// Quality goes with each value: actual, estimated, final-substitute, substitute,
// with the method and the reason behind it (F14 with reason 76 is
// final-substitute.14.76). V says that it varies, and 400 records must then cover the
// day once. Values of quality N do not exist and become a gap, whatever number
// stands there.
//
// # What is refused
//
// The whole file: if it does not begin with a 100 record of NEM12 or NEM13, or does
// not end with a 900 record, or has nothing that can be used. A record: if its
// fields are not what it says, if its date is not one of 1970 to 2200, if a day has another number of values than its
// channel's minutes make, if its 400 records leave a gap, overlap or reach beyond the
// day, or if its channel has that day already. What hangs on a refused record is
// refused with it. Empty lines, empty fields at the end of a line and missing
// optional fields are no reason.
package nem12
