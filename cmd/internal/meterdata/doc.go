// Package meterdata opens files of interval values in any of the formats that
// are read, packed in a zip archive or not. What is in them is for the packages of
// the formats to say; all of them give an [intervals.File].
//
// An archive is told by its first bytes, not by its name. All files in it are read
// as parts of one: a part that its format refuses refuses the whole.
package meterdata
