package households

import "time"

// million is one in the fixed-point numbers of this package.
const million = 1_000_000

const (
	minutesPerDay = 24 * 60
	noon          = 12 * 60
)

// sine is the sine of an angle in thousandths of a degree, in millionths, by
// Bhaskara's formula: within 0.2 % of the truth, and the same everywhere.
func sine(angle int64) int64 {
	angle %= 360_000
	if angle < 0 {
		angle += 360_000
	}
	sign := int64(1)
	if angle >= 180_000 {
		angle, sign = angle-180_000, -1
	}
	product := angle * (180_000 - angle) / 1_000 // in thousandths of a square degree
	return sign * 4 * product * million / (40_500_000 - product)
}

func cosine(angle int64) int64 { return sine(angle + 90_000) }

// dayOfYear counts from 1 and belongs to a day since 1970.
func dayOfYear(day int64) int64 {
	return int64(time.Unix(day*24*60*60, 0).UTC().YearDay())
}

// sunHeight is the sine of the sun's elevation at a local minute, in
// millionths; zero or less means night.
func sunHeight(minute, latitude int64) int64 {
	day, ofDay := minute/minutesPerDay, minute%minutesPerDay
	declination := -23_440 * cosine((dayOfYear(day)+10)*360_000/365) / million
	hourAngle := (ofDay - noon) * 250
	across := cosine(latitude) * cosine(declination) / million * cosine(hourAngle) / million
	return sine(latitude)*sine(declination)/million + across
}

// winter says how much of a winter a day is, in millionths: nothing in
// midsummer and near the equator, all in midwinter far from it.
func winter(day, latitude int64) int64 {
	depth := (million + cosine((dayOfYear(day)-15)*360_000/365)) / 2
	if latitude < 0 {
		latitude, depth = -latitude, million-depth
	}
	return depth * min(latitude, 40_000) / 40_000
}

// sky is the weather of one day, the same for all plants of a seed.
type sky struct {
	clear int64 // share of the clear-sky light that comes through, percent
	swing int64 // how much a passing cloud may take of that, percent
}

func newSky(seed uint64, day int64) sky {
	d := newDraws(seed, topicSky, 0, day)
	switch kind := d.between(1, 100); {
	case kind <= 45:
		return sky{clear: d.between(92, 100), swing: d.between(0, 8)}
	case kind <= 80:
		return sky{clear: d.between(60, 95), swing: d.between(30, 80)}
	}
	return sky{clear: d.between(10, 35), swing: d.between(10, 50)}
}
