// Package greenbutton reads Green Button files: an Atom feed whose entries hold
// resources of NAESB's Energy Services Provider Interface (ESPI).
//
// Entries refer to each other by links. Of a feed are read:
//
//	UsagePoint     self …/UsagePoint/01
//	MeterReading   self …/UsagePoint/01/MeterReading/07
//	               related …/ReadingType/3 and …/MeterReading/07/IntervalBlock
//	ReadingType    self …/ReadingType/3: uom, powerOfTenMultiplier, flowDirection,
//	               accumulationBehaviour
//	IntervalBlock  up …/MeterReading/07/IntervalBlock, with IntervalReadings:
//	               <ReadingQuality><quality>8</quality></ReadingQuality>
//	               <timePeriod><duration>900</duration><start>1330578000</start></timePeriod>
//	               <value>282</value>
//
// They may come in any order, in any namespace prefix, with links as whole URLs or
// as paths. Whatever else a feed has (customers, summaries, costs, local time) is not
// needed and not read.
//
// # What becomes of it
//
// Each MeterReading is a meter: 01/07/import is reading 07 of usage point 01. Ids longer
// than 24 characters are cut, with a part of their hash behind them.
// flowDirection 1 is import, 19 is export, 4 is net; without one (0) the flow is not
// said. A value counts value x 10^powerOfTenMultiplier Wh (uom 72). Times are Unix
// seconds, so no zone is needed: LocalTimeParameters are for showing them.
//
// Quality codes become the words of the standard: 0 valid, 7 manually-edited,
// 8 estimated-reference-day, 9 estimated-interpolation, 10 questionable, 11 derived,
// 12 projected, 13 mixed, 14 raw, 15 weather-normalized, 16 other, 17 validated,
// 18 verified, 19 revenue-quality. Of several the last one counts.
//
// # What is refused
//
// The whole file: if it is no XML, ends early, is no Atom feed, has nothing that can be
// used, or has elements that lie too deep in each other, are too long or too many.
// Entities that a document defines for itself are not known. A MeterReading whose type is not of energy (another uom, registers or
// momentary values instead of what an interval counted) is only counted. A block
// that no MeterReading claims, a MeterReading without a type, and a value without a
// time, a length or a number are refused by line.
package greenbutton
